"""From the text of a value to the value: interpolation, environment, and the types of the dialect.

Core reference §1.2. Existing files rely on several odd rules (a value that starts with `$` is replaced as a whole, a
list needs several lines); they are kept, and where a file says more than the rule takes, a warning says so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from harvester.config.findings import Findings, Location, is_secret
from harvester.config.interpolation import Interpolation, InterpolationError, has_stray_percent
from harvester.config.json_lines import JsonPath, JsonSyntaxError, parse_json
from harvester.config.problems import NO_COMMENT_BEHIND, doubled_key, has_comment_behind

_VARIABLE = re.compile(r"\$\{*([^}]+)\}*")
_BARE_NAME = re.compile(r"\$(\w+)")
_WORDS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}

HIDDEN = "(hidden, after an empty secret)"
"""Stands for the name of such a key in findings: it may be the end of the secret, in a line of its own."""

Lines = list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class RawEntry:
    """A value as written: text in an ini file, any JSON value in the config map.

    Attributes:
        follows_secret: its key stands directly after that of a secret without a value.
    """

    value: JsonValue = field(repr=False)
    file: str
    lines: tuple[int, ...]
    interpolates: bool = True
    follows_secret: bool = False

    def name(self, section: str, key: str) -> str:
        """The key with its section, as findings about what is written may tell it."""
        return f"{section}.{HIDDEN if self.follows_secret else key}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A converted value and where it stands.

    Attributes:
        value: after conversion.
        text: before conversion, for keys that are text even when they look like a number.
        at: where the key stands.
        lines: lines of the items of a list or JSON value.
        inherited: it comes from `[DEFAULT]`.
        name: `section.key`, as findings may tell it.
    """

    value: JsonValue = field(repr=False)
    text: str = field(repr=False)
    at: Location
    lines: Mapping[JsonPath, int] = field(default_factory=dict, repr=False)
    inherited: bool = False
    name: str = ""

    def at_item(self, path: JsonPath) -> Location:
        """Where an item of a list or JSON value stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return Location(self.at.file, self.lines[path[:length]])
        return self.at

    def inherit(self) -> "Entry":
        """The same entry, marked as coming from `[DEFAULT]`."""
        return replace(self, inherited=True)


@dataclass(frozen=True, slots=True)
class Expander:
    """Replaces `$NAME`; the environment and the short host name are passed in."""

    environ: Mapping[str, str] = field(repr=False)
    hostname: str

    def lookup(self, name: str) -> str | None:
        """The variable's content; `HOSTNAME` in any case is this host."""
        return self.hostname if name.upper() == "HOSTNAME" else self.environ.get(name)


def convert(
    section: str, key: str, scope: Mapping[str, RawEntry], expander: Expander, findings: Findings
) -> Entry | None:
    """The value of `key`, or None when it cannot be had; the reason is then a finding.

    Args:
        section: its section, for findings.
        key: the key in `scope`.
        scope: all keys of the section with those of `[DEFAULT]`, for `%(other)s`.
        expander: the environment.
        findings: takes what is wrong.
    """
    name = scope[key].name(section, key)
    entry = _Conversion(name, scope[key], expander, findings).run(key, scope)
    return entry and replace(entry, name=name)


@dataclass(frozen=True, slots=True)
class _Conversion:
    name: str
    raw: RawEntry
    expander: Expander
    findings: Findings

    def run(self, key: str, scope: Mapping[str, RawEntry]) -> Entry | None:
        if not isinstance(self.raw.value, str):
            return Entry(self.raw.value, str(self.raw.value), self._at())
        lines: Lines | None = list(zip(self.raw.value.split("\n"), self._line_numbers(), strict=True))
        if self.raw.interpolates:
            lines = self._interpolate(lines or [], key, scope)
        if lines and lines[0][0].startswith("$"):
            lines = self._expand_whole(lines)
        return None if lines is None else self._typed(lines)

    def _line_numbers(self) -> tuple[int, ...]:
        text = str(self.raw.value)
        count = text.count("\n") + 1
        return self.raw.lines if len(self.raw.lines) == count else self.raw.lines[:1] * count

    def _typed(self, lines: Lines) -> Entry | None:
        text = "\n".join(part for part, _ in lines)
        if len(lines) > 1:
            return self._structured(text.strip(), lines)
        if text in _WORDS:
            return Entry(_WORDS[text], text, self._at())
        if text.isascii() and text.isdigit():
            return Entry(_whole_number(text), text, self._at())
        return Entry(text, text, self._at())

    def _structured(self, text: str, lines: Lines) -> Entry | None:
        if (text.startswith("[") and text.endswith("]")) or (text.startswith("{") and text.endswith("}")):
            return self._json(text, [line for line in lines if line[0]])
        items = [line for line in lines if line[0]]
        numbers: dict[JsonPath, int] = {(place,): number for place, (_, number) in enumerate(items)}
        return Entry([part for part, _ in items], text, self._at(), numbers)

    def _json(self, text: str, lines: Lines) -> Entry | None:
        compact = "\n".join(part for part, _ in lines)
        try:
            document = parse_json(compact, self.raw.file)
        except JsonSyntaxError as error:
            self._error(lines[error.line - 1][1], error.problem, "correct the JSON of this value")
            return None
        for path, line in document.duplicates:
            self._warn(lines[line - 1][1], *doubled_key(path))
        numbers = {path: lines[line - 1][1] for path, line in document.lines.items()}
        entry = Entry(document.value, text, self._at(), numbers)
        return replace(entry, value=self._expand_nested(document.value, (), entry))

    def _expand_nested(self, value: JsonValue, path: JsonPath, entry: Entry) -> JsonValue:
        if isinstance(value, dict):
            return {key: self._expand_nested(item, (*path, key), entry) for key, item in value.items()}
        if isinstance(value, list):
            return [self._expand_nested(item, (*path, place), entry) for place, item in enumerate(value)]
        if isinstance(value, str) and "$" in value:
            return self._variable(value, entry.at_item(path).line, hidden=any(is_secret(str(step)) for step in path))
        return value

    def _expand_whole(self, lines: Lines) -> Lines | None:
        text = self._variable("\n".join(part for part, _ in lines), lines[0][1])
        return None if text is None else [(part, lines[0][1]) for part in text.split("\n")]

    def _variable(self, text: str, line: int | None, *, hidden: bool = False) -> str | None:
        """The content of the first variable in `text`, which replaces all of it."""
        match = _VARIABLE.search(text)
        content = self.expander.lookup(match[1]) if match else None
        if content is None and (bare := _BARE_NAME.search(text)):
            match, content = bare, self.expander.lookup(bare[1])
        hint = f"; {NO_COMMENT_BEHIND}" if has_comment_behind(text) else ""
        named = "that it names" if match is None or hidden or is_secret(self.name) else match[1]
        if match is None or content is None:
            self._error(line, f"the environment variable {named} is not set", f"set it, or write the value{hint}")
        elif match[0] != text:
            self._warn(
                line,
                f"the whole value becomes the content of the variable {named}, the text around it is dropped",
                f"put the complete value into one variable{hint}",
            )
        return content

    def _interpolate(self, lines: Lines, key: str, scope: Mapping[str, RawEntry]) -> Lines | None:
        """Replace `%(other)s` and `%%`; text of several lines keeps the line it was asked for in."""
        result: Lines = []
        interpolation = Interpolation({other: str(raw.value) for other, raw in scope.items()}, key)
        for text, number in lines:
            try:
                replaced = interpolation.expand(text)
            except InterpolationError as error:
                hidden = ("a %(…)s in it cannot be followed", "write %% for a percent sign")
                self._error(number, *(hidden if is_secret(self.name) else (error.problem, error.advice)))
                return None
            if has_stray_percent(text):
                problem = "a single % starts a reference to another key; it is taken as it stands"
                self._warn(number, problem, "write %%")
            result.extend((part, number) for part in replaced.split("\n"))
        return result

    def _at(self) -> Location:
        return Location(self.raw.file, self.raw.lines[0])

    def _error(self, line: int | None, problem: str, advice: str) -> None:
        self.findings.error(Location(self.raw.file, line), self.name, problem, advice)

    def _warn(self, line: int | None, problem: str, advice: str) -> None:
        self.findings.warning(Location(self.raw.file, line), self.name, problem, advice)


def _whole_number(text: str) -> int | str:
    """Digits as a number; more of them than Python reads at once stay text and fail as a wrong value."""
    try:
        return int(text)
    except ValueError:
        return text
