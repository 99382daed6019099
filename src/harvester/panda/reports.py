"""Jobs and workers as they are reported to the server: declared types, lengths and time forms, and nothing else.

The server casts nothing in a POST. A string where an integer is declared, or a name it does not know, makes the update
of that job fail for ever; a text longer than its column fails a whole list of workers. So everything is brought into
form here, whatever a worker wrote.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from operator import attrgetter

from pydantic import JsonValue

from harvester.core.records import record_type
from harvester.panda.storable import LARGEST_INTEGER
from harvester.panda.text import clip, job_time, worker_time

_UNLIMITED = 2**20
_WHOLE = re.compile(r"\s*[+-]?\d{1,19}\s*")

Converter = Callable[[JsonValue], JsonValue]


def _number(value: JsonValue) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = value if isinstance(value, int) else float(value)
    except ValueError:
        return None
    return number if abs(number) <= LARGEST_INTEGER else None  # NaN compares as False


def _integer(value: JsonValue) -> int | None:
    """A whole text is read as such, since a float would lose its last digits."""
    number = _number(int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value)
    return None if number is None else int(number)


def _text(limit: int = _UNLIMITED) -> Converter:
    def convert(value: JsonValue) -> str | None:
        text = value if isinstance(value, str) else _number(value)
        return None if text is None else clip(str(text), limit)

    return convert


def _time(value: JsonValue) -> str | None:
    return job_time(value) if isinstance(value, str) else None


_ATTRIBUTES: dict[str, tuple[str, Converter]] = {
    "coreCount": ("core_count", _integer),
    "transExitCode": ("trans_exit_code", _integer),
    "pilotErrorCode": ("pilot_error_code", _integer),
    "pilotErrorDiag": ("pilot_error_diag", _text(500)),
    "exeErrorCode": ("exe_error_code", _integer),
    "exeErrorDiag": ("exe_error_diag", _text(500)),
    "node": ("node", _text(128)),
    "cpuConsumptionTime": ("cpu_consumption_time", _integer),
    "cpuConsumptionUnit": ("cpu_consumption_unit", _text()),
    "cpuConversionFactor": ("cpu_conversion_factor", _number),
    "pilotID": ("pilot_id", _text(200)),
    "batchID": ("batch_id", _text(80)),
    "pilotLog": ("pilot_log", _text()),
    "pilotTiming": ("pilot_timing", _text()),
    "startTime": ("start_time", _time),
    "endTime": ("end_time", _time),
    "nEvents": ("n_events", _integer),
    "nInputFiles": ("n_input_files", _integer),
    "jobMetrics": ("job_metrics", _text(500)),
    "stdout": ("stdout", _text()),
    **{
        f"{kind}{what}": (f"{kind}_{what.lower()}", _number)
        for kind in ("max", "avg")
        for what in ("RSS", "VMEM", "SWAP", "PSS")
    },
    **{
        f"{kind}{what}": (f"{kind}_{what.lower()}", _number)
        for kind in ("tot", "rate")
        for what in ("RCHAR", "WCHAR", "RBYTES", "WBYTES")
    },
}
"""The worker's attribute names that the server has an argument for; `token` once was one and now fails the update."""
_ATTRIBUTES_BY_NAME = {name.lower(): target for name, target in _ATTRIBUTES.items()}


def attributes_to_wire(attributes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Rename and convert what a worker wrote about its job; drop what has no argument or cannot be converted.

    Capitals in names do not count: pilots write both `maxSwap` and `maxSWAP`.
    """
    wire: dict[str, JsonValue] = {}
    for name, value in attributes.items():
        target = _ATTRIBUTES_BY_NAME.get(name.lower())
        converted = target[1](value) if target else None
        if target and converted is not None:
            wire[target[0]] = converted
    return wire


@record_type
class JobReport:
    """One job's state for the server; `status` is already one that the server accepts.

    Attributes:
        output_report: by LFN, `{"guid", "fsize", "adler32", ...}`, or the ready-made JSON text of a worker. Only with
            a final status; then it names every output and the log, or is None.
        meta_data: JSON text of the job report, with a final status only.
    """

    job_id: int
    status: str
    substatus: str
    attempt: int
    site: str
    scheduler_id: str
    cores: int | None = None
    attributes: Mapping[str, JsonValue] = field(default_factory=dict)
    output_report: Mapping[str, Mapping[str, JsonValue]] | str | None = None
    meta_data: str | None = field(default=None, repr=False)

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the entry of `job_list`; an attribute `coreCount` wins over `cores`."""
        wire: dict[str, JsonValue] = {
            "job_id": self.job_id,
            "job_status": self.status,
            "job_sub_status": clip(self.substatus, 80),
            "site_name": self.site,
            "attempt_nr": self.attempt,
            "scheduler_id": self.scheduler_id,
        }
        if self.cores is not None:
            wire["core_count"] = self.cores
        wire |= attributes_to_wire(self.attributes)
        if self.meta_data is not None:
            wire["meta_data"] = self.meta_data
        if self.output_report is not None:
            report = self.output_report
            wire["job_output_report"] = report if isinstance(report, str) else json.dumps(_plain(report))
        return wire


def _plain(report: Mapping[str, Mapping[str, JsonValue]]) -> dict[str, dict[str, JsonValue]]:
    return {lfn: dict(facts) for lfn, facts in report.items()}


_WORKER_TEXTS = {
    "batchID": ("batch_id", 80),
    "queueName": ("queue_name", 80),
    "status": ("status", 80),
    "computingSite": ("computing_site", 128),
    "nodeID": ("node_id", 80),
    "jobType": ("job_type", 52),
    "resourceType": ("resource_type", 56),
    "nativeStatus": ("native_status", 80),
    "computingElement": ("computing_element", 128),
    "submissionHost": ("submission_host", 128),
    "harvesterHost": ("harvester_host", 128),
    "stdOut": ("std_out", 250),
    "stdErr": ("std_err", 250),
    "batchLog": ("batch_log", 250),
    "jdl": ("jdl", 250),
}
"""Wire name, own name, and the width of the server's column, which PostgreSQL enforces by failing the call."""
_WORKER_NUMBERS = {
    "nCore": "cores",
    "nativeExitCode": "native_exit_code",
    "nJobs": "n_jobs",
    "syncLevel": "sync_level",
    "errorCode": "error_code",
    "minRamCount": "min_ram_count",
}
_WORKER_TIMES = {"submitTime": "submit_time", "startTime": "start_time", "endTime": "end_time"}
_DIAG_LIMIT = 500


@record_type
class WorkerReport:
    """One worker's state for the server; what is None is left out.

    Attributes:
        queue_name: the batch system's queue; the PanDA queue is `computing_site`.
        min_ram_count: MB.
        sync_level: 1 = the worker's jobs must not outlive it, the server fails them when it ends.
        error_code: supplemental worker error, 0 or from 1000 on; with one, an `error_diag` takes the
            place of `diag_message`.
        job_ids: the jobs of this worker; replaces what the server knew, unless empty.
    """

    worker_id: int
    status: str
    batch_id: str | None = None
    queue_name: str | None = None
    computing_site: str | None = None
    cores: int | None = None
    node_id: str | None = None
    submit_time: datetime | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    job_type: str | None = None
    resource_type: str | None = None
    native_exit_code: int | None = None
    native_status: str | None = None
    diag_message: str | None = None
    n_jobs: int | None = None
    computing_element: str | None = None
    sync_level: int | None = None
    submission_host: str | None = None
    harvester_host: str | None = None
    error_code: int | None = None
    error_diag: str | None = None
    min_ram_count: int | None = None
    std_out: str | None = None
    std_err: str | None = None
    batch_log: str | None = None
    jdl: str | None = None
    job_ids: tuple[int, ...] = ()

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the entry of `workers`, cut to the server's columns."""
        wire: dict[str, JsonValue] = {"workerID": self.worker_id}
        for (name, (_, limit)), text in zip(_WORKER_TEXTS.items(), _texts_of(self), strict=True):
            if text is not None:
                wire[name] = clip(text, limit)
        numbers = zip(_WORKER_NUMBERS, _numbers_of(self), strict=True)
        wire |= {name: number for name, number in numbers if number is not None}
        for name, moment in zip(_WORKER_TIMES, _times_of(self), strict=True):
            if moment is not None:
                wire[name] = worker_time(moment)
        if diagnosis := (self.error_diag if self.error_code else None) or self.diag_message:
            wire["diagMessage"] = clip(diagnosis, _DIAG_LIMIT)
        if self.job_ids:
            wire["pandaid_list"] = list(self.job_ids)
        return wire


_texts_of = attrgetter(*(own for own, _ in _WORKER_TEXTS.values()))
_numbers_of = attrgetter(*_WORKER_NUMBERS.values())
_times_of = attrgetter(*_WORKER_TIMES.values())
