"""Reading what a worker wrote, which may be anything, and writing so that it never reads half a file."""

import json
import math
import os
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.plugins.data.regular_files import NotRegularFileError, open_regular

DEEPEST: Final = 50
"""Levels of lists and objects that are read; more are taken for an attack on whoever walks through them later."""


class HopelessError(HarvesterError):
    """A worker cannot be served through its access point, now or later."""


class UnreadableFileError(HarvesterError):
    """A worker's file cannot be used; the message is for the operator and begins with the file's path."""


class UnfinishedFileError(UnreadableFileError):
    """A worker's file cannot be used yet: it may still be being written."""


def read_json(path: Path, *, at_most: int) -> JsonValue:
    """Read a JSON file without trusting it.

    Args:
        path: the file; not followed if it is a symbolic link.
        at_most: bytes that it may have.

    Raises:
        FileNotFoundError: there is none.
        UnfinishedFileError: its text ends or breaks off somewhere, or it cannot be read now.
        UnreadableFileError: it is too large, nested too deeply, or no ordinary file.
    """
    text = _read(path, at_most)
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise UnreadableFileError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise UnfinishedFileError(f"{path} is not valid JSON: {error}") from None
    if trouble := _trouble(value):
        raise UnreadableFileError(f"{path} {trouble}")
    return value


def _read(path: Path, at_most: int) -> bytes:
    try:
        with open_regular(path, follow=False) as file:
            text = file.read(at_most + 1)
    except FileNotFoundError:
        raise
    except NotRegularFileError as error:
        raise UnreadableFileError(str(error)) from None
    except OSError as error:
        kind = UnreadableFileError if path.is_symlink() else UnfinishedFileError
        raise kind(f"{path} cannot be read: {error.strerror}") from None
    if len(text) > at_most:
        raise UnreadableFileError(f"{path} is larger than {at_most} bytes (maxReportSize of the messenger)")
    return text


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


def _trouble(value: JsonValue) -> str:
    """What of a parsed text would trouble the database or whoever walks through it; empty if nothing."""
    rest: list[tuple[JsonValue, int]] = [(value, 1)]
    while rest:
        item, depth = rest.pop()
        if depth > DEEPEST:
            return f"is nested more than {DEEPEST} levels deep"
        if isinstance(item, str) and not _is_storable(item):
            return f"has a text that no database takes: {item[:40]!r}"
        if isinstance(item, dict):
            rest.extend((part, depth + 1) for pair in item.items() for part in pair)
        elif isinstance(item, list):
            rest.extend((part, depth + 1) for part in item)
    return ""


def _is_storable(text: str) -> bool:
    return (text.isascii() and "\0" not in text) or not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)


def write_atomically(path: Path, text: str, *, private: bool = False) -> None:
    """Give a file its content and its name in one step; what stood there before is replaced.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600 if private else 0o644), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def put_aside(path: Path) -> None:
    """Keep an unusable file for the operator where nobody reads it again, under `<name>.invalid`."""
    path.replace(path.with_name(f"{path.name}.invalid"))


def stamp_of(now: datetime) -> str:
    """The moment as it stands in the names of acknowledged files (plugins reference §5.2)."""
    return now.strftime("%Y-%m-%d_%H_%M_%S.%f")
