"""Complete job dictionaries from partial ones: what a real server would have filled in."""

from collections.abc import Mapping

from pydantic import JsonValue

_NOT_FOR_THE_WORKER = ("site", "raw", "event_ranges", "hp_points")
_ALONG_INPUTS = (
    "GUID",
    "fsize",
    "checksum",
    "scopeIn",
    "realDatasetsIn",
    "ddmEndPointIn",
    "prodDBlocks",
    "prodDBlockToken",
    "dispatchDblock",
    "dispatchDBlockToken",
)
_ALONG_OUTPUTS = (
    "realDatasets",
    "ddmEndPointOut",
    "destinationDblock",
    "destinationDBlockToken",
    "dispatchDBlockTokenForOut",
    "fileDestinationSE",
)
_UNSET_TEXTS = ("swRelease", "homepackage", "cmtConfig", "nucleus", "transferType", "sourceSite", "destinationSE")


def complete_job(partial: Mapping[str, JsonValue], job_id: int) -> dict[str, JsonValue]:
    """Fill a partial dictionary.

    Every key of it wins over the default. `site` is where the job waits, `event_ranges` or `hp_points` divide it; what
    stands under `raw` is laid over the finished dictionary unseen, so that a test can give out jobs that no client
    should accept.
    """
    given = {name: value for name, value in partial.items() if name not in _NOT_FOR_THE_WORKER}
    log_file = given.get("logFile", f"job.{job_id}.log.tgz")
    job: dict[str, JsonValue] = {
        "StatusCode": 0,
        "PandaID": job_id,
        "prodSourceLabel": "managed",
        "jobName": f"job_{job_id}",
        "jobDefinitionID": 0,
        "taskID": 1,
        "jobsetID": "NULL",
        "reqID": "NULL",
        "attemptNr": 1,
        "currentPriority": 1000,
        "cloud": "WORLD",
        **dict.fromkeys(_UNSET_TEXTS, "NULL"),
        "transformation": "/bin/true",
        "jobPars": "",
        "processingType": "simul",
        "prodUserID": "development",
        "coreCount": 1,
        "minRamCount": 1000,
        "maxDiskCount": 1000,
        "maxCpuCount": 3600,
        "maxWalltime": 3600,
        "ioIntensity": "NULL",
        "ioIntensityUnit": "NULL",
        "resource_type": "SCORE",
        "inFiles": "",
        "outFiles": log_file,
        "logFile": log_file,
        "logGUID": f"00000000-0000-4000-8000-{job_id:012d}",
        "scopeLog": "panda",
        "nSent": 0,
        **({"eventService": "True"} if "event_ranges" in partial else {}),
        **({"isHPO": "True"} if "hp_points" in partial else {}),
        **given,
    }
    _fill_lists(job)
    raw = partial.get("raw")
    return job | raw if isinstance(raw, dict) else job


def _fill_lists(job: dict[str, JsonValue]) -> None:
    """Give every list that runs along the files as many entries as there are files."""
    inputs, outputs = _count(job["inFiles"]), _count(job["outFiles"])
    has_log = job["logFile"] in str(job["outFiles"]).split(",")
    for name in _ALONG_INPUTS:
        job.setdefault(name, _unset(inputs))
    for name in _ALONG_OUTPUTS:
        job.setdefault(name, _unset(outputs))
    job.setdefault("scopeOut", _unset(outputs - has_log))


def _count(names: JsonValue) -> int:
    return len(str(names).split(",")) if names else 0


def _unset(count: int) -> str:
    return ",".join(["NULL"] * count)
