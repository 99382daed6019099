"""Holds submission back while submissions fail, or while a site family has enough workers (core reference §3.12)."""

from collections.abc import Sequence

from pydantic import Field

from harvester.plugins.api import Done, Later, PluginSettings, QueueLoad, Throttler
from harvester.plugins.throttlers.rules import FamilyRule, Logic, MissedRule, Present, verdict


class TinyThrottlerSettings(PluginSettings):
    """Settings of the tiny throttler.

    Attributes:
        logic: whether one broken rule is enough (`OR`) or all have to be (`AND`).
        missed: rules on failed submissions.
        submitted: rules on workers of the site family that wait.
        running: rules on those that run.
        both: rules on those that wait or run.
    """

    logic: Logic = Field(default=Logic.ANY, alias="logicType")
    missed: tuple[MissedRule, ...] = Field(default=(), alias="rulesForMissed")
    submitted: tuple[FamilyRule, ...] = Field(default=(), alias="rulesForSiteFamilySubmitted")
    running: tuple[FamilyRule, ...] = Field(default=(), alias="rulesForSiteFamilyRunning")
    both: tuple[FamilyRule, ...] = Field(default=(), alias="rulesForSiteFamilySubmittedRunning")


class TinyThrottler(Throttler[TinyThrottlerSettings]):
    """See the module."""

    Settings = TinyThrottlerSettings

    @property
    def windows(self) -> frozenset[float]:
        """Those of its rules."""
        return frozenset(rule.minutes for rule in self.settings.missed)

    def judge(self, loads: Sequence[QueueLoad]) -> Sequence[Done | Later]:
        """By the rules, one queue after the other."""
        return [verdict(self.settings.logic, self._reasons(load)) for load in loads]

    def _reasons(self, load: QueueLoad) -> list[str]:
        waiting = Present("waiting", load.queued, load.queued_cores)
        running = Present("running", load.running, load.running_cores)
        both = Present("waiting or running", load.queued + load.running, load.queued_cores + load.running_cores)
        family = [(waiting, self.settings.submitted), (running, self.settings.running), (both, self.settings.both)]
        return [
            *(rule.broken(load) for rule in self.settings.missed),
            *(present.breaks(rule) for present, rules in family for rule in rules),
        ]
