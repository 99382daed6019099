"""What workers say of event ranges: their requests, and how ranges ended (plugins reference §5.2)."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Final

from pydantic import JsonValue

from harvester.core.events import LONGEST_RANGE_ID
from harvester.core.files import FileKind
from harvester.core.workers import Worker
from harvester.plugins.api import ReportedEvent
from harvester.plugins.messengers.reports import MalformedReportError, may_speak_for, read_job_id, read_object

MOST_RANGES: Final = 100_000
"""Ranges that one request gets for a job at most, and entries of a job that are read at once."""
_LONGEST_WORD: Final = 32
_LONGEST_TEXT: Final = 500
_WITH_EVENTS: Final = frozenset({FileKind.ES_OUTPUT, FileKind.ZIP_OUTPUT})
_ABOUT: Final = ("coreCount", "cpuConsumptionTime", "loss", "errorCode", "errorDiag")

Entry = Mapping[str, JsonValue]


def read_request(content: JsonValue, worker: Worker) -> dict[int, int]:
    """How many ranges a worker wants, by job; what else it says of its jobs is known better from the server.

    Raises:
        MalformedReportError: the content has not the form of a request, or speaks of a job of others.
    """
    wanted: dict[int, int] = {}
    for key, about in read_object(content).items():
        job_id = read_job_id(key)
        if job_id is None or not may_speak_for(worker, job_id):
            raise MalformedReportError(f"asks for job {key[:30]!r}, which is not one of this worker")
        number = read_object(about).get("nRanges")
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise MalformedReportError(f"has no usable nRanges for job {job_id}: {str(number)[:40]!r}")
        wanted[job_id] = min(number, MOST_RANGES)
    if not wanted:
        raise MalformedReportError("asks for nothing")
    return wanted


def read_updates(content: JsonValue, worker: Worker) -> Iterator[ReportedEvent | MalformedReportError]:
    """What became of ranges, entry by entry, or why an entry cannot be used.

    Raises:
        MalformedReportError: the content is no object.
    """
    for job_id, number, entry in _entries(content, worker):
        if isinstance(entry, MalformedReportError):
            yield entry
        else:
            yield _event(job_id, number, entry, None)


def read_dumped_events(
    content: JsonValue, worker: Worker, files: Collection[tuple[int, str]]
) -> Iterator[ReportedEvent | MalformedReportError]:
    """What a list of outputs tells of ranges: entries of files that hold events, and entries without a file.

    Args:
        content: the list, already known to be an object.
        worker: who wrote it.
        files: those of its files that can be taken in, by job and name; the others are complained of elsewhere.
    """
    for job_id, number, entry in _entries(content, worker):
        if isinstance(entry, MalformedReportError):
            continue
        if "path" not in entry:
            yield _event(job_id, number, entry, None)
        elif str(entry.get("type")) in _WITH_EVENTS and "eventRangeID" in entry:
            lfn = PurePath(str(entry["path"])).name
            if (job_id, lfn) in files:
                yield _event(job_id, number, entry, lfn)


def _entries(content: JsonValue, worker: Worker) -> Iterator[tuple[int, int, Entry | MalformedReportError]]:
    """Job, place and entry of everything that the worker may say."""
    for key, entries in read_object(content).items():
        job_id = read_job_id(key)
        if job_id is None or not may_speak_for(worker, job_id):
            yield 0, 0, MalformedReportError(f"speaks of job {key[:30]!r}, which is not one of this worker")
        elif not isinstance(entries, list):
            yield job_id, 0, MalformedReportError(f"has no list of event ranges for job {job_id}")
        else:
            for number, entry in enumerate(entries[:MOST_RANGES], start=1):
                fault = MalformedReportError(f"entry {number} of job {job_id} is not a JSON object")
                yield job_id, number, entry if isinstance(entry, dict) else fault
            if len(entries) > MOST_RANGES:
                what = f"has more than {MOST_RANGES} entries for job {job_id}; the rest is not read"
                yield job_id, 0, MalformedReportError(what)


def _event(job_id: int, number: int, entry: Entry, lfn: str | None) -> ReportedEvent | MalformedReportError:
    range_id, word = entry.get("eventRangeID"), entry.get("eventStatus")
    place = f"entry {number} of job {job_id}"
    if not isinstance(range_id, str) or not 0 < len(range_id) <= LONGEST_RANGE_ID or not range_id.isprintable():
        return MalformedReportError(f"{place} has no usable eventRangeID: {str(range_id)[:40]!r}")
    if not isinstance(word, str) or not 0 < len(word) <= _LONGEST_WORD:
        return MalformedReportError(f"{place} has no usable eventStatus: {str(word)[:40]!r}; its event is not taken in")
    about = {key: value for key in _ABOUT if (value := _plain(entry.get(key))) is not None}
    return ReportedEvent(job_id, range_id, word, lfn, about)


def _plain(value: JsonValue) -> JsonValue:
    """A number or a short text; anything else tells nothing."""
    if isinstance(value, str):
        return value[:_LONGEST_TEXT]
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
