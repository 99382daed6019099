"""How much of something may wait: an absolute limit, a share of what runs, or both (core reference §4.5, §4.6).

Of both the lower one counts. A share has a least result, and always lets one wait: a queue in which nothing runs would
otherwise never begin.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much may wait.

    Attributes:
        limit: key of the configuration that decided.
        source: where the number comes from, if that is no plain number of the configuration.
    """

    allowed: int
    limit: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """The keys of one limit.

    Attributes:
        name: key of the absolute limit.
        absolute: None where there is only a share, or no such limit.
        ratio_name: key of the share.
        percent: of what runs; None for no share.
        leasts: least results of the share by key; the highest that is set counts.
    """

    name: str
    absolute: int | None
    ratio_name: str = ""
    percent: int | None = None
    leasts: Mapping[str, int | None] = field(default_factory=dict)


def ceiling_of(rule: Rule, running: int, things: str, one: int = 1) -> Ceiling | None:
    """How much may wait by a rule; None where it sets no limit.

    Args:
        rule: what the configuration says.
        running: how much runs.
        things: what is counted, in words.
        one: how much of it one worker or job takes.
    """
    ceilings = [] if rule.absolute is None else [Ceiling(rule.absolute, rule.name)]
    if rule.percent is not None:
        ceilings.append(_share(rule, rule.percent, running, things, one))
    return min(ceilings, key=_allowed, default=None)


def _share(rule: Rule, percent: int, running: int, things: str, one: int) -> Ceiling:
    leasts = [Ceiling(least, name) for name, least in rule.leasts.items() if least is not None]
    told = f", {percent} % of the {running} {things} that run"
    share = Ceiling(max(running * percent // 100, one), rule.ratio_name, told)
    return max([share, *leasts], key=_allowed)


def _allowed(ceiling: Ceiling) -> int:
    return ceiling.allowed
