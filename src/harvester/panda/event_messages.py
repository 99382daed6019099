"""Event ranges on the wire: what the server gives, and how it is told of their ends (protocol reference §9)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from pydantic import JsonValue

from harvester.core.events import LONGEST_RANGE_ID, EventMode, event_mode
from harvester.core.records import record_type
from harvester.panda.storable import LARGEST_INTEGER, fault_of, whole
from harvester.panda.text import clip

_LONGEST_DIAG = 500
_NUMBERS = ("coreCount", "cpuConsumptionTime", "errorCode")


@record_type
class EventJob:
    """A job as the server knows it where it gives out event ranges; without a jobset that is 0.

    Attributes:
        mode: what it is divided into.
        source_url: where checkpoints of its points are kept, if they are.
    """

    job_id: int
    jobset_id: int = 0
    task_id: int | None = None
    mode: EventMode | None = None
    source_url: str | None = None


def event_job_of(job_id: int, params: Mapping[str, JsonValue]) -> EventJob:
    """What the server's dictionary of a job says of it; a search has no jobset (core reference §3.6 step 14)."""
    mode, source = event_mode(params), params.get("sourceURL")
    jobset = 0 if mode is EventMode.SAMPLES else whole(params.get("jobsetID")) or 0
    source_url = source if isinstance(source, str) and source not in {"", "NULL"} else None
    return EventJob(job_id, jobset, whole(params.get("taskID")), mode, source_url)


@record_type
class OfferedRange:
    """A range that the server gave for a job; `given` is all that it says of it, for the worker."""

    range_id: str
    given: Mapping[str, JsonValue]


@record_type
class ZipFile:
    """A stored file that holds the outputs of several ranges.

    Attributes:
        objstore: where it was stored, `<id>` or `<id>/<path convention>`.
        checksum: `ad:…` or bare for adler32, `md:…` for md5.
    """

    lfn: str
    size: int | None
    checksum: str | None
    objstore: str | None

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the `zipFile` of a chunk."""
        wire: dict[str, JsonValue] = {"lfn": self.lfn}
        if self.objstore is not None:
            wire["objstoreID"] = self.objstore
        if self.size is not None:
            wire["fsize"] = self.size
        if self.checksum and self.checksum.startswith("md:"):
            wire["md5"] = self.checksum.removeprefix("md:")
        elif self.checksum:
            wire["adler32"] = self.checksum.removeprefix("ad:")
        return wire


@record_type
class EventReport:
    """The end of one range.

    Attributes:
        status: `finished`, `failed` or `fatal`.
        about: what the worker told besides: `coreCount`, `cpuConsumptionTime`, `loss`, `errorCode`, `errorDiag`.
        zip_file: where its output is, together with that of others.
        objstore: where the file with its output alone was stored.
        source_url: of the job, for hyper-parameter samples.
    """

    range_id: str
    status: str
    about: Mapping[str, JsonValue] = field(default_factory=dict)
    zip_file: ZipFile | None = None
    objstore: str | None = None
    source_url: str | None = None

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the entry of `eventRanges`."""
        wire: dict[str, JsonValue] = {"eventRangeID": self.range_id, "eventStatus": self.status}
        for key in _NUMBERS:
            if isinstance(value := self.about.get(key), int | float) and abs(value) <= LARGEST_INTEGER:
                wire[key] = int(value)
        if self.about.get("loss") is not None:
            wire["loss"] = self.about["loss"]
        if isinstance(diag := self.about.get("errorDiag"), str):
            wire["errorDiag"] = clip(diag, _LONGEST_DIAG)
        if self.objstore is not None:
            wire["objstoreID"], _, convention = self.objstore.partition("/")
            if convention:
                wire["pathConvention"] = convention
        return wire


def chunks_to_wire(reports: Sequence[EventReport]) -> tuple[str, list[int]]:
    """The JSON text of all reports, one chunk per zip file, and the places of the reports in the order of the text."""
    together: dict[tuple[ZipFile | None, str | None], list[int]] = {}
    for place, each in enumerate(reports):
        together.setdefault((each.zip_file, each.source_url), []).append(place)
    chunks: list[JsonValue] = []
    for (zip_file, source_url), some in together.items():
        chunk: dict[str, JsonValue] = {"eventRanges": [reports[place].to_wire() for place in some]}
        if zip_file is not None:
            chunk["zipFile"] = zip_file.to_wire()
        if source_url is not None:
            chunk["sourceURL"] = source_url
        chunks.append(chunk)
    return json.dumps(chunks), [place for some in together.values() for place in some]


def parse_ranges(data: JsonValue) -> tuple[list[OfferedRange], list[str]]:
    """The ranges of an answer, in either of the server's forms, and what is wrong with those that are no ranges.

    Raises:
        ValueError: it is none of the forms.
    """
    ranges = data.get("eventRanges") if isinstance(data, dict) else data
    if isinstance(data, dict) and data.get("StatusCode") != 0:
        raise ValueError(f"StatusCode {data.get('StatusCode')}")
    if not isinstance(ranges, list):
        raise ValueError("the answer has no list of event ranges")  # noqa: TRY004 (one error for any bad answer)
    offered: list[OfferedRange] = []
    faults: list[str] = []
    for each in ranges:
        fault = _fault_of_range(each)
        if fault:
            faults.append(fault)
        elif isinstance(each, dict):
            offered.append(OfferedRange(str(each["eventRangeID"]), each))
    return offered, faults


def _fault_of_range(raw: JsonValue) -> str | None:
    range_id = raw.get("eventRangeID") if isinstance(raw, dict) else None
    if not isinstance(range_id, str) or not 0 < len(range_id) <= LONGEST_RANGE_ID or not range_id.isprintable():
        return f"an event range has no usable eventRangeID: {str(range_id)[:40]!r}"
    fault = fault_of(raw)
    return f"event range {range_id} holds {fault}" if fault else None


def parse_returns(data: JsonValue, number: int) -> list[bool | None]:
    """What became of each report: stored, refused for good, or None to be sent again.

    Raises:
        ValueError: the answer is not one for so many reports.
    """
    returns = data.get("Returns") if isinstance(data, dict) and data.get("StatusCode", 0) == 0 else None
    if not isinstance(returns, list) or len(returns) != number:
        raise ValueError(f"the answer does not tell what became of {number} event ranges")
    return [each if isinstance(each, bool) else None for each in returns]
