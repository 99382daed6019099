"""Outputs that a worker left without reporting them (plugins reference §4, `SharedFileMessenger`)."""

import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from harvester.core.files import FileKind
from harvester.plugins.messengers.event_words import MOST_RANGES
from harvester.plugins.messengers.task_directories import Entry
from harvester.plugins.tools.regular_files import open_regular

_DEEPEST: Final = 10
"""Levels of directories that are looked into."""
_BROKEN: Final = (OSError, EOFError, ValueError, tarfile.TarError, zlib.error, lzma.LZMAError)
"""What reading an archive raises that is none, or that breaks off or is damaged somewhere."""
_LARGEST_HEADER: Final = 2**20
"""Bytes of a name or of attributes that may stand before a member; they are read at once."""


@dataclass(frozen=True, slots=True)
class SearchRules:
    """What is looked for, and where.

    Attributes:
        patterns: regular expressions of their names, with `%PANDAID`, `%TASKID` and `%OUTPUT_FILE`; without any, the
            declared outputs are looked for.
        archive_patterns: the same for tar files, each of whose members is the output of an event range.
        directory: name of the only directory that they are in, below the job's or below one of its first level.
        largest_archive: bytes of an archive that are read to learn its members.
    """

    patterns: Sequence[str]
    archive_patterns: Sequence[str]
    directory: str | None
    largest_archive: int


@dataclass(frozen=True, slots=True)
class Searched:
    """The job whose outputs are looked for.

    Attributes:
        place: where it has worked.
        outputs: names of its declared outputs without the log.
        known: names of the files that its worker has reported.
    """

    job_id: int
    task_id: str
    place: Path
    outputs: Collection[str]
    known: Collection[str]


def left_over(job: Searched, rules: SearchRules) -> Iterator[Entry]:
    """Entries of a list of outputs, as the worker would have written them.

    Those that are no declared outputs belong to event ranges, whose names their own end in after the last dot.
    """
    wanted = _compiled(job, rules.patterns or ("^%OUTPUT_FILE$",))
    archives = _compiled(job, rules.archive_patterns)
    for path in _files(job.place, rules.directory):
        if path.name in job.known:
            continue
        if any(pattern.search(path.name) for pattern in archives):
            yield from _archive(path, rules.largest_archive)
        elif any(pattern.search(path.name) for pattern in wanted):
            yield {"path": str(path), "type": FileKind.OUTPUT} if path.name in job.outputs else _of_event(path)


def _of_event(path: Path) -> Entry:
    return {"path": str(path), "type": FileKind.ES_OUTPUT, **_finished(path.name)}


def _archive(path: Path, largest: int) -> Iterator[Entry]:
    entry: Entry = {"path": str(path), "type": FileKind.ZIP_OUTPUT}
    members = _members(path, largest)
    yield from ({**entry, **_finished(name)} for name in members)
    if not members:
        yield entry


def _members(path: Path, largest: int) -> list[str]:
    """The names in an archive; those before the place where it breaks off or becomes too large.

    A member is read, unpacked, to get to the next one.
    """
    names: list[str] = []
    try:
        with open_regular(path, follow=False) as file, tarfile.open(fileobj=file, tarinfo=_Header) as archive:
            for member in archive:
                if member.isfile():
                    names.append(Path(member.name).name)
                if member.offset_data + member.size > largest or len(names) == MOST_RANGES:
                    break
    except _BROKEN:
        return names
    return names


class _Header(tarfile.TarInfo):
    """The header of a member, or of what stands before one, which is only read if it is not too large."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        if header.size > _LARGEST_HEADER and not (header.isfile() or header.isdir()):
            raise ValueError(f"a header of {header.size} bytes")
        return header


def _finished(name: str) -> Entry:
    return {"eventRangeID": name.rpartition(".")[2], "eventStatus": "finished"}


def _files(place: Path, directory: str | None) -> Iterator[Path]:
    """The ordinary files below, links neither followed nor given."""
    for top, directories, names in os.walk(place):
        here = Path(top)
        parts = here.relative_to(place).parts
        directories[:] = sorted(directories) if len(parts) < _DEEPEST else []
        if directory is None or _is_in(parts, Path(directory).parts):
            paths = (here / name for name in sorted(names))
            yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _is_in(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    return wanted in (parts[: len(wanted)], parts[1 : 1 + len(wanted)])


def _compiled(job: Searched, patterns: Sequence[str]) -> list[re.Pattern[str]]:
    return [re.compile(text) for pattern in patterns for text in _expanded(job, pattern)]


def _expanded(job: Searched, pattern: str) -> Iterator[str]:
    text = pattern.replace("%PANDAID", str(job.job_id)).replace("%TASKID", re.escape(job.task_id))
    if "%OUTPUT_FILE" in text:
        yield from (text.replace("%OUTPUT_FILE", re.escape(name)) for name in sorted(job.outputs))
    else:
        yield text
