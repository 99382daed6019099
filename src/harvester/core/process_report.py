"""What a process of an instance tells of itself, so that any other can answer for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue, TypeAdapter, ValidationError

from harvester.core.origin import Origin


@dataclass(frozen=True, slots=True)
class PartFigures:
    """What one agent or loop has done since the process began.

    Attributes:
        rounds: how often it looked for work.
        done: units of work that were done.
        failed: units and rounds that failed.
        seconds: of work.
        in_hand: units that it has claimed now.
        resting: what it leaves alone now, because it failed.
    """

    rounds: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    in_hand: int = 0
    resting: int = 0


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """One process; all of it is the number of something since the process began, or how it is now.

    Attributes:
        version: of the software.
        began_at: when the process began.
        rss: bytes of memory.
        cpu_seconds: CPU time.
        parts: agents and loops by name.
        calls: calls to the server by method and outcome.
        call_seconds: time spent in calls, by method.
        server_silence: seconds since the server answered; None if it never did.
        held_off: agents that ask the server less often because it fails.
        database: trouble with the database by kind.
        stuck: parts that do nothing, with the reason.
        origin: where the main configuration comes from, if it is not all local.
    """

    version: str = ""
    began_at: datetime | None = None
    rss: int = 0
    cpu_seconds: float = 0.0
    parts: Mapping[str, PartFigures] = field(default_factory=dict)
    calls: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    call_seconds: Mapping[str, float] = field(default_factory=dict)
    server_silence: float | None = None
    held_off: tuple[str, ...] = ()
    database: Mapping[str, int] = field(default_factory=dict)
    stuck: Mapping[str, str] = field(default_factory=dict)
    origin: Origin | None = None


_FORM: Final = TypeAdapter(ProcessReport)


def stored_form(report: ProcessReport) -> JsonValue:
    """The report as JSON."""
    plain: JsonValue = _FORM.dump_python(report, mode="json", exclude_defaults=True)
    return plain


def read_report(stored: object) -> ProcessReport:
    """A report as it was stored; one that another version wrote in a form of its own says nothing."""
    try:
        return _FORM.validate_python(stored or {})
    except ValidationError:
        return ProcessReport()
