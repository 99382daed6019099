"""`pilot/...` and `job/...`: giving jobs out and hearing about them."""

from collections.abc import Mapping

from pydantic import JsonValue

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.job_fields import JOB_UPDATE
from harvester.panda.devserver.jobs import KILL, NO_COMMAND, Request
from harvester.panda.devserver.methods import Call, method
from harvester.panda.devserver.parameters import ArgumentProblem
from harvester.panda.devserver.records import Job

NO_JOBS = "No jobs in PanDA"
_STATES = frozenset({"running", "failed", "finished", "holding", "starting", "transferring"})


def _database_down() -> Answer:
    """Both success flags are true and only the StatusCode tells."""
    return ok({"StatusCode": 30}, "Database error")


@method("POST", "pilot/acquire_jobs", without_database=lambda _: refused(NO_JOBS))
def acquire_jobs(
    call: Call,
    *,
    site_name: str,
    timeout: int = 60,
    memory: int | None = None,
    disk_space: int | None = None,
    prod_source_label: str | None = None,
    node: str | None = None,
    computing_element: str | None = None,
    prod_user_id: str | None = None,
    get_proxy_key: str | None = None,
    task_id: int | None = None,
    n_jobs: int = 1,
    background: bool | None = None,
    resource_type: str | None = None,
    harvester_id: str | None = None,
    worker_id: int | None = None,
    scheduler_id: str | None = None,
    job_type: str | None = None,
    via_topic: bool | None = None,
    remaining_time: int | None = None,
) -> Answer:
    """Reserve jobs for a Harvester, or for the pilot of one of its workers; without the role only one's own."""
    if call.caller and not call.caller.is_production:
        if prod_source_label != "user":
            return refused("no production/pilot role in VOMS FQANs or non pilot owner")
        prod_user_id = call.caller.name

    def fits(job: Job) -> bool:
        wanted = {"taskID": task_id, "prodUserID": prod_user_id}
        limits = {"minRamCount": memory, "maxDiskCount": disk_space}
        return all(value is None or value == job.params.get(name) for name, value in wanted.items()) and all(
            limit in {None, 0} or _number(job.params.get(name)) <= _number(limit) for name, limit in limits.items()
        )

    request = Request(
        site_name, prod_source_label, resource_type, n_jobs, scheduler_id or harvester_id or node or "nobody", fits
    )
    jobs = call.state.jobs.acquire(request, call.now)
    if not jobs:
        return refused(NO_JOBS)
    _link(call, harvester_id or scheduler_id, worker_id, jobs)
    return ok({"StatusCode": 0, "jobs": [job.params for job in jobs]})


def _number(value: JsonValue) -> float:
    return value if isinstance(value, int | float) else 0


def _link(call: Call, harvester_id: str | None, worker_id: int | None, jobs: list[Job]) -> None:
    """Relate jobs to a pilot's worker, but only of an instance that has sent a heartbeat before."""
    if harvester_id and worker_id is not None and call.state.instances.get(harvester_id):
        call.state.workers.link_pull(harvester_id, worker_id, [job.job_id for job in jobs], call.now)


@method("POST", "pilot/update_job", production=True, parameters=JOB_UPDATE, without_database=lambda _: _database_down())
def update_job(call: Call, /, **fields: JsonValue) -> Answer:
    """Update one job."""
    status = fields["job_status"]
    if status not in _STATES:
        return refused(f"Invalid job status: {status}", {"StatusCode": 50})
    return ok({"StatusCode": 0, "command": call.state.jobs.update(fields, call.now)})


def _bulk_without_database(raw: Mapping[str, JsonValue]) -> Answer:
    entries = raw["job_list"]
    return ok([_database_down().to_wire() for _ in entries] if isinstance(entries, list) else [])


@method("POST", "pilot/update_jobs_bulk", production=True, without_database=_bulk_without_database)
def update_jobs_bulk(call: Call, job_list: list[JsonValue], harvester_id: str | None = None) -> Answer:
    """Update jobs one after the other; an entry without its mandatory names ends the whole call as failed."""
    answers: list[JsonValue] = []
    for entry in job_list:
        missing = "job_id and job_status" if not isinstance(entry, dict) else _missing(entry)
        if missing or not isinstance(entry, dict):
            return refused(f"failed to update jobs: {missing!r}", [])
        answers.append(_update_entry(call, entry).to_wire())
    return ok(answers)


def _missing(entry: Mapping[str, JsonValue]) -> str:
    return next((name for name in ("job_id", "job_status") if name not in entry), "")


def _update_entry(call: Call, entry: Mapping[str, JsonValue]) -> Answer:
    try:
        fields = JOB_UPDATE.bind(entry, cast=False)
    except ArgumentProblem as problem:
        return refused(str(problem))
    return update_job(call, **fields)


@method("POST", "pilot/update_worker_status", production=True)
def update_worker_status(
    call: Call,
    *,
    worker_id: int,
    harvester_id: str,
    status: str,
    node_id: str | None = None,
    timeout: int = 60,
) -> Answer:
    """Hear from a pilot that it started or finished."""
    if status not in {"started", "finished"}:
        return refused(f"Invalid status: {status}")
    known = call.state.workers.pilot_status(harvester_id, worker_id, status, node_id, call.now)
    return ok() if known else refused("worker not found")


def _unknown_statuses(raw: Mapping[str, JsonValue]) -> Answer:
    ids = raw["job_ids"]
    return ok([{"status": None, "command": None} for _ in ids] if isinstance(ids, list) else [])


@method("GET", "job/get_status", without_database=_unknown_statuses)
def get_status(call: Call, job_ids: list[int], timeout: int = 60) -> Answer:
    """Tell status and command of jobs, in order."""
    return ok([_status(call.state.jobs.get(job_id)) for job_id in job_ids])


def _status(job: Job | None) -> JsonValue:
    if job is None:
        return {"status": "unknown", "command": KILL}
    command = job.command if job.status != "finished" else None
    return {"status": job.status, "command": None if command == NO_COMMAND else command}
