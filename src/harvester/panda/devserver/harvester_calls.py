"""`harvester/...`: heartbeats, workers, statistics and commands of instances."""

import json
from collections import defaultdict
from datetime import UTC, datetime

from pydantic import JsonValue

from harvester.panda.devserver.answers import DATABASE_ERROR, Answer, ok, refused
from harvester.panda.devserver.methods import Call, method
from harvester.panda.devserver.workers import DatabaseProblem

STATISTICS_LIFETIME = 4 * 3600.0
_LONGEST_DIALOG = 500


@method("POST", "harvester/heartbeat")
def heartbeat(call: Call, harvester_id: str, data: dict[str, JsonValue] | None = None) -> Answer:
    """Store that an instance lives; the first beat and a beat without data fail."""
    if data is None or not call.state.instances.beat(harvester_id, data, call.now):
        return refused(DATABASE_ERROR)
    return ok()


@method("POST", "harvester/update_workers")
def update_workers(call: Call, harvester_id: str, workers: list[JsonValue]) -> Answer:
    """Store workers one after the other, up to the first that a column refuses."""
    if not workers:
        return refused(DATABASE_ERROR)
    for entry in workers:
        if not isinstance(entry, dict):
            return refused(DATABASE_ERROR)
        try:
            call.state.workers.report(harvester_id, entry, call.now)
        except DatabaseProblem:
            return refused(DATABASE_ERROR)
    return ok([True] * len(workers))


@method("GET", "harvester/get_current_worker_id")
def get_current_worker_id(call: Call, harvester_id: str) -> Answer:
    """Tell the highest worker id; an instance without workers looks like a failure."""
    highest = call.state.workers.highest_id(harvester_id)
    return refused(DATABASE_ERROR) if highest is None else ok(highest)


@method(
    "POST",
    "harvester/report_worker_statistics",
    without_database=lambda _: refused("rows locked by another update"),
)
def report_worker_statistics(call: Call, harvester_id: str, panda_queue: str, statistics: str) -> Answer:
    """Replace the statistics of one queue of one instance."""
    try:
        counts = json.loads(statistics)
    except ValueError:
        return refused("failed to load JSON")
    instance = call.state.instances.get(harvester_id)
    if instance is None or not isinstance(counts, dict):
        return refused(DATABASE_ERROR)
    kept: dict[str, JsonValue] = {
        job: {kind: numbers for kind, numbers in kinds.items() if kind != "Undefined"} for job, kinds in counts.items()
    }
    instance.statistics[panda_queue] = {"time": call.now, "counts": kept}
    call.state.instances.keep(instance)
    return ok(message="OK")


@method("GET", "harvester/get_worker_statistics")
def get_worker_statistics(call: Call) -> Answer:
    """Tell the statistics of the last hours by queue and instance."""
    found: defaultdict[str, dict[str, JsonValue]] = defaultdict(dict)
    for instance in call.state.instances.all():
        for queue, entry in instance.statistics.items():
            if isinstance(entry, dict) and _age(entry, call.now) <= STATISTICS_LIFETIME:
                found[queue][instance.harvester_id] = entry["counts"]
    return ok(dict(found))


def _age(entry: dict[str, JsonValue], now: float) -> float:
    time = entry["time"]
    return now - time if isinstance(time, int | float) else now


@method("POST", "harvester/update_service_metrics")
def update_service_metrics(call: Call, harvester_id: str, metrics: list[JsonValue]) -> Answer:
    """Count service metrics; each is `[time, host, JSON text]`."""
    if not all(isinstance(each, list) and len(each) == 3 and isinstance(each[2], str) for each in metrics):  # noqa: PLR2004 - a triplet
        return refused(DATABASE_ERROR)
    return _count(call, harvester_id, "metrics", len(metrics), [True] * len(metrics))


@method("POST", "harvester/add_dialogs")
def add_dialogs(call: Call, harvester_id: str, dialogs: list[JsonValue]) -> Answer:
    """Count dialog messages; a message over 500 characters fails the call."""
    for each in dialogs:
        if not isinstance(each, dict) or len(str(each.get("diagMessage", ""))) > _LONGEST_DIALOG:
            return refused(DATABASE_ERROR)
    return _count(call, harvester_id, "dialogs", len(dialogs), None)


def _count(call: Call, harvester_id: str, what: str, n: int, data: list[JsonValue] | None) -> Answer:
    instance = call.state.instances.get(harvester_id)
    if instance is None:
        return refused(DATABASE_ERROR)
    setattr(instance, what, getattr(instance, what) + n)
    call.state.instances.keep(instance)
    return ok(data)


@method("POST", "harvester/acquire_commands", production=True)
def acquire_commands(
    call: Call,
    harvester_id: str,
    n_commands: int,
    timeout: int = 30,  # noqa: ARG001 - accepted as the real server does
) -> Answer:
    """Give unread commands, each only once."""
    taken = call.state.commands.take(harvester_id, n_commands, call.now)
    return ok(
        [
            {
                "command_id": each.command_id,
                "command": each.command,
                "params": each.params,
                "ack_requested": each.ack_requested,
                "creation_date": _date(each.created),
            }
            for each in taken
        ]
    )


@method("POST", "harvester/acknowledge_commands", production=True)
def acknowledge_commands(call: Call, command_ids: list[int], timeout: int = 30) -> Answer:  # noqa: ARG001 - as above
    """Mark commands as done."""
    call.state.commands.acknowledge(command_ids, call.now)
    return ok()


@method("POST", "harvester/add_sweep_command", production=True)
def add_sweep_command(
    call: Call, panda_queue: str, status_list: list[str], ce_list: list[str], submission_host_list: list[str]
) -> Answer:
    """Order the workers of a queue killed, at every instance that may be sent commands for it."""
    params: dict[str, JsonValue] = {
        "status": list(status_list),
        "computingSite": [panda_queue],
        "computingElement": list(ce_list) or "ALL",
        "submissionHost": list(submission_host_list) or "ALL",
    }
    for instance in call.state.instances.all():
        call.state.commands.order(instance.harvester_id, "KILL_WORKERS", params, 0, call.now)
    return ok()


def _date(seconds: float) -> JsonValue:
    return {"__datetime__": datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}
