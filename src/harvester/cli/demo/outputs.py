"""Looks at every output of a demonstration: is it stored, and is it what the server was told?"""

import zlib
from collections import Counter
from collections.abc import Mapping

from pydantic import JsonValue, TypeAdapter, ValidationError

from harvester.cli.demo.plan import Plan

_REPORT = TypeAdapter(dict[str, dict[str, JsonValue]])


def verify(plan: Plan, job: Mapping[str, JsonValue]) -> str:
    """Compare the stored files of a finished job with the server's record of it; empty if all is well."""
    place = f"job {job['job_id']}"
    try:
        report = _REPORT.validate_json(str(job.get("output_report") or "{}"))
    except ValidationError:
        return f"{place}: the server has no readable list of its outputs"
    params = job["params"]
    declared = str(params["outFiles"]).split(",") if isinstance(params, dict) else []
    checked = [name for name in declared if name in report]
    if declared[0] not in report:
        return f"{place}: {declared[0]} was not reported to the server"
    for name in checked:
        if wrong := _compare(plan, name, report[name]):
            return f"{place}: {wrong}"
    return ""


def _compare(plan: Plan, name: str, told: Mapping[str, JsonValue]) -> str:
    path = plan.stored(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    facts = {"fsize": len(content), "adler32": f"{zlib.adler32(content):08x}"}
    for key, value in facts.items():
        if str(told.get(key)).removeprefix("ad:") != str(value):
            return f"{path} has {key} {value}, the server was told {told.get(key)}"
    return ""


def run_more_than_once(plan: Plan) -> list[int]:
    """Jobs that were started more than once, as the pilots noted it."""
    journal = plan.executions / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    starts = Counter(int(line.split()[0]) for line in lines)
    refused = plan.executions / "refused"
    again = [int(line.split()[0]) for line in refused.read_text().splitlines()] if refused.exists() else []
    return sorted({*again, *(job for job, number in starts.items() if number > 1)})
