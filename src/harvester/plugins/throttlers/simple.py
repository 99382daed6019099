"""Holds submission back while too many submissions fail (core reference §3.12)."""

from collections.abc import Sequence

from pydantic import Field

from harvester.plugins.api import Done, Later, PluginSettings, QueueLoad, Throttler
from harvester.plugins.throttlers.rules import Logic, MissedRule, verdict


class SimpleThrottlerSettings(PluginSettings):
    """Settings of the simple throttler.

    Attributes:
        logic: whether one broken rule is enough (`OR`) or all have to be (`AND`).
        missed: rules on failed submissions.
    """

    logic: Logic = Field(default=Logic.ANY, alias="logicType")
    missed: tuple[MissedRule, ...] = Field(alias="rulesForMissed")


class SimpleThrottler(Throttler[SimpleThrottlerSettings]):
    """See the module."""

    Settings = SimpleThrottlerSettings

    @property
    def windows(self) -> frozenset[float]:
        """Those of its rules."""
        return frozenset(rule.minutes for rule in self.settings.missed)

    def judge(self, loads: Sequence[QueueLoad]) -> Sequence[Done | Later]:
        """By the rules, one queue after the other."""
        return [verdict(self.settings.logic, self._reasons(load)) for load in loads]

    def _reasons(self, load: QueueLoad) -> list[str]:
        return [rule.broken(load) for rule in self.settings.missed]
