"""What this process tells of itself: it goes to the database with the word that the process lives."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import psutil

from harvester.agents.runner import AgentRunner
from harvester.core.clock import Clock
from harvester.core.origin import Origin
from harvester.core.process_report import PartFigures, ProcessReport
from harvester.core.watching import Rules, Sign, alarms
from harvester.panda.call_record import CallRecord
from harvester.store.engine import Database

_RULES: Final = Rules(silent=300.0, overdue=600.0)
"""Seconds after which a part looks stuck, whatever `[watcher]` says and does."""

Runners = Sequence[AgentRunner[Any, Any]]  # each agent has unit and result types of its own


class Reporter:
    """Puts the report together; asks neither database nor network.

    Args:
        runners: the agents.
        loops: what the loops have done, by name.
        signs: how the loops do.
        complaints: what the watcher found when it looked last.
        record: the calls to the server.
        db: has counted its troubles.
        clock: what time it is.
        origin: where the main configuration comes from.
    """

    def __init__(
        self,
        runners: Runners,
        loops: Callable[[], Mapping[str, PartFigures]],
        signs: Callable[[], Iterable[Sign]],
        complaints: Callable[[], Mapping[str, str]],
        *,
        record: CallRecord,
        db: Database,
        clock: Clock,
        origin: Origin | None,
    ) -> None:
        self._runners = runners
        self._loops = loops
        self._signs = signs
        self._complaints = complaints
        self._record = record
        self._db = db
        self._origin = origin
        self._began_at = clock()
        self._process = psutil.Process(os.getpid())
        self._version = version("harvester")

    def report(self) -> ProcessReport:
        """How this process does now."""
        with self._process.oneshot():
            rss, times = self._process.memory_info().rss, self._process.cpu_times()
        on = [each for each in self._runners if each.is_on]
        return ProcessReport(
            version=self._version,
            began_at=self._began_at,
            rss=rss,
            cpu_seconds=round(times.user + times.system, 3),
            parts={**{each.agent.name: _figures(each) for each in on}, **self._loops()},
            calls=_by_first(self._record.outcomes.sums()),
            call_seconds={method: round(each, 3) for (method,), each in self._record.seconds.sums().items()},
            server_silence=self._record.silence,
            held_off=tuple(each.agent.name for each in on if each.agent.line and each.agent.line.is_in_trouble),
            database={kind: int(number) for (kind,), number in self._db.troubles.sums().items()},
            stuck=self.stuck(),
            origin=self._origin,
        )

    def stuck(self) -> Mapping[str, str]:
        """The parts that do nothing, with the reason."""
        silences = [Sign(each.agent.name, each.silence) for each in self._runners if each.is_on]
        return {**self._complaints(), **alarms([*silences, *self._signs()], _RULES)}


def _figures(runner: AgentRunner[Any, Any]) -> PartFigures:
    health = runner.health
    return PartFigures(
        rounds=health.looks,
        done=health.done,
        failed=health.failed,
        seconds=round(health.seconds, 3),
        in_hand=runner.in_hand,
        resting=len(health.resting),
    )


def _by_first(sums: Mapping[tuple[str, ...], float]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (first, second), number in sums.items():
        found[first][second] = int(number)
    return dict(found)
