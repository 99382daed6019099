"""Configuration at an address: what is taken from there, and what is not because everybody can read it there.

Core reference §1.1, operations reference §3. The address of the main configuration stands in one environment variable,
that of the queue configuration in another. A document that many instances read is no place for secrets: these are left
out before anything keeps the document, and told by their keys.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from harvester.config.dialect import IniSource, Sections, parse_ini
from harvester.config.findings import Findings, Location
from harvester.config.json_lines import JsonDocument, JsonPath, JsonSyntaxError, parse_json
from harvester.config.problems import doubled_key
from harvester.config.secrets import names_secret, secrets_in
from harvester.config.values import RawEntry
from harvester.core.errors import HarvesterError
from harvester.core.origin import Origin, words_of_age

INSTANCE_URL: Final = "HARVESTER_INSTANCE_CONFIG_URL"
"""The environment variable with the address of the main configuration."""
QUEUE_URL: Final = "HARVESTER_QUEUE_CONFIG_URL"
"""The same for the queue configuration."""
NO_PLACE: Final = "is a secret, which must not stand where others can read it; it was not taken from there"
_ADVICE: Final = "write it into a local file, remove it there, and change it"
_SCHEMES: Final = ("http://", "https://")
_LINE_END: Final = "\n"
_CONTINUED: Final = "\n  "

IsSecret = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class RemoteText:
    """The main configuration of an address."""

    origin: Origin
    text: str = field(repr=False)


ReadRemote = Callable[[str, Sections], RemoteText]
"""Gets the main configuration of an address; the sections of the local files say whom to believe and where a copy is.

Raises RemoteError.
"""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The main configuration of an address, without its secrets."""

    source: IniSource = field(repr=False)
    origin: Origin


class RemoteError(HarvesterError):
    """The main configuration can neither be fetched nor is there a copy; the text ends with what to do."""


def address_of(variable: str, environ: Mapping[str, str], findings: Findings) -> str | None:
    """The address that a variable holds; one that is none is a finding."""
    url = environ.get(variable, "").strip()
    if not url:
        return None
    if not url.lower().startswith(_SCHEMES) or not url.partition("://")[2].strip("/"):
        problem = "is no address of a document"
        findings.error(Location(variable), "", problem, "set it to http://… or https://…, or unset it")
        return None
    return url


def fault_of(text: str) -> str:
    """Why a text cannot be the main configuration; empty if it can."""
    text = text.lstrip("\ufeff")
    if text.lstrip().startswith("<"):
        return "it is an HTML page, not the file itself"
    if not _is_json(text):
        findings = Findings()
        source = parse_ini(text, "", findings)
        is_ini = any(source.sections.values()) and not findings.has_errors()
        return "" if is_ini else "it is neither a JSON object nor a whole panda_harvester.cfg"
    try:
        value = parse_json(text, "").value
    except JsonSyntaxError as error:
        return f"it is no JSON (line {error.line}: {error.problem})"
    if not value or not isinstance(value, dict):
        return "it is empty"
    wrong = next((name for name, keys in value.items() if not isinstance(keys, dict)), None)
    return f'{wrong} in it is no section: write {{"section": {{"key": value}}}}' if wrong is not None else ""


def fetch_instance(
    remote: ReadRemote | None, address: str, local: Sections, is_secret_key: IsSecret, findings: Findings
) -> Fetched | None:
    """What stands at an address, without secrets; why it cannot be had, and how old a copy is, are findings.

    Args:
        remote: gets it; None if nobody does.
        address: where it is.
        local: the sections of the local files; what they state nobody misses.
        is_secret_key: knows further keys whose values are secrets, as `section.key`.
        findings: takes what is wrong.
    """
    if remote is None:
        findings.error(Location(INSTANCE_URL), "", "nothing is fetched here", "unset it")
        return None
    try:
        found = remote(address, local)
    except RemoteError as error:
        problem, _, advice = str(error).rpartition("; ")
        findings.error(Location(INSTANCE_URL), "", problem, advice)
        return None
    origin = found.origin
    if origin.problem:
        age = words_of_age(origin.asked_at - origin.fetched_at)
        problem = f"{origin.problem}; the last good copy is used, of {origin.fetched_at:%Y-%m-%d %H:%M} UTC, {age}"
        findings.warning(Location(INSTANCE_URL), "", problem, "see that the address answers before the next start")
    return Fetched(read_instance(found, local, is_secret_key, findings), origin)


def read_instance(found: RemoteText, local: Sections, is_secret_key: IsSecret, findings: Findings) -> IniSource:
    """A text in which `fault_of` finds none, without its secrets: an error where the configuration lacks one now."""
    file, text = f"{found.origin.address} ({INSTANCE_URL})", found.text.lstrip("\ufeff")
    source = _from_json(parse_json(text, file), findings) if _is_json(text) else parse_ini(text, file, findings)
    for section, keys in source.sections.items():
        for key in [key for key, raw in keys.items() if _hides_secret(section, key, raw, is_secret_key)]:
            tell = findings.warning if key in local.get(section, {}) else findings.error
            tell(Location(file, keys[key].lines[0]), f"{section}.{key}", NO_PLACE, _ADVICE)
            del keys[key]
    return source


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")


def kept_text(source: IniSource) -> str:
    """What of a source may be kept in a file: all that it still holds, in the form in which it came."""
    if any(not raw.interpolates for keys in source.sections.values() for raw in keys.values()):
        plain = {name: {key: raw.value for key, raw in keys.items()} for name, keys in source.sections.items()}
        return json.dumps(plain, indent=1)
    lines: list[str] = []
    for name, keys in source.sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {str(raw.value).replace(_LINE_END, _CONTINUED)}" for key, raw in keys.items()]
    return "\n".join((*lines, ""))


def _from_json(document: JsonDocument, findings: Findings) -> IniSource:
    source = IniSource(document.file)
    for path, line in document.duplicates:
        findings.warning(Location(document.file, line), ".".join(map(str, path)), *doubled_key(path))
    sections = document.value if isinstance(document.value, dict) else {}
    for name, keys in sections.items():
        source.headers[name] = document.at((name,)).line or 1
        source.sections[name] = {
            key: RawEntry(_as_written(value), document.file, (document.at((name, key)).line or 1,), interpolates=False)
            for key, value in (keys.items() if isinstance(keys, dict) else ())
        }
    return source


def _as_written(value: JsonValue) -> JsonValue:
    """Lists and objects as the lines that they would be in a file, so that `$NAME` in them is replaced as there."""
    return json.dumps(value, indent=1) if isinstance(value, list | dict) and value else value


def _hides_secret(section: str, key: str, raw: RawEntry, is_secret_key: IsSecret) -> bool:
    value = raw.value
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            value = parse_json(value, "").value
        except JsonSyntaxError:
            value = raw.value
    is_named = is_secret_key(f"{section}.{key}") or names_secret(key)
    return bool(list(secrets_in(value, is_named=is_named)))


def open_part(queues: JsonValue) -> tuple[JsonValue, list[JsonPath]]:
    """A queue configuration without its secrets, and where these stood."""
    if not isinstance(queues, dict):
        return queues, []
    paths = [path for name, queue in queues.items() for path in secrets_in(queue, (name,))]
    return (_without(queues, (), frozenset(paths)) if paths else queues), paths


def report_secrets(document: JsonDocument, local: JsonValue, findings: Findings) -> JsonDocument:
    """The remote queue configuration without its secrets, with a finding for each.

    Args:
        document: what stands at the address.
        local: the local queue configuration; what it states nobody misses.
        findings: takes what is wrong: an error where the queue has lost something.
    """
    value, paths = open_part(document.value)
    for path in paths:
        tell = findings.warning if _holds(local, path) else findings.error
        tell(document.at(path), ".".join(map(str, path)), NO_PLACE, _ADVICE)
    return JsonDocument(document.file, value, document.lines, document.duplicates)


def words_of_refused(paths: Sequence[JsonPath]) -> str:
    """That secrets were left out, in one sentence."""
    named = ", ".join(".".join(map(str, path)) for path in paths)
    return f"{named}: {NO_PLACE}; {_ADVICE}"


def _without(value: JsonValue, path: JsonPath, paths: frozenset[JsonPath]) -> JsonValue:
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if (*path, key) not in paths}
        return {key: _without(each, (*path, key), paths) for key, each in kept.items()}
    if isinstance(value, list):
        left = [(place, each) for place, each in enumerate(value) if (*path, place) not in paths]
        return [_without(each, (*path, place), paths) for place, each in left]
    return value


def _holds(value: JsonValue, path: JsonPath) -> bool:
    for step in path:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[str(step)]
    return True
