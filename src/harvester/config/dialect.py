"""The ini dialect of `panda_harvester.cfg`: sections, keys, continuation lines, and which source wins.

Core reference §1.1 and §1.2. Nothing here raises on bad text: what cannot be read becomes a finding, and the rest is
still read, so that one look at the file shows all that is wrong.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.config.findings import Findings, Location, is_secret
from harvester.config.json_lines import JsonDocument
from harvester.config.values import Entry, Expander, RawEntry, convert

DEFAULT = "DEFAULT"
"""The section whose keys appear in every other section."""

RawSections = dict[str, dict[str, RawEntry]]
Sections = dict[str, dict[str, Entry]]

_LINE_END = re.compile(r"\r\n|\r|\n")
_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<key>.*?)\s*[=:]\s*(?P<value>.*)")


@dataclass(slots=True)
class IniSource:
    """One source in the dialect, as written: no value is converted yet.

    Attributes:
        file: its name in findings.
        sections: the keys of each section.
        only_known_sections: the source cannot add a section that no other source has (the config map).
    """

    file: str
    sections: RawSections = field(default_factory=dict)
    headers: dict[str, int] = field(default_factory=dict)
    only_known_sections: bool = False


def parse_ini(text: str, file: str, findings: Findings) -> IniSource:
    """Read one ini text."""
    reader = _IniReader(file, findings)
    for number, line in enumerate(_LINE_END.split(text.removeprefix("\ufeff")), start=1):
        reader.take(number, line)
    return reader.finish()


def take_config_map(document: JsonDocument, findings: Findings) -> IniSource:
    """What `panda_harvester_configmap.json` says, a JSON object `{section: {key: value}}`."""
    source = IniSource(document.file, only_known_sections=True)
    if not isinstance(document.value, dict):
        findings.error(Location(document.file, 1), "", "not a JSON object", 'write {"section": {"key": value}}')
        return source
    for name, keys in document.value.items():
        _take_mapped_section(source, name, keys, document, findings)
    return source


def _take_mapped_section(
    source: IniSource, name: str, keys: JsonValue, document: JsonDocument, findings: Findings
) -> None:
    at = document.at((name,))
    if not isinstance(keys, dict):
        findings.error(at, name, "the section is not a JSON object", f'write {{"{name}": {{"key": value}}}}')
        return
    source.headers[name] = at.line or 1
    source.sections[name] = {
        key: RawEntry(value, source.file, (document.at((name, key)).line or 1,), interpolates=False)
        for key, value in keys.items()
    }


def merge(sources: Sequence[IniSource], expander: Expander, findings: Findings) -> Sections:
    """Convert all values after merging key by key; later sources win.

    A value may refer to another key of its section, so conversion has to wait until every source has spoken.
    """
    merged: RawSections = {}
    for source in sources:
        for name, keys in source.sections.items():
            if source.only_known_sections and name not in merged:
                _report_unknown_section(source, name, findings)
                continue
            merged.setdefault(name, {}).update(keys)
    defaults = merged.pop(DEFAULT, {})
    return {name: _convert_section(name, defaults, keys, expander, findings) for name, keys in merged.items()}


def _convert_section(
    name: str,
    defaults: Mapping[str, RawEntry],
    keys: Mapping[str, RawEntry],
    expander: Expander,
    findings: Findings,
) -> dict[str, Entry]:
    scope = {**defaults, **keys}
    section: dict[str, Entry] = {}
    for key in scope:
        entry = convert(name, key, scope, expander, findings)
        if entry is not None:
            section[key] = entry if key in keys else entry.inherit()
    return section


def _report_unknown_section(source: IniSource, name: str, findings: Findings) -> None:
    findings.warning(
        Location(source.file, source.headers.get(name)),
        name,
        "the section stands in no panda_harvester.cfg, so the config map cannot override it",
        f"write an empty [{name}] into panda_harvester.cfg",
    )


class _IniReader:
    """Takes the lines one by one and knows which section and value they belong to."""

    def __init__(self, file: str, findings: Findings) -> None:
        self._source = IniSource(file)
        self._findings = findings
        self._section: str | None = None
        self._key: str | None = None
        self._indent = 0
        self._lines: list[tuple[str, int]] = []
        self._secret_is_empty = False
        self._follows_secret = False

    def take(self, number: int, line: str) -> None:
        stripped = line.strip()
        if stripped.startswith(("#", ";")):
            return
        if not stripped:
            self._lines.append(("", number))
            return
        indent = len(line) - len(line.lstrip())
        if self._key is not None and indent > self._indent:
            self._lines.append((stripped, number))
            return
        self._indent = indent
        self._close_value()
        self._start(number, stripped)

    def finish(self) -> IniSource:
        self._close_value()
        return self._source

    def _start(self, number: int, stripped: str) -> None:
        if header := _HEADER.match(stripped):
            self._open_section(number, header["name"])
        elif option := _OPTION.match(stripped):
            self._open_value(number, option["key"], option["value"])
        else:
            self._findings.error(
                Location(self._source.file, number),
                self._section or "",
                "neither a [section] nor a key = value",
                "write key = value; indent the further lines of a value",
            )

    def _open_section(self, number: int, name: str) -> None:
        self._section = name
        self._secret_is_empty = False
        if name in self._source.headers and name != DEFAULT:
            first = self._source.headers[name]
            self._error(number, name, f"the section stands in line {first} already", "move its keys there")
        self._source.headers.setdefault(name, number)
        self._source.sections.setdefault(name, {})

    def _open_value(self, number: int, key: str, value: str) -> None:
        self._follows_secret = self._secret_is_empty
        if self._section is None:
            self._error(number, key, "the key stands before the first section", "write a [section] line above it")
        elif not key:
            self._error(number, self._section, "a value without a key", "write key = value")
        elif key in self._source.sections[self._section]:
            first = self._source.sections[self._section][key]
            name = first.name(self._section, key)
            self._error(number, name, f"the key stands in line {first.lines[0]} already", "keep one of the two")
        self._key = key
        self._lines = [(value, number)]

    def _close_value(self) -> None:
        if self._key and self._section is not None:
            lines = _without_blank_end(self._lines)
            text, numbers = "\n".join(part for part, _ in lines), tuple(number for _, number in lines)
            entry = RawEntry(text, self._source.file, numbers, follows_secret=self._follows_secret)
            self._source.sections[self._section][self._key] = entry
            self._secret_is_empty = not text and (is_secret(self._key) or self._follows_secret)
        self._key = None
        self._lines = []

    def _error(self, number: int, key: str, problem: str, advice: str) -> None:
        self._findings.error(Location(self._source.file, number), key, problem, advice)


def _without_blank_end(lines: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The value's lines; blank ones at the end belong to the layout of the file, not to the value."""
    last = max((place for place, (text, _) in enumerate(lines) if text), default=0)
    return lines[: last + 1]
