"""What workers say in their files, turned into values: the form is checked, the content stays the worker's word."""

import os
import re
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.core.files import INPUT_KINDS, FileKind
from harvester.core.workers import MapType, Worker
from harvester.plugins.api import ReportedFile
from harvester.plugins.data.checksums import Content, normal_checksum, read_content
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.tools.regular_files import open_regular

_LARGEST: Final = 2**63 - 1
_MOST_JOBS: Final = 1000
_MOST_FILES: Final = 10_000
_KINDS: Final = frozenset(FileKind) - INPUT_KINDS
_LONGEST_RANGE: Final = 255
_GUID: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


class MalformedReportError(HarvesterError):
    """A report, or an entry of it, does not have the form of the protocol."""


class MissingOutputError(MalformedReportError):
    """An entry names a file that is not there."""


@dataclass(slots=True)
class Checksums:
    """Checksums that Harvester computes itself, each file's once.

    Attributes:
        room: bytes that may still be read for that.
    """

    room: int
    _known: dict[tuple[int, int], Content] = field(default_factory=dict)

    def of(self, file: BinaryIO) -> str:
        """The adler32 of an open file.

        Raises:
            MalformedReportError: there is no room for it.
        """
        stat = os.fstat(file.fileno())
        identity = (stat.st_dev, stat.st_ino)
        if identity not in self._known:
            if stat.st_size > self.room:
                raise MalformedReportError(
                    f"has {stat.st_size} bytes and no chksum, which is more than Harvester reads for a worker; "
                    "report chksum, or raise maxChecksumSize of the messenger"
                )
            self.room -= stat.st_size
            self._known[identity] = read_content(file, at_most=stat.st_size)
        return self._known[identity].adler32


@dataclass(frozen=True, slots=True)
class OutputRules:
    """Where the outputs of one worker may be, and what may be computed about them.

    Attributes:
        directory: what relative paths start from.
        roots: directories, free of symbolic links, that an output must be in.
    """

    worker: Worker
    directory: Path
    roots: tuple[Path, ...]
    checksums: Checksums


def may_speak_for(worker: Worker, job_id: int) -> bool:
    """Whether the worker's word on the job counts; only a worker that fetches its own jobs may name new ones."""
    return worker.map_type is MapType.NO_JOB or job_id in worker.job_ids


def read_job_id(value: JsonValue) -> int | None:
    """A job id, written as a number or as its digits; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST)):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST else None


def read_job_ids(content: JsonValue) -> tuple[int, ...]:
    """The jobs that a worker says it runs.

    Raises:
        MalformedReportError: the content is no list of job ids.
    """
    if not isinstance(content, list) or len(content) > _MOST_JOBS:
        raise MalformedReportError(f"is not a list of at most {_MOST_JOBS} job ids")
    ids = [read_job_id(item) for item in content]
    if None in ids:
        raise MalformedReportError("has an entry that is no job id")
    return tuple(dict.fromkeys(job_id for job_id in ids if job_id is not None))


def read_attributes(content: JsonValue, job_ids: Collection[int]) -> dict[int, dict[str, JsonValue]]:
    """Job attributes by job: those of the job itself, and those at the top level where it has none of its own.

    Raises:
        MalformedReportError: the content is no object.
    """
    about = read_object(content)
    own = {key: value for key, value in about.items() if read_job_id(key) and isinstance(value, dict)}
    shared = {key: value for key, value in about.items() if not read_job_id(key)}
    by_job = {job_id: {**shared, **own.get(str(job_id), {})} for job_id in job_ids}
    return {job_id: attributes for job_id, attributes in by_job.items() if attributes}


def read_outputs(content: JsonValue, rules: OutputRules) -> Iterator[ReportedFile | MalformedReportError]:
    """The files of an output dump, entry by entry, or why an entry cannot be one.

    Entries without a path tell of events only, which `event_words` reads; they are passed over, as are further entries
    of one file.

    Raises:
        MalformedReportError: the content is no object.
    """
    for key, entries in read_object(content).items():
        job_id = read_job_id(key)
        if job_id is None or not may_speak_for(rules.worker, job_id):
            yield MalformedReportError(f"speaks of job {key[:30]!r}, which is not one of this worker")
        elif not isinstance(entries, list):
            yield MalformedReportError(f"has no list of files for job {job_id}")
        else:
            yield from _read_entries(job_id, entries, rules)


def first_missing(content: JsonValue, rules: OutputRules) -> MissingOutputError | None:
    """The first file of an output dump that is not there; no file is read for that.

    Raises:
        MalformedReportError: the content is no object.
    """
    unread = replace(rules, checksums=Checksums(room=0))
    return next((each for each in read_outputs(content, unread) if isinstance(each, MissingOutputError)), None)


def _read_entries(
    job_id: int, entries: list[JsonValue], rules: OutputRules
) -> Iterator[ReportedFile | MalformedReportError]:
    known: set[str] = set()
    for number, entry in enumerate(entries, start=1):
        if len(known) > _MOST_FILES:
            yield MalformedReportError(f"has more than {_MOST_FILES} files for job {job_id}; the rest is not read")
            return
        try:
            about = read_object(entry)
            lfn = _read_lfn(about)
            if lfn is not None and lfn not in known:
                known.add(lfn)
                yield _read_entry(job_id, lfn, about, rules)
        except MalformedReportError as error:
            yield type(error)(f"file {number} of job {job_id} {error}")


def read_object(content: JsonValue) -> Mapping[str, JsonValue]:
    """The content as an object.

    Raises:
        MalformedReportError: it is none.
    """
    if not isinstance(content, dict):
        raise MalformedReportError("is not a JSON object")
    return content


def _read_lfn(entry: Mapping[str, JsonValue]) -> str | None:
    """The name of the file that an entry tells of; None if it tells of an event only."""
    if "path" not in entry:
        return None
    path = entry["path"]
    if not isinstance(path, str) or not is_plain_name(Path(path).name):
        raise MalformedReportError(f"has no usable path: {str(path)[:80]!r}")
    return Path(path).name


def _read_entry(job_id: int, lfn: str, entry: Mapping[str, JsonValue], rules: OutputRules) -> ReportedFile:
    kind = _read_kind(entry)
    path = _inside(rules, str(entry["path"]))
    size, checksum = _size_and_checksum(path, entry, rules.checksums)
    guid = _read_guid(entry) or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{rules.worker.marker}/{job_id}/{lfn}")).upper()
    return ReportedFile(
        job_id, lfn, kind, str(path), size, checksum, guid, _read_is_zip(kind, entry), _read_event_range(entry)
    )


def _read_kind(entry: Mapping[str, JsonValue]) -> FileKind:
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise MalformedReportError(f"has no usable type: {str(kind)[:40]!r}")
    return FileKind(kind)


def _read_is_zip(kind: FileKind, entry: Mapping[str, JsonValue]) -> bool | None:
    """Only outputs of events may be packed, unless the worker says that they are, or must not be."""
    if kind is not FileKind.ES_OUTPUT:
        return kind is FileKind.ZIP_OUTPUT
    said = entry.get("isZip")
    return bool(said) if said in (0, 1) else None


def _read_event_range(entry: Mapping[str, JsonValue]) -> str | None:
    event_range = entry.get("eventRangeID")
    is_one = isinstance(event_range, str) and event_range.isprintable() and len(event_range) <= _LONGEST_RANGE
    return str(event_range) if is_one else None


def _read_guid(entry: Mapping[str, JsonValue]) -> str | None:
    guid = entry.get("guid")
    if guid is not None and not (isinstance(guid, str) and _GUID.fullmatch(guid)):
        raise MalformedReportError(f"has no usable guid: {str(guid)[:40]!r}")
    return guid


def _inside(rules: OutputRules, written: str) -> Path:
    try:
        path = (rules.directory / written).resolve(strict=True)
    except FileNotFoundError:
        raise MissingOutputError(f"does not exist: {written[:200]}") from None
    except (OSError, RuntimeError) as error:
        raise MalformedReportError(f"cannot be reached: {error}") from None
    if not any(path.is_relative_to(root) for root in rules.roots):
        raise MalformedReportError(
            f"is outside the access point: {written[:200]}; if it may be there, add its directory to allowedOutputPaths"
        )
    return path


def _size_and_checksum(path: Path, entry: Mapping[str, JsonValue], checksums: Checksums) -> tuple[int, str]:
    size, checksum = _read_size(entry), _read_checksum(entry)
    try:
        with open_regular(path, follow=False) as file:
            known_size = os.fstat(file.fileno()).st_size if size is None else size
            return known_size, checksum or checksums.of(file)
    except OSError as error:
        raise MalformedReportError(f"cannot be read: {error}") from None


def _read_size(entry: Mapping[str, JsonValue]) -> int | None:
    size = entry.get("fsize")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
        raise MalformedReportError(f"has no usable fsize: {str(size)[:40]!r}")
    return size


def _read_checksum(entry: Mapping[str, JsonValue]) -> str | None:
    checksum = entry.get("chksum")
    if checksum is None:
        return None
    normal = normal_checksum(checksum) if isinstance(checksum, str) else None
    if normal is None:
        raise MalformedReportError(f"has no usable chksum: {str(checksum)[:40]!r}")
    return normal
