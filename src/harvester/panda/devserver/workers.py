"""The worker table of the development server."""

from collections.abc import Mapping

from pydantic import JsonValue

from harvester.panda.devserver.columns import Column, DatabaseProblem, check, number, stated_moment, text
from harvester.panda.devserver.jobs import Jobs
from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import Worker

FINAL_STATUS_KEPT = 3 * 3600.0
"""A final status is not overwritten for this many seconds."""
_ORPHANED = 300
_WIDTHS = {
    "batchID": 80,
    "queueName": 80,
    "status": 80,
    "computingSite": 128,
    "nodeID": 80,
    "jobType": 52,
    "resourceType": 56,
    "nativeStatus": 80,
    "diagMessage": 500,
    "computingElement": 128,
    "submissionHost": 128,
    "harvesterHost": 128,
    "stdOut": 250,
    "stdErr": 250,
    "batchLog": 250,
    "jdl": 250,
}
_COLUMNS: Mapping[str, Column] = {
    **{name: text(width) for name, width in _WIDTHS.items()},
    **dict.fromkeys(("nCore", "nativeExitCode", "nJobs", "errorCode", "minRamCount"), number),
    **dict.fromkeys(("submitTime", "startTime", "endTime"), stated_moment),
}


class Workers:
    """All workers of all instances."""

    def __init__(self, memory: Memory, jobs: Jobs) -> None:
        self._memory = memory
        self._jobs = jobs
        self._by_key = {
            (worker.harvester_id, worker.worker_id): worker
            for worker in (Worker.from_record(record) for _, record in memory.records("worker"))
        }
        self._highest: dict[str, int] = {}
        for harvester_id, worker_id in self._by_key:
            self._highest[harvester_id] = max(worker_id, self._highest.get(harvester_id, 0))

    def all(self) -> list[Worker]:
        """Give every worker, in order of arrival."""
        return list(self._by_key.values())

    def get(self, harvester_id: str, worker_id: int) -> Worker | None:
        """Give one worker."""
        return self._by_key.get((harvester_id, worker_id))

    def highest_id(self, harvester_id: str) -> int | None:
        """Give the highest worker id this instance has used."""
        return self._highest.get(harvester_id)

    def report(self, harvester_id: str, fields: Mapping[str, JsonValue], now: float) -> None:
        """Store one entry of `update_workers`.

        Raises:
            DatabaseProblem: a column refuses its value.
        """
        worker_id = fields.get("workerID")
        if type(worker_id) is not int:
            raise DatabaseProblem("workerID")
        columns = _columns(fields)
        worker = self.get(harvester_id, worker_id)
        if worker is None:
            if "status" not in columns:
                raise DatabaseProblem("status of a new worker")
            worker = self._enter(harvester_id, worker_id, str(columns["status"]), now)
        self._apply(worker, columns, fields, now)

    def _enter(self, harvester_id: str, worker_id: int, status: str, now: float) -> Worker:
        worker = Worker(harvester_id, worker_id, status, now, statuses=[status])
        self._by_key[harvester_id, worker_id] = worker
        self._highest[harvester_id] = max(worker_id, self._highest.get(harvester_id, 0))
        self._memory.note(now, "worker", _key(worker), status)
        return worker

    def _apply(
        self, worker: Worker, columns: dict[str, JsonValue], fields: Mapping[str, JsonValue], now: float
    ) -> None:
        job_ids = fields.get("pandaid_list")
        if isinstance(job_ids, list) and job_ids:
            self._relate(worker, [each for each in job_ids if type(each) is int])
        self._move(worker, str(columns.pop("status", worker.status)), now)
        worker.fields |= columns
        worker.updates += 1
        if worker.is_final:
            self._blame_jobs(worker, fields, now)
        self._memory.keep("worker", _key(worker), worker.to_record())

    def _move(self, worker: Worker, status: str, now: float) -> None:
        if worker.told[-1:] != [status]:
            worker.told.append(status)
        if worker.is_final and now - worker.changed < FINAL_STATUS_KEPT:
            return
        if status != worker.status:
            worker.statuses.append(status)
            self._memory.note(now, "worker", _key(worker), status)
        worker.status, worker.changed = status, now

    def _relate(self, worker: Worker, job_ids: list[int]) -> None:
        pair: list[str | int] = [worker.harvester_id, worker.worker_id]
        for gone in set(worker.job_ids) - set(job_ids):
            job = self._jobs.get(gone)
            if job and pair in job.workers:
                job.workers.remove(pair)
                self._jobs.keep(job)
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            if job and pair not in job.workers:
                job.workers.append(pair)
                self._jobs.keep(job)
        worker.job_ids = job_ids

    def _blame_jobs(self, worker: Worker, fields: Mapping[str, JsonValue], now: float) -> None:
        """A final worker leaves its diagnosis to unfinished jobs; with `syncLevel` 1 they end with it."""
        diag = str(fields.get("diagMessage") or "")
        for job in (found for job_id in worker.job_ids if (found := self._jobs.get(job_id))):
            if job.status == "finished":
                continue
            if fields.get("errorCode"):
                supplement = {"supErrorCode": fields["errorCode"], "supErrorDiag": f"Diag from worker : {diag}"[:250]}
                job.errors |= supplement
                self._jobs.keep(job)
            if fields.get("syncLevel") == 1 and job.status in {"starting", "running"}:
                text = f"The worker was {worker.status} while the job was {job.status} : {diag}"
                self._jobs.fail(job, {"taskBufferErrorCode": _ORPHANED, "taskBufferErrorDiag": text}, now)

    def link_pull(self, harvester_id: str, worker_id: int, job_ids: list[int], now: float) -> None:
        """Relate jobs to the worker whose pilot asked for them; makes a bare worker if it was not reported yet."""
        worker = self.get(harvester_id, worker_id) or self._enter(harvester_id, worker_id, "running", now)
        self._relate(worker, [*worker.job_ids, *job_ids])
        self._memory.keep("worker", _key(worker), worker.to_record())

    def pilot_status(self, harvester_id: str, worker_id: int, status: str, node: str | None, now: float) -> bool:
        """Store what the pilot says about its worker; False if nobody knows that worker."""
        worker = self.get(harvester_id, worker_id)
        if worker is None:
            return False
        worker.pilot_status = status
        if node:
            worker.fields["nodeID"] = node
        self._memory.note(now, "worker", _key(worker), f"pilot_{status}")
        self._memory.keep("worker", _key(worker), worker.to_record())
        return True


def _key(worker: Worker) -> str:
    return f"{worker.harvester_id}/{worker.worker_id}"


def _columns(fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Pick the columns; unknown keys are ignored, values that do not fit are not."""
    columns: dict[str, JsonValue] = {
        name: value for name, value in fields.items() if name in _COLUMNS and value is not None
    }
    check(_COLUMNS, columns)
    return columns
