"""Column types that mean the same on SQLite, MariaDB and PostgreSQL."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import BigInteger, Dialect, Integer, Row, String, Text
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.types import TypeDecorator, TypeEngine

AnyRow = Row[*tuple[Any, ...]]
"""A row as the driver gives it; the module that asked names and types its parts at once."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

Key = BigInteger().with_variant(Integer, "sqlite")
"""Primary keys: 64 bits everywhere; SQLite numbers rows by itself only in a column that is plainly INTEGER."""

LongText = Text().with_variant(LONGTEXT, "mysql", "mariadb")
"""Text without a bound of its own."""


def to_microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    return (moment - EPOCH) // _MICROSECOND


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_SAMPLE: Final = 64
"""Values of a column that tell whether any come again and again."""
ValueT = TypeVar("ValueT")
_GivenT = TypeVar("_GivenT")
_MadeT = TypeVar("_MadeT")


class StoredAs(TypeDecorator[ValueT], Generic[ValueT]):
    """A value that the database keeps as something else; NULL is None everywhere.

    The two conversions are public, so that many values can be converted without SQLAlchemy's steps around each.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]]
    cache_ok = True

    def store(self, value: ValueT) -> object:
        """What the driver is given for a value."""
        raise NotImplementedError

    def load(self, stored: Any) -> ValueT:  # noqa: ANN401 (what the driver gives)
        """The value that the driver's stands for."""
        raise NotImplementedError

    def store_all(self, values: Sequence[ValueT | None]) -> Sequence[object]:
        """What the driver is given for a column of values; what comes again and again is converted once."""
        return _converted(values, self.store)

    def load_all(self, stored: Sequence[Any]) -> Sequence[ValueT | None]:
        """The values that a column stands for."""
        return _converted(stored, self.load)

    def process_bind_param(self, value: ValueT | None, dialect: Dialect) -> object:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else self.store(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> ValueT | None:  # noqa: ANN401, ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else self.load(value)


def _converted(values: Sequence[_GivenT | None], convert: Callable[[_GivenT], _MadeT]) -> Sequence[_MadeT | None]:
    distinct = set(values)
    if 2 * len(distinct) > len(values):
        return [None if value is None else convert(value) for value in values]
    known = {value: None if value is None else convert(value) for value in distinct}
    return [known[value] for value in values]


def shared(values: Sequence[ValueT]) -> Sequence[ValueT]:
    """The same values, equal ones as one object where there are many of these."""
    first = values[:_SAMPLE]
    if len(set(first)) == len(first) > 1:
        return values
    known = {value: value for value in values}
    return values if 2 * len(known) > len(values) else [known[value] for value in values]


class UtcTime(StoredAs[datetime]):
    """A moment, kept as microseconds since 1970: one order, one precision and one time zone on every engine."""

    impl = BigInteger
    cache_ok = True

    def store(self, value: datetime) -> int:
        """Microseconds."""
        return to_microseconds(value)

    def load(self, stored: int) -> datetime:
        """An aware moment."""
        return EPOCH + timedelta(microseconds=stored)


class Flag(StoredAs[bool]):
    """Yes or no, kept as 1 or 0."""

    impl = Integer
    cache_ok = True

    def store(self, value: bool) -> int:  # noqa: FBT001 (the value itself)
        """A number."""
        return int(value)

    def load(self, stored: int) -> bool:
        """What it stands for."""
        return bool(stored)


class JsonText(StoredAs[object]):
    """An open-ended value as JSON text; never looked into by SQL."""

    impl = LongText
    cache_ok = True

    def store(self, value: object) -> str:
        """JSON without blanks."""
        return _ENCODER.encode(value)

    def load(self, stored: str) -> object:
        """What the text means."""
        return {} if stored == "{}" else json.loads(stored)

    def store_all(self, values: Sequence[object]) -> Sequence[object]:
        """Each for itself: lists and objects are not hashable."""
        return [None if value is None else self.store(value) for value in values]

    def load_all(self, stored: Sequence[Any]) -> Sequence[object]:
        """Each for itself: nobody may see what somebody else does to an object."""
        return [None if text is None else self.load(text) for text in stored]


class Ids(StoredAs[tuple[int, ...]]):
    """Integers that a statement has put together, separated by commas; none at all are none, not NULL."""

    impl = LongText
    cache_ok = True

    def load(self, stored: str) -> tuple[int, ...]:
        """In ascending order: none of the engines promises any."""
        return tuple(sorted(map(int, stored.split(","))))

    def load_all(self, stored: Sequence[Any]) -> Sequence[tuple[int, ...]]:
        """A tuple for each row."""
        return [self.load(text) if text else () for text in stored]


class Told(StoredAs[str]):
    """What people, servers and workers say: cut at its length, if it has one, and free of what an engine refuses.

    NUL and lone halves of surrogate pairs, which JSON from outside may hold, become U+FFFD; otherwise one bad word
    would make a whole batch of rows unwritable or, on SQLite, unreadable.
    """

    impl: TypeEngine[str] | type[TypeEngine[str]] = Text
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length
        self.impl = LongText if length is None else String(length)

    def store(self, value: str) -> str:
        """The cleaned text."""
        if not value.isascii() or "\x00" in value:
            value = _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        return value[: self.length]

    def load(self, stored: str) -> str:
        """The text as it is."""
        return stored

    def load_all(self, stored: Sequence[Any]) -> Sequence[str | None]:
        """The texts as they are; equal ones are one object, since very many workers say the same."""
        return shared(stored)


_Word = TypeVar("_Word", bound=StrEnum)


class EnumText(StoredAs[_Word]):
    """A member of an enum, kept as its value."""

    impl = String(32)
    cache_ok = True

    def __init__(self, enum: type[_Word]) -> None:
        super().__init__()
        self.enum = enum
        self._members = {each.value: each for each in enum}

    def store(self, value: _Word) -> str:
        """The word."""
        return str(value)

    def load(self, stored: str) -> _Word:
        """The member.

        Raises:
            ValueError: the enum has none of this value; an older release must not guess.
        """
        return self._members.get(stored) or self.enum(stored)
