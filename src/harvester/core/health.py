"""Whether a process works, and whether it is of use now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from harvester.core.process_report import ProcessReport

LONGEST_SILENCE: Final = 600.0
"""Seconds after which a server that does not answer is not reachable; it is called at least every minute."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question about a process; `reasons` tells what is not well, by what it is about."""

    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not self.reasons


def liveness(report: ProcessReport) -> Verdict:
    """Whether the agents and loops turn; if not, to restart the process may help."""
    return Verdict(dict(report.stuck))


def readiness(report: ProcessReport, *, has_started: bool, database_problem: str) -> Verdict:
    """Whether it can do its work now; if not, a restart does not help.

    Args:
        report: what the process tells of itself.
        has_started: whether it has its configuration and its agents work.
        database_problem: why the database cannot be read; empty if it can.
    """
    reasons = {}
    if not has_started:
        reasons["start"] = "the configuration is being loaded, or the order to stop has come"
    if database_problem:
        reasons["database"] = database_problem
    if problem := _server_problem(report.server_silence):
        reasons["server"] = problem
    return Verdict(reasons)


def _server_problem(silence: float | None) -> str:
    if silence is None:
        return "the PanDA server has not answered since the process began"
    return f"the PanDA server has not answered for {silence:.0f} s" if silence > LONGEST_SILENCE else ""
