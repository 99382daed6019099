"""JSON that remembers the line of every key, and the keys that are written twice."""

import bisect
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.config.findings import Location

JsonPath = tuple[str | int, ...]
"""The keys and list positions that lead from the top of a document to a value."""

_BLANK = re.compile(r"[ \t\r\n]*")
_DEEPEST = 100


class JsonSyntaxError(Exception):
    """The text is not JSON; carries the line (from 1) and what is wrong there."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(frozen=True, slots=True)
class JsonDocument:
    """A parsed document.

    Attributes:
        file: where it came from.
        value: the data; of a key written twice the last value counts, as everywhere in Python.
        lines: line of each key or list item, from 1.
        duplicates: for each key that is written again, its path and the line of the repetition.
    """

    file: str
    value: JsonValue = field(repr=False)
    lines: Mapping[JsonPath, int] = field(default_factory=dict, repr=False)
    duplicates: tuple[tuple[JsonPath, int], ...] = ()

    def at(self, path: JsonPath) -> Location:
        """The line of `path`, or of the nearest enclosing key that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return Location(self.file, self.lines[path[:length]])
        return Location(self.file)


def parse_json(text: str, file: str) -> JsonDocument:
    """Parse a whole document.

    Raises:
        JsonSyntaxError: the text is not one JSON value.
    """
    return _Reader(text, file).document()


class _Reader:
    """Walks objects and lists itself and leaves the rest to the standard decoder."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._decoder = json.JSONDecoder(parse_constant=self._refuse_constant)
        self._lines: dict[JsonPath, int] = {}
        self._duplicates: list[tuple[JsonPath, int]] = []

    def document(self) -> JsonDocument:
        value, end = self._value(self._skip(0), ())
        rest = self._skip(end)
        if rest != len(self._text):
            raise self._error(rest, "text after the end of the JSON value")
        return JsonDocument(self._file, value, self._lines, tuple(self._duplicates))

    def _value(self, start: int, path: JsonPath) -> tuple[JsonValue, int]:
        if len(path) > _DEEPEST:
            raise self._error(start, f"nested more than {_DEEPEST} levels deep")
        match self._text[start : start + 1]:
            case "":
                raise self._error(start, "a value should stand here")
            case "{":
                return self._object(start, path)
            case "[":
                return self._array(start, path)
        return self._scalar(start)

    def _scalar(self, start: int) -> tuple[JsonValue, int]:
        try:
            value, end = self._decoder.raw_decode(self._text, start)
        except json.JSONDecodeError as error:
            raise self._error(error.pos, f"not a JSON value ({error.msg})") from error
        except ValueError as error:
            raise self._error(start, str(error)) from error
        return value, end

    def _object(self, start: int, path: JsonPath) -> tuple[JsonValue, int]:
        members: dict[str, JsonValue] = {}
        at = self._skip(start + 1)
        while self._text[at : at + 1] != "}":
            key, after_key = self._key(at)
            self._note(key, at, path, members)
            members[key], at = self._value(self._skip(self._expect(":", after_key)), (*path, key))
            at = self._next(at, "}")
        return members, at + 1

    def _array(self, start: int, path: JsonPath) -> tuple[JsonValue, int]:
        items: list[JsonValue] = []
        at = self._skip(start + 1)
        while self._text[at : at + 1] != "]":
            self._lines[(*path, len(items))] = self._line(at)
            item, at = self._value(at, (*path, len(items)))
            items.append(item)
            at = self._next(at, "]")
        return items, at + 1

    def _key(self, at: int) -> tuple[str, int]:
        if self._text[at : at + 1] != '"':
            raise self._error(at, 'a key in double quotes or "}" should stand here')
        key, end = self._scalar(at)
        return str(key), end

    def _note(self, key: str, at: int, path: JsonPath, members: Mapping[str, JsonValue]) -> None:
        line = self._line(at)
        if key in members:
            self._duplicates.append(((*path, key), line))
        self._lines[(*path, key)] = line

    def _next(self, at: int, closing: str) -> int:
        """The start of the next member, or of the closing bracket."""
        at = self._skip(at)
        if self._text[at : at + 1] == closing:
            return at
        comma = at
        at = self._skip(self._expect(",", at, f'"," or "{closing}" should stand here'))
        if self._text[at : at + 1] == closing:
            raise self._error(comma, f'a comma before "{closing}" is not allowed')
        return at

    def _expect(self, mark: str, at: int, problem: str = "") -> int:
        at = self._skip(at)
        if self._text[at : at + 1] != mark:
            raise self._error(at, problem or f'"{mark}" should stand here')
        return at + 1

    def _skip(self, at: int) -> int:
        match = _BLANK.match(self._text, at)
        return match.end() if match else at

    def _line(self, at: int) -> int:
        return bisect.bisect_left(self._line_ends, at) + 1

    def _error(self, at: int, problem: str) -> JsonSyntaxError:
        if not self._text[at:].strip():
            at, problem = len(self._text.rstrip()), f"the text ends too early: {problem}"
        return JsonSyntaxError(self._line(at), problem)

    @staticmethod
    def _refuse_constant(name: str) -> None:
        raise ValueError(f"{name} is not a JSON value")
