"""One look into the access point of one worker."""

import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from pydantic import JsonValue

from harvester.core.workers import MapType, Worker
from harvester.plugins.api import News, RangesWanted, ReportedEvent, ReportedFile
from harvester.plugins.messengers.access_point_files import put_aside
from harvester.plugins.messengers.event_feeding import request_token
from harvester.plugins.messengers.event_words import read_dumped_events, read_request, read_updates
from harvester.plugins.messengers.feeding_running import jobs_wanted
from harvester.plugins.messengers.file_names import GATHERED_ATTRIBUTES, FileNames
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
ReportedT = TypeVar("ReportedT", ReportedFile, ReportedEvent)

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
        dumps: lists of outputs and events that were taken in, as they are named until they are acknowledged.
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
    _events: list[ReportedEvent] = field(default_factory=list)
    _wanted: RangesWanted | None = None
    _job_ids: tuple[int, ...] = ()
    _checksums: Checksums = field(init=False)

    def __post_init__(self) -> None:
        self._checksums = Checksums(self.rules.checksum_room)

    @property
    def _top(self) -> str:
        return self.worker.access_point

    def list_files(self) -> State:
        """The state of the access point and, where a worker has many jobs, of the directory of each."""
        wanted = looked_for(self.rules.names, self.worker.map_type, asks=False)
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
            for name in (names.attributes, GATHERED_ATTRIBUTES):
                if name in listing:
                    self._read(directory, name, self._take_attributes)
            if names.job_report in listing:
                self._read(directory, names.job_report, self._take_job_report)

    def read_dumps(self) -> None:
        """Read lists of outputs and events; each is renamed first, so that the worker can write a newer one.

        Where one was read and not acknowledged, the next is read beside it; only a third one waits its turn.
        """
        names = self.rules.names
        takers = {
            names.outputs: self._take_outputs,
            names.gathered: self._take_outputs,
            names.event_updates: self._take_updates,
        }
        for directory, listing in self._listings.items():
            for name, take in takers.items():
                if name in listing:
                    self._take_over(directory, name, listing)
                for taken in _taken(name):
                    if taken in listing or name in listing:
                        self._read(directory, taken, take)

    def _take_over(self, directory: str, name: str, listing: Listing) -> None:
        free = [taken for taken in _taken(name) if taken not in listing]
        if free:
            self._rename(Path(directory, name), Path(directory, free[0]))

    def read_event_request(self) -> None:
        """Read the worker's wish for event ranges, which stays where it is until it is fulfilled."""
        if self.rules.names.event_request in self.top:
            self._read(self._top, self.rules.names.event_request, self._take_request)

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
        found = list(self._usable(path, read_outputs(content, rules)))
        self._files += found
        names = {(each.job_id, each.lfn) for each in found}
        self._events += self._usable(path, read_dumped_events(content, self.worker, names))
        self.dumps.append(path)

    def _take_updates(self, path: Path, content: JsonValue) -> None:
        self._events += self._usable(path, read_updates(content, self.worker))
        self.dumps.append(path)

    def _take_request(self, _: Path, content: JsonValue) -> None:
        token = request_token(self.top[self.rules.names.event_request])
        self._wanted = RangesWanted(read_request(content, self.worker), token)

    def _usable(self, path: Path, found: Iterable[ReportedT | MalformedReportError]) -> Iterator[ReportedT]:
        for each in found:
            if isinstance(each, MalformedReportError):
                self.problems.append(f"{path} {each}")
            else:
                yield each

    def _output_rules(self, dump: Path) -> OutputRules:
        roots = (Path(self._top).resolve(), *self.rules.allowed)
        return OutputRules(self.worker, dump.parent, roots, self._checksums)

    def unsettled(self) -> str:
        """Why a report or a list of outputs may still change; empty if none does. Nothing is taken in."""
        names = self.rules.names
        reports = (names.attributes, names.job_report, names.event_updates, *_taken(names.event_updates))
        dumps = (names.outputs, *_taken(names.outputs))
        for directory, listing in self._listings.items():
            for name in (names.outputs, names.event_updates):
                if {name, *_taken(name)} <= listing.keys():
                    return f"{directory}/{name} waits until earlier ones are safe"
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
            events=tuple(self._events),
            ranges_wanted=self._wanted,
            kill_requested=names.kill in top,
            jobs_wanted=jobs_wanted(Path(self._top, names.job_request), self.rules.largest)
            if names.job_request in top
            else 0,
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
def looked_for(names: FileNames, map_type: MapType, *, asks: bool) -> frozenset[str]:
    """The files by which a worker can tell something; which jobs it runs is news only where it fetches its own.

    Args:
        names: what they are called.
        map_type: how the worker came to its jobs.
        asks: whether it may ask for jobs while it runs.
    """
    lists = (names.outputs, names.gathered, names.event_updates)
    dumps = (each for name in lists for each in (name, *_taken(name)))
    wanted = frozenset({*_telling(names), *dumps, names.kill, names.heartbeat, names.event_request})
    if asks:
        wanted |= {names.job_request}
    return wanted if map_type is MapType.NO_JOB else wanted - {names.job_ids}


def _taken(name: str) -> tuple[str, str]:
    """What a list is called from when it is read to when it is acknowledged, and a second one that came meanwhile."""
    return f"{name}.read", f"{name}.read.next"


def _telling(names: FileNames) -> tuple[str, ...]:
    return (names.attributes, GATHERED_ATTRIBUTES, names.job_report, names.job_ids)


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
