"""Column types that mean the same on SQLite, MariaDB and PostgreSQL."""

import json
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

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


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept as microseconds since 1970: one order, one precision and one time zone on every engine."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else EPOCH + timedelta(microseconds=value)


class JsonText(TypeDecorator[object]):
    """An open-ended value as JSON text; never looked into by SQL."""

    impl = LongText
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else json.dumps(value, separators=(",", ":"), allow_nan=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else json.loads(value)


class Told(TypeDecorator[str]):
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

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)[: self.length]


_Word = TypeVar("_Word", bound=StrEnum)


class EnumText(TypeDecorator[_Word], Generic[_Word]):
    """A member of an enum, kept as its value."""

    impl = String(32)
    cache_ok = True

    def __init__(self, enum: type[_Word]) -> None:
        super().__init__()
        self.enum = enum

    def process_bind_param(self, value: _Word | None, dialect: Dialect) -> str | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> _Word | None:  # noqa: ARG002, D102 (SQLAlchemy's signature)
        return None if value is None else self.enum(value)
