"""One look into the access point of one worker."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.workers import MapType, Worker
from harvester.plugins.api import News, ReportedFile
from harvester.plugins.messengers.access_point_files import put_aside
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.messengers.reports import (
    Checksums,
    MalformedReportError,
    MissingOutputError,
    OutputRules,
    first_missing,
    read_attributes,
    read_job_ids,
    read_outputs,
)
from harvester.plugins.tools.untrusted_files import UnfinishedFileError, UnreadableFileError, read_json

_LONGEST_PROBLEM: Final = 1000

Listing = Mapping[str, os.stat_result]
State = tuple[tuple[str, int, int, int], ...]
"""Path, inode, size and modification time of each file that tells job attributes."""


@dataclass(frozen=True, slots=True)
class LookRules:
    """How the files of workers are read.

    Attributes:
        largest: bytes that a report may have.
        checksum_room: bytes that may be read in one look to compute checksums.
        settle: a file that was changed less than this ago may still be being written.
        allowed: directories outside the access point that outputs may be in.
    """

    names: FileNames
    largest: int
    checksum_room: int
    settle: timedelta
    allowed: tuple[Path, ...]


@dataclass(slots=True)
class Look:
    """What is found in one look is gathered here until it becomes news.

    Attributes:
        top: what is directly in the access point.
        dumps: dumps of outputs that were taken in, as they are named until they are acknowledged.
        problems: what could not be read, and why.
    """

    rules: LookRules
    worker: Worker
    now: datetime
    top: Listing
    dumps: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _listings: dict[str, Listing] = field(default_factory=dict)
    _attributes: dict[int, dict[str, JsonValue]] = field(default_factory=dict)
    _files: list[ReportedFile] = field(default_factory=list)
    _job_ids: tuple[int, ...] = ()
    _checksums: Checksums = field(init=False)

    def __post_init__(self) -> None:
        self._checksums = Checksums(self.rules.checksum_room)

    @property
    def _top(self) -> str:
        return self.worker.access_point

    def list_files(self) -> State:
        """The state of the access point and, where a worker has many jobs, of the directory of each."""
        wanted = looked_for(self.rules.names, self.worker.map_type)
        self._listings[self._top] = self.top
        if self.worker.map_type is MapType.MANY_TO_ONE:
            for job_id in self.worker.job_ids:
                self._list_job_directory(f"{self._top}/{job_id}", wanted)
        return _state_of(self._listings, self.rules.names)

    def _list_job_directory(self, directory: str, wanted: Collection[str]) -> None:
        try:
            if not Path(directory).is_symlink():
                self._listings[directory] = list_wanted(directory, wanted)
        except FileNotFoundError:
            pass  # removed by the worker, so it has nothing to tell
        except OSError as error:
            self.problems.append(f"{directory} cannot be read: {error.strerror}")

    def read_attribute_files(self) -> None:
        """Read the list of jobs, the job attributes and the job reports."""
        names = self.rules.names
        if self.worker.map_type is MapType.NO_JOB and names.job_ids in self._listings[self._top]:
            self._read(self._top, names.job_ids, self._take_job_ids)
        for directory, listing in self._listings.items():
            if names.attributes in listing:
                self._read(directory, names.attributes, self._take_attributes)
            if names.job_report in listing:
                self._read(directory, names.job_report, self._take_job_report)

    def read_dumps(self) -> None:
        """Read the dumps of outputs; each is renamed first, so that a newer one of the worker waits its turn."""
        for directory, listing in self._listings.items():
            for name in (self.rules.names.outputs, self.rules.names.gathered):
                taken = f"{name}.read"
                if taken not in listing and name in listing:
                    self._rename(Path(directory, name), Path(directory, taken))
                if taken in listing or name in listing:
                    self._read(directory, taken, self._take_outputs)

    def _rename(self, dump: Path, taken: Path) -> None:
        try:
            dump.replace(taken)
        except OSError as error:
            self.problems.append(f"{dump} cannot be renamed, so it is not read: {error.strerror}")

    def _read(self, directory: str, name: str, take: Callable[[Path, JsonValue], None]) -> None:
        path = Path(directory, name)
        try:
            take(path, read_json(path, at_most=self.rules.largest, limited_by="maxReportSize of the messenger"))
        except FileNotFoundError:
            return
        except (UnfinishedFileError, MissingOutputError) as error:
            if self._is_settled(path):
                self._put_aside(path, str(error))
            else:
                self.problems.append(f"{error}; it may still be being written and is read again")
        except UnreadableFileError as error:
            self._put_aside(path, str(error))
        except MalformedReportError as error:
            self._put_aside(path, f"{path} {error}")

    def _put_aside(self, path: Path, problem: str) -> None:
        try:
            put_aside(path)
            self.problems.append(f"{problem}; kept as {path.name}.invalid")
        except OSError as error:
            self.problems.append(f"{problem}; it cannot be put aside: {error.strerror}")

    def _is_settled(self, path: Path) -> bool:
        """Whether the file is too old to be still being written; no worker can set the second of its times.

        A file from the future was written before the clock was put back.
        """
        try:
            stat = path.stat(follow_symlinks=False)
        except FileNotFoundError:
            return False
        changed = min(stat.st_mtime, stat.st_ctime)
        return abs(self.now.timestamp() - changed) >= self.rules.settle.total_seconds()

    def _jobs_of(self, directory: Path) -> Iterable[int]:
        own = self.worker.job_ids if directory == Path(self._top) else (int(directory.name),)
        return {*own, *self._job_ids}

    def _take_job_ids(self, _: Path, content: JsonValue) -> None:
        self._job_ids = read_job_ids(content)

    def _take_attributes(self, path: Path, content: JsonValue) -> None:
        for job_id, attributes in read_attributes(content, tuple(self._jobs_of(path.parent))).items():
            self._attributes.setdefault(job_id, {}).update(attributes)

    def _take_job_report(self, path: Path, content: JsonValue) -> None:
        text = json.dumps(content, separators=(",", ":"))
        for job_id in self._jobs_of(path.parent):
            self._attributes.setdefault(job_id, {})["metaData"] = text

    def _take_outputs(self, path: Path, content: JsonValue) -> None:
        rules = self._output_rules(path)
        if not self._is_settled(path) and (missing := first_missing(content, rules)):
            raise MissingOutputError(f"{path} {missing}")
        for each in read_outputs(content, rules):
            if isinstance(each, ReportedFile):
                self._files.append(each)
            else:
                self.problems.append(f"{path} {each}")
        self.dumps.append(path)

    def _output_rules(self, dump: Path) -> OutputRules:
        roots = (Path(self._top).resolve(), *self.rules.allowed)
        return OutputRules(self.worker, dump.parent, roots, self._checksums)

    def unsettled(self) -> str:
        """Why a report or a list of outputs may still change; empty if none does. Nothing is taken in."""
        names = self.rules.names
        reports, dumps = (names.attributes, names.job_report), (names.outputs, f"{names.outputs}.read")
        for directory, listing in self._listings.items():
            for name in listing.keys() & {*reports, *dumps}:
                path = Path(directory, name)
                if not self._is_settled(path) and (reason := self._not_ready(path, is_dump=name in dumps)):
                    return reason
        return ""

    def _not_ready(self, path: Path, *, is_dump: bool) -> str:
        try:
            content = read_json(path, at_most=self.rules.largest)
            missing = first_missing(content, self._output_rules(path)) if is_dump else None
        except UnfinishedFileError as error:
            return str(error)
        except (FileNotFoundError, UnreadableFileError, MalformedReportError):
            return ""
        return f"{path} {missing}" if missing else ""

    def news(self) -> News:
        """All that was found."""
        names, top = self.rules.names, self._listings[self._top]
        heartbeat = top.get(names.heartbeat)
        return News(
            attributes=self._attributes,
            files=tuple(self._files),
            job_ids=self._job_ids,
            kill_requested=names.kill in top,
            heartbeat_at=_moment(heartbeat, self.now) if heartbeat else None,
            problem="; ".join(self.problems)[:_LONGEST_PROBLEM],
        )


def list_wanted(directory: str, wanted: Collection[str]) -> Listing:
    """The wanted files of a directory; one system call if there are none.

    Raises:
        OSError: the directory cannot be listed.
    """
    with os.scandir(directory) as entries:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in entries if entry.name in wanted}


@cache
def looked_for(names: FileNames, map_type: MapType) -> frozenset[str]:
    """The files by which a worker can tell something; which jobs it runs is news only where it fetches its own."""
    dumps = (f"{name}{end}" for name in (names.outputs, names.gathered) for end in ("", ".read"))
    wanted = frozenset({*_telling(names), *dumps, names.kill, names.heartbeat})
    return wanted if map_type is MapType.NO_JOB else wanted - {names.job_ids}


def _telling(names: FileNames) -> tuple[str, ...]:
    return (names.attributes, names.job_report, names.job_ids)


def _state_of(listings: Mapping[str, Listing], names: FileNames) -> State:
    found = (
        (f"{directory}/{name}", listing[name])
        for directory, listing in listings.items()
        for name in _telling(names)
        if name in listing
    )
    return tuple((path, stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found)


def _moment(stat: os.stat_result, now: datetime) -> datetime:
    """When a file was changed; a worker's clock cannot put it into the future."""
    return datetime.fromtimestamp(min(max(stat.st_mtime, 0), now.timestamp()), UTC)
