"""What is wrong in a configuration, where, and what to write instead."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from harvester.config.places import is_directory

SECRET_WORDS = (
    "password", "passwd", "passphrase", "secret", "token", "credential", "accesskey", "privatekey", "apikey",
)  # fmt: skip
_COMMENT_MARKS = ("_", "#", "//")
_WORD_BREAKS = re.compile(r"[\W_]")
_LONGEST_VALUE = 60


class Severity(StrEnum):
    """How much a finding matters: an error stops its file or queue, a warning and an info stop nothing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a configuration source; `line` counts from 1 and is None when no single line is meant."""

    file: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing an operator should know about the configuration.

    Attributes:
        severity: whether it stops something.
        file: the source it stands in.
        line: its line, from 1; None when it has none (a missing key, a missing file).
        key: `section.key`, or the path of keys in a JSON file.
        problem: what is wrong.
        advice: what to write instead.
        elsewhere: it is about a file that this machine has not even the directory of.
    """

    severity: Severity
    file: str
    line: int | None
    key: str
    problem: str
    advice: str
    elsewhere: bool = False

    @property
    def place(self) -> str:
        """The file, with the line if there is one."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    def as_line(self) -> str:
        """The finding as one line: where, which key, what is wrong, what to write."""
        key = f" {self.key}:" if self.key else ""
        return f"{self.place}:{key} {self.problem}; {self.advice}"


@dataclass(slots=True)
class Findings:
    """Collects findings; the same finding is kept once, since many queues share one template."""

    _seen: dict[Finding, None] = field(default_factory=dict)

    def error(self, at: Location, key: str, problem: str, advice: str) -> None:
        """Record what stops the file or the queue."""
        self._add(Severity.ERROR, at, key, problem, advice)

    def warning(self, at: Location, key: str, problem: str, advice: str) -> None:
        """Record what is accepted, but probably not meant like that."""
        self._add(Severity.WARNING, at, key, problem, advice)

    def info(self, at: Location, key: str, problem: str, advice: str, *, elsewhere: bool = False) -> None:
        """Record a choice made for the operator, or a file that is probably there on another machine."""
        self._add(Severity.INFO, at, key, problem, advice, elsewhere=elsewhere)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Take over findings made elsewhere."""
        self._seen.update(dict.fromkeys(findings))

    def as_tuple(self) -> tuple[Finding, ...]:
        """All findings in the order they were made."""
        return tuple(self._seen)

    def has_errors(self) -> bool:
        """Whether any finding stops something."""
        return any(finding.severity is Severity.ERROR for finding in self._seen)

    def tells_error(self, key: str) -> bool:
        """Whether an error about this key was found already."""
        return any(each.key == key and each.severity is Severity.ERROR for each in self._seen)

    def _add(
        self, severity: Severity, at: Location, key: str, problem: str, advice: str, *, elsewhere: bool = False
    ) -> None:
        file, key, problem, advice = map(printable, (at.file, key, problem, advice))
        self._seen.setdefault(Finding(severity, file, at.line, key, problem, advice, elsewhere))


def severity_of_missing(path: str | Path, otherwise: Severity) -> Severity:
    """How grave it is that a file is not there: no fault where even its directory is not.

    Then the configuration is most probably looked at on another machine than the one that it is made for.
    """
    return otherwise if is_directory(Path(path).parent) else Severity.INFO


def printable(text: str) -> str:
    """The text in one line that every terminal and file takes: control characters and lone surrogates escaped."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most probably stands for, whatever its case."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def instead(name: str, known: Iterable[str], otherwise: str) -> str:
    """Advice for a name nobody knows: the nearest known one, or `otherwise`."""
    near = nearest(name, known)
    return f"write {near}" if near else otherwise


def is_secret(key: str) -> bool:
    """Whether the value of this key must never be shown."""
    letters = _WORD_BREAKS.sub("", key).lower()
    return any(word in letters for word in SECRET_WORDS)


def is_comment(key: str) -> bool:
    """Whether operators write this key as a comment, since JSON has none."""
    return key.startswith(_COMMENT_MARKS)


def shown(key: str, value: JsonValue) -> str:
    """The value as it may appear in a finding: short, and hidden when key or value speak of a secret.

    Of what has an inside only the type is shown, of an address only what stands behind user and password.
    """
    if is_secret(key) or is_secret(repr(value)):
        return "(hidden)"
    if isinstance(value, str):
        return _shown_text(value)
    if isinstance(value, dict | list):
        return "a JSON object" if isinstance(value, dict) else "a list"
    return _shortened(repr(value))


def _shown_text(text: str) -> str:
    if text.startswith(("[", "{")):
        return "text that begins like JSON"
    _, at, host = text.rpartition("@")
    return _shortened(repr(f"…{at}{host}" if at else text))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
