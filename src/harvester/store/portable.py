"""The form of a backup that any engine can read: lines of JSON, compressed.

The first line says what it is, with the version of the tables and the numbers that were given to rows. A line
`{"table", "columns"}` stands before the rows of each table, which are lists of values; the last line counts them all,
so that a file that breaks off is known for one. Values stand as the database keeps them.
"""

import gzip
import json
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias

from pydantic import TypeAdapter, ValidationError

from harvester.core.errors import HarvesterError

MAGIC: Final = b"\x1f\x8b"
"""How such a file begins."""
_FORM: Final = 1
_COMPRESSION: Final = 3
_MOST_ROWS: Final = 1000
"""That are in memory at the same time."""

Value: TypeAlias = int | str | None
"""All that Harvester's tables hold."""


class BackupError(HarvesterError):
    """A file is no backup, or not a whole one."""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a backup says of itself.

    Attributes:
        version: of the tables.
        numbers: the highest number that a row of each table ever had, where the database numbers rows.
        made_at: when, in UTC.
        form: of the file.
        instance: that the rows belong to; None in backups of older tables.
    """

    version: str
    numbers: Mapping[str, int]
    made_at: str
    form: int = _FORM
    instance: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one table."""

    table: str
    columns: Sequence[str]
    values: Iterable[Sequence[Value]]


@dataclass(frozen=True, slots=True)
class _Table:
    table: str
    columns: list[str]


@dataclass(frozen=True, slots=True)
class _End:
    rows: int


_HEADING: Final = TypeAdapter(dict[str, Heading])
_LINE: Final[TypeAdapter[list[Value] | _Table | _End]] = TypeAdapter(list[Value] | _Table | _End)


def write(file: IO[bytes], heading: Heading, tables: Iterable[Rows]) -> int:
    """Write a whole backup; returns the number of rows."""
    total = 0
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=_COMPRESSION) as packed:
        packed.write(_line({"harvester": asdict(heading)}))
        for each in tables:
            packed.write(_line({"table": each.table, "columns": list(each.columns)}))
            for row in each.values:
                packed.write(_line(list(row)))
                total += 1
        packed.write(_line({"rows": total}))
    return total


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


class PortableBackup:
    """A backup in this form; it is read anew for each question.

    Raises:
        BackupError: it is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.heading = self._read_heading()

    def batches(self) -> Generator[Rows]:
        """All rows, some at a time.

        Raises:
            BackupError: the file breaks off, or was changed.
        """
        lines = self._lines()
        next(lines)
        table, batch, total = _Table("", []), list[list[Value]](), 0
        for line in lines:
            found = self._understood(line)
            if isinstance(found, list):
                batch.append(found)
                total += 1
            if batch and (len(batch) >= _MOST_ROWS or not isinstance(found, list)):
                yield Rows(table.table, table.columns, batch)
                batch = []
            if isinstance(found, _Table):
                table = found
            elif isinstance(found, _End) and found.rows == total and next(lines, None) is None:
                return
        raise BackupError(f"{self._path} is not a whole backup, it has lost its end; take another one")

    def _understood(self, line: bytes) -> list[Value] | _Table | _End:
        try:
            return _LINE.validate_json(line)
        except ValidationError:
            raise BackupError(f"{self._path} is damaged; take another backup") from None

    def _read_heading(self) -> Heading:
        try:
            heading = _HEADING.validate_json(next(self._lines(), b""))["harvester"]
        except (ValidationError, KeyError):
            raise BackupError(f"{self._path} is no backup made by `harvester db backup`") from None
        if heading.form != _FORM:
            raise BackupError(f"{self._path} was made by a newer version of Harvester; restore it with that one")
        return heading

    def _lines(self) -> Iterator[bytes]:
        try:
            with gzip.open(self._path) as lines:
                yield from lines
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise BackupError(f"{self._path} is damaged ({error}); take another backup") from None
