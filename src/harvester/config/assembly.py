"""From keys with their places to a model, with a finding for each key that does not fit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from pydantic import JsonValue, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from harvester.config.fields import Section, better_forms, kind_of
from harvester.config.findings import Findings, Location, is_comment, is_secret, shown
from harvester.config.problems import NO_COMMENT_BEHIND, has_comment_behind, unknown_key, wrong_value
from harvester.config.values import Entry

SectionT = TypeVar("SectionT", bound=Section)

_TEMPLATE_MARK: Final = "FIXME"
_YOUR_OWN: Final = "write your own value"


@dataclass(frozen=True, slots=True)
class SectionText:
    """One section as read.

    Attributes:
        name: its name in the file.
        entries: its keys.
        at: its header, or the file when it is not written at all.
    """

    name: str
    entries: Mapping[str, Entry]
    at: Location

    def place(self, key: str) -> Location:
        """Where a key stands, or where it should."""
        entry = self.entries.get(key)
        return entry.at if entry else self.at


def build_section(model: type[SectionT], text: SectionText, findings: Findings) -> SectionT | None:
    """The section as a value; None when one of its keys is wrong."""
    fields = model.by_key()
    known = {key: entry for key, entry in text.entries.items() if key in fields and not _is_blank(fields[key], entry)}
    _report_unknown_keys(model, text, findings)
    _report_loose_forms(model, text, known, findings)
    try:
        section = model.model_validate({key: _value(model, key, entry) for key, entry in known.items()})
    except ValidationError as error:
        _report_errors(model, text, error.errors(include_url=False, include_input=False), findings)
        return None
    _report_comments_behind(model, text, known, findings)
    return section


def _is_blank(field: FieldInfo, entry: Entry) -> bool:
    """Whether an empty value means that the key is not set."""
    kind = kind_of(field)
    return entry.value == "" and kind is not None and not kind.may_be_empty


def _value(model: type[Section], key: str, entry: Entry) -> JsonValue:
    """What the model gets: the text itself where a number or a word was read, but text is meant."""
    kind = kind_of(model.by_key()[key])
    looks_typed = isinstance(entry.value, int)
    return entry.text if kind and kind.as_written and looks_typed else entry.value


def _report_unknown_keys(model: type[Section], text: SectionText, findings: Findings) -> None:
    known = [*model.by_key(), *model.unused]
    for key, entry in text.entries.items():
        if key not in known and not entry.inherited and not is_comment(key):
            findings.warning(entry.at, entry.name, *unknown_key(key, known))


def _report_loose_forms(
    model: type[Section], text: SectionText, entries: Mapping[str, Entry], findings: Findings
) -> None:
    written = {key: entry.value for key, entry in entries.items()}
    for key, better in better_forms(model.by_key(), written).items():
        findings.warning(entries[key].at, f"{text.name}.{key}", f"read as {better}", f"write {better}")


def _report_comments_behind(
    model: type[Section], text: SectionText, entries: Mapping[str, Entry], findings: Findings
) -> None:
    """Tell of what looks like a comment and became part of a text; a secret may look like anything."""
    fields = model.by_key()
    for key, entry in entries.items():
        kind = kind_of(fields[key])
        if kind and kind.as_written and not is_secret(key) and has_comment_behind(str(entry.value)):
            problem = f"{shown(key, entry.value)} is the whole value, with what looks like a comment"
            findings.warning(entry.at, f"{text.name}.{key}", problem, NO_COMMENT_BEHIND)


def _report_errors(model: type[Section], text: SectionText, errors: Iterable[ErrorDetails], findings: Findings) -> None:
    fields = model.by_key()
    by_key: dict[str, ErrorDetails] = {}
    for error in errors:
        by_key.setdefault(str(error["loc"][0]) if error["loc"] else "", error)
    for key, error in by_key.items():
        name = f"{text.name}.{key}" if key else text.name
        if error["type"] == "missing":
            findings.error(text.at, name, "is not set", f"write {key} = … into [{text.name}]")
        elif not key:
            findings.error(text.at, name, error["msg"].removeprefix("Value error, "), model.advice)
        else:
            entry = text.entries[key]
            place = entry.at_item(tuple(error["loc"][1:]))
            findings.error(place, name, *wrong_value(error, key, kind_of(fields[key]), entry.value))


def is_template_mark(value: JsonValue) -> bool:
    """Whether the operator was to replace all of the value."""
    return value == _TEMPLATE_MARK


def words_of_template_mark(key: str, value: JsonValue) -> str:
    """That a value, or a part of it, was to be replaced."""
    return f"{shown(key, value)} is the template's"


def report_template_mark(text: SectionText, key: str, findings: Findings) -> None:
    """Complain about a value that the operator was to replace; one that only holds the mark may be meant."""
    entry = text.entries.get(key)
    if entry is None:
        return
    if is_template_mark(entry.value):
        findings.error(entry.at, f"{text.name}.{key}", words_of_template_mark(key, entry.value), _YOUR_OWN)
    elif not is_secret(key):
        report_template_traces(text, key, findings)


def report_template_traces(text: SectionText, key: str, findings: Findings) -> None:
    """Warn of each item of a value that holds the mark of what the operator was to replace."""
    entry = text.entries.get(key)
    if entry is None:
        return
    for place, item in enumerate(entry.value if isinstance(entry.value, list) else [entry.value]):
        if isinstance(item, str) and _TEMPLATE_MARK in item:
            at = entry.at_item((place,))
            findings.warning(at, f"{text.name}.{key}", words_of_template_mark(key, item), _YOUR_OWN)
