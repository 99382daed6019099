"""`harvester/...`: heartbeats, workers, statistics and commands of instances."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import ConfigDict, JsonValue, TypeAdapter, ValidationError

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.columns import Column, DatabaseProblem, check, number, precise_moment, text
from harvester.panda.devserver.methods import Call, method
from harvester.panda.devserver.records import Instance

STATISTICS_LIFETIME = 4 * 3600.0
_STATISTICS = TypeAdapter(dict[str, dict[str, dict[str, int]]], config=ConfigDict(strict=True))
_LONGEST_METRICS = 4000
_KEPT = 1000
_DIALOG: Mapping[str, Column] = {
    "diagID": number,
    "moduleName": text(100),
    "identifier": text(100),
    "creationTime": precise_moment,
    "messageLevel": text(10),
    "diagMessage": text(500),
}


@method("POST", "harvester/heartbeat")
def heartbeat(call: Call, harvester_id: str, data: dict[str, JsonValue] | None = None) -> Answer:
    """Store that an instance lives; the first beat and a beat without data fail."""
    if data is None:
        raise DatabaseProblem("no data")
    call.state.instances.beat(harvester_id, data, call.now)
    return ok()


@method("POST", "harvester/update_workers")
def update_workers(call: Call, harvester_id: str, workers: list[JsonValue]) -> Answer:
    """Store workers one after the other, up to the first that a column refuses."""
    if not workers:
        raise DatabaseProblem("no workers")
    for entry in workers:
        if not isinstance(entry, dict):
            raise DatabaseProblem("workers")
        call.state.workers.report(harvester_id, entry, call.now)
    return ok([True] * len(workers))


@method("GET", "harvester/get_current_worker_id")
def get_current_worker_id(call: Call, harvester_id: str) -> Answer:
    """Tell the highest worker id; an instance without workers looks like a failure."""
    highest = call.state.workers.highest_id(harvester_id)
    if highest is None:
        raise DatabaseProblem("no workers")
    return ok(highest)


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
    instance = _instance(call, harvester_id)
    instance.statistics[panda_queue] = {"time": call.now, "counts": _kept(counts)}
    call.state.instances.keep(instance)
    return ok(message="OK")


def _kept(counts: JsonValue) -> dict[str, JsonValue]:
    try:
        jobs = _STATISTICS.validate_python(counts)
    except ValidationError:
        raise DatabaseProblem("statistics") from None
    return {
        job: {kind: dict(numbers) for kind, numbers in kinds.items() if kind != "Undefined"}
        for job, kinds in jobs.items()
    }


def _instance(call: Call, harvester_id: str) -> Instance:
    instance = call.state.instances.get(harvester_id)
    if instance is None:
        raise DatabaseProblem("no such instance")
    return instance


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
    """Keep service metrics; the answer tells nothing of their number."""
    if not all(map(_is_metric, metrics)):
        raise DatabaseProblem("metrics")
    instance = _instance(call, harvester_id)
    instance.metrics = [*instance.metrics, *metrics][-_KEPT:]
    call.state.instances.keep(instance)
    return ok([True])


def _is_metric(entry: JsonValue) -> bool:
    """Each is time, host, and a JSON text."""
    match entry:
        case [time, str(), str(metrics)]:
            return precise_moment(time) and len(metrics) <= _LONGEST_METRICS
    return False


@method("POST", "harvester/add_dialogs")
def add_dialogs(call: Call, harvester_id: str, dialogs: list[JsonValue]) -> Answer:
    """Keep dialog messages; one that does not fit fails the call."""
    checked = {_number_of(entry): entry for entry in dialogs}
    instance = _instance(call, harvester_id)
    instance.dialogs = dict([*(instance.dialogs | checked).items()][-_KEPT:])
    call.state.instances.keep(instance)
    return ok()


def _number_of(dialog: JsonValue) -> str:
    if not isinstance(dialog, dict) or not dialog.keys() >= _DIALOG.keys():
        raise DatabaseProblem("dialogs")
    check(_DIALOG, {name: dialog[name] for name in _DIALOG})
    return str(dialog["diagID"])


@method("POST", "harvester/acquire_commands", production=True)
def acquire_commands(
    call: Call,
    harvester_id: str,
    n_commands: int,
    timeout: int = 30,
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
def acknowledge_commands(call: Call, command_ids: list[int], timeout: int = 30) -> Answer:
    """Mark commands as done."""
    call.state.commands.acknowledge(command_ids, call.now)
    return ok()


@method("POST", "harvester/add_sweep_command", production=True)
def add_sweep_command(
    call: Call, panda_queue: str, status_list: list[str], ce_list: list[str], submission_host_list: list[str]
) -> Answer:
    """Order the workers of a queue killed, at the instance that serves it."""
    params: dict[str, JsonValue] = {
        "status": list(status_list),
        "computingSite": [panda_queue],
        "computingElement": list(ce_list),
        "submissionHost": list(submission_host_list),
    }
    serving = [instance for instance in call.state.instances.all() if instance.serves(panda_queue)]
    if not serving:
        return refused(f"no instance serves {panda_queue}")
    for instance in serving:
        call.state.commands.order(instance.harvester_id, "KILL_WORKERS", params, 0, call.now)
    return ok()


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="seconds")
