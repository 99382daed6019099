"""`system/...`, `statistics/...` and `metaconfig/...`: what the server knows besides jobs and workers."""

from collections import Counter

from pydantic import JsonValue

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.methods import Call, method
from harvester.panda.devserver.records import FINAL_JOB_STATUSES

_NO_STATISTICS = "Database failure getting the job statistics"
_ALWAYS_COUNTED = ("assigned", "activated", "running")


@method("GET", "system/is_alive", identity=False, without_database=lambda _: ok())
def is_alive(call: Call) -> Answer:
    """Answer."""
    return ok()


@method("GET", "system/get_user_attributes", identity=False, without_database=lambda _: ok())
def get_user_attributes(call: Call) -> Answer:
    """Tell a caller whom the server sees."""
    caller = call.caller
    return ok({"user": caller.name if caller else None, "is_production_user": bool(caller and caller.is_production)})


@method("GET", "statistics/active_job_stats_by_site", identity=False)
def active_job_stats_by_site(call: Call) -> Answer:
    """Count active jobs by site and status; no active job at all looks like a failure."""
    sites: dict[str, Counter[str]] = {}
    for (site, _, _, status), n in _active(call):
        sites.setdefault(site, Counter(dict.fromkeys(_ALWAYS_COUNTED, 0)))[status] += n
    return ok({site: dict(counts) for site, counts in sites.items()}) if sites else refused(_NO_STATISTICS)


@method("GET", "statistics/active_job_detailed_stats_by_site", identity=False)
def active_job_detailed_stats_by_site(call: Call) -> Answer:
    """Count active jobs by site, resource type, label and status."""
    sites: dict[str, dict[str, dict[str, dict[str, JsonValue]]]] = {}
    for (site, resource_type, label, status), n in _active(call):
        sites.setdefault(site, {}).setdefault(resource_type, {}).setdefault(label, {})[status] = n
    return ok(_plain(sites)) if sites else refused(_NO_STATISTICS)


def _plain(sites: dict[str, dict[str, dict[str, dict[str, JsonValue]]]]) -> dict[str, JsonValue]:
    return {site: {kind: dict(labels) for kind, labels in kinds.items()} for site, kinds in sites.items()}


def _active(call: Call) -> list[tuple[tuple[str, str, str, str], int]]:
    return [(key, n) for key, n in call.state.jobs.counts.items() if n and key[3] not in FINAL_JOB_STATUSES]


@method("GET", "metaconfig/get_resource_types")
def get_resource_types(call: Call) -> Answer:
    """Tell the resource types; memory per core in MB, null = no limit."""
    types: list[JsonValue] = [
        _resource_type("SCORE", 1, 1, (0, 2000)),
        _resource_type("SCORE_HIMEM", 1, 1, (2001, None)),
        _resource_type("MCORE", 2, None, (0, 2000)),
        _resource_type("MCORE_HIMEM", 2, None, (2001, None)),
    ]
    return ok(types)


def _resource_type(name: str, mincore: int, maxcore: int | None, memory: tuple[int, int | None]) -> JsonValue:
    return {
        "resource_name": name,
        "mincore": mincore,
        "maxcore": maxcore,
        "minrampercore": memory[0],
        "maxrampercore": memory[1],
    }
