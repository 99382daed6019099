"""What the server's Adder decides when a job has reported its end."""

import json
import re

from pydantic import JsonValue

from harvester.panda.devserver.records import Job

_DDM_ERROR = 200
_SUFFIX = re.compile(r"\.*_\d+$")


def verdict(job: Job) -> tuple[str, dict[str, JsonValue]]:
    """Decide the final status of a job that reported `finished` or `failed`, and the errors it gets.

    An empty report is accepted as it is; one that is there must name every output and the log (only the log, if the
    job failed), with GUID, size and checksum, and nothing that was not declared. Files that are called like a declared
    one and end in `._<number>` stand for it; inputs that it names were skipped.
    """
    closing = job.closing or "failed"
    if job.command == "tobekilled" and closing == "failed":
        return "cancelled", {}
    if not job.output_report:
        return closing, {}
    problem = _problem(job, closing)
    if problem is None:
        return closing, {}
    return "failed", {"ddmErrorCode": _DDM_ERROR, "ddmErrorDiag": problem}


def _problem(job: Job, closing: str) -> str | None:
    try:
        report = json.loads(job.output_report or "")
    except (ValueError, RecursionError):
        report = None
    if not isinstance(report, dict):
        return "Could not get GUID/LFN/MD5/FSIZE/SURL from pilot JSON"
    declared = [lfn for lfn in str(job.params.get("outFiles") or "").split(",") if lfn not in {"", "NULL"}]
    optional = set(str(job.params.get("allowNoOutput") or "").split(","))
    needed = declared if closing == "finished" else [lfn for lfn in declared if lfn == job.params.get("logFile")]
    stood_for = {*report, *(_SUFFIX.sub("", lfn) for lfn in report)}
    for lfn in needed:
        if lfn not in stood_for and lfn not in optional:
            return f"expected output {lfn} is missing in pilot JSON"
    inputs = set(str(job.params.get("inFiles") or "").split(","))
    made = {lfn: facts for lfn, facts in report.items() if lfn not in inputs}
    return next((text for lfn, facts in made.items() if (text := _entry_problem(lfn, facts, declared))), None)


def _entry_problem(lfn: str, facts: object, declared: list[str]) -> str | None:
    if lfn not in declared and _SUFFIX.sub("", lfn) not in declared:
        return f"{lfn} in pilot JSON is not a declared output"
    has_sum = isinstance(facts, dict) and bool(facts.get("adler32") or facts.get("md5sum"))
    if not isinstance(facts, dict) or not facts.get("guid") or "fsize" not in facts or not has_sum:
        return "Could not get GUID/LFN/MD5/FSIZE/SURL from pilot JSON"
    return None
