"""Reading what a worker wrote, which may be anything: ordinary files, so many bytes, JSON without traps."""

import json
import math
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.plugins.tools.regular_files import NotRegularFileError, open_regular

DEEPEST: Final = 50
"""Levels of lists and objects that are read; more are taken for an attack on whoever walks through them later."""


class UnreadableFileError(HarvesterError):
    """A worker's file cannot be used; the message is for the operator and begins with the file's path."""


class UnfinishedFileError(UnreadableFileError):
    """A worker's file cannot be used yet: it may still be being written."""


class HostileTextError(ValueError):
    """A JSON text is of a form that would trouble whoever uses it."""


def read_json(path: Path, *, at_most: int, limited_by: str = "") -> JsonValue:
    """Read a JSON file without trusting it.

    Args:
        path: the file; not followed if it is a symbolic link.
        at_most: bytes that it may have.
        limited_by: the setting that says so, for the operator.

    Raises:
        FileNotFoundError: there is none.
        UnfinishedFileError: its text ends or breaks off somewhere, or it cannot be read now.
        UnreadableFileError: it is too large, nested too deeply, or no ordinary file.
    """
    text = read_bytes(path, at_most=at_most, limited_by=limited_by)
    try:
        return parse_json(text)
    except HostileTextError as error:
        raise UnreadableFileError(f"{path} {error}") from None
    except ValueError as error:
        raise UnfinishedFileError(f"{path} is not valid JSON: {error}") from None


def parse_json(text: str | bytes, *, unique_keys: bool = False) -> JsonValue:
    """The value of a JSON text that may be anything.

    Args:
        text: the text.
        unique_keys: whether an object that has a key twice is refused; otherwise the last one counts.

    Raises:
        HostileTextError: it is nested too deeply, or holds a text that no database takes.
        ValueError: it is not valid JSON.
    """
    pairs = _unique if unique_keys else None
    try:
        value: JsonValue = json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=pairs)
    except RecursionError:
        raise HostileTextError("is nested too deeply") from None
    if trouble := _trouble(value):
        raise HostileTextError(trouble)
    return value


def read_bytes(path: Path, *, at_most: int, limited_by: str = "") -> bytes:
    """Read a small ordinary file; a symbolic link is not followed. The arguments are those of `read_json`.

    Raises:
        FileNotFoundError: there is none.
        UnfinishedFileError: it cannot be read now.
        UnreadableFileError: it is too large, or no ordinary file.
    """
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
        raise UnreadableFileError(f"{path} is larger than {at_most} bytes{limited_by and f' ({limited_by})'}")
    return text


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


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
