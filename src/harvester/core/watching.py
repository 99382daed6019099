"""When the service is stuck: by what its parts do, not by what they log (core reference §3.11)."""

from collections.abc import Iterable
from dataclasses import dataclass

from harvester.core.records import record_type


@record_type
class Sign:
    """How one part of the service does; times in seconds.

    Attributes:
        name: of an agent or another loop.
        silent: since it last looked for work, or ended a round.
        allowed: how long it may be silent when all is well.
        overdue: how long work has waited for it although nothing keeps it from taking it.
    """

    name: str
    silent: float
    allowed: float = 0.0
    overdue: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What is too long, in seconds; 0 for no such rule."""

    silent: float
    overdue: float


def alarms(signs: Iterable[Sign], rules: Rules) -> dict[str, str]:
    """Who is stuck, and why we think so."""
    found = {sign.name: _reason(sign, rules) for sign in signs}
    return {name: reason for name, reason in found.items() if reason}


def _reason(sign: Sign, rules: Rules) -> str:
    if rules.silent and sign.silent > rules.silent + sign.allowed:
        return f"it has done nothing for {sign.silent:.0f} s"
    if rules.overdue and sign.overdue > rules.overdue:
        return f"work has waited for it for {sign.overdue:.0f} s"
    return ""
