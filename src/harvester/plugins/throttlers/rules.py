"""The rules of throttlers (core reference §3.12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harvester.plugins.api import Done, Later, MissedLevel, QueueLoad


class Logic(StrEnum):
    """How the rules of a throttler go together."""

    ANY = "OR"
    ALL = "AND"


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class MissedRule(_Rule):
    """Holds back while too many submissions have failed.

    Attributes:
        level: which workers count: those of the site (`site`), the queue (`pq`), or the queues that use one of its
            computing elements (`ce`).
        minutes: how far back they count.
        most: more than so many hold submission back.
    """

    level: MissedLevel
    minutes: float = Field(alias="timeWindow", gt=0)
    most: int = Field(alias="maxMissed", ge=0)

    def broken(self, load: QueueLoad) -> str:
        """Why it holds back; empty if it does not."""
        missed = load.missed[self.level, self.minutes]
        told = f"{missed} submissions failed for this {_WORDS[self.level]} within {self.minutes:g} minutes"
        return f"{told}, more than maxMissed {self.most}" if missed > self.most else ""


_WORDS = {MissedLevel.SITE: "site", MissedLevel.QUEUE: "queue", MissedLevel.ELEMENT: "computing element"}


class CoresRule(_Rule):
    """Holds back at so many cores of workers of the site family."""

    level: Literal["cores"]
    most: int = Field(alias="maxCores", ge=0)


class WorkersRule(_Rule):
    """Holds back at so many workers of the site family."""

    level: Literal["workers"]
    most: int = Field(alias="maxWorkers", ge=0)


FamilyRule = CoresRule | WorkersRule


@dataclass(frozen=True, slots=True)
class Present:
    """Workers of a site family in some state, and their cores."""

    what: str
    workers: int
    cores: int

    def breaks(self, rule: FamilyRule) -> str:
        """Why the rule holds back; empty if it does not."""
        present = self.workers if isinstance(rule, WorkersRule) else self.cores
        key = "maxWorkers" if isinstance(rule, WorkersRule) else "maxCores"
        told = f"{present} {rule.level} of the site family are {self.what}"
        return f"{told}, and {key} is {rule.most}" if present >= rule.most else ""


def verdict(logic: Logic, reasons: Sequence[str]) -> Done | Later:
    """What follows from the rules, each with its reason or an empty one: Later holds submission back."""
    broken = [reason for reason in reasons if reason]
    holds = bool(broken) if logic is Logic.ANY else len(broken) == len(reasons) > 0
    return Later("; ".join(broken)) if holds else Done()
