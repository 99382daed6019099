"""Watches a demonstration through the server's eyes until all is done."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from harvester.cli.demo.children import Child
from harvester.cli.demo.outputs import verify
from harvester.cli.demo.plan import Plan
from harvester.core.errors import HarvesterError
from harvester.core.workers import FINAL_WORKER_STATUSES
from harvester.panda.devserver import DevControl

_LOOK_SECONDS: Final = 0.3
_FINAL_JOBS: Final = frozenset({"finished", "failed", "cancelled", "closed"})
_FINAL_WORKERS: Final = frozenset(status.value for status in FINAL_WORKER_STATUSES)


class OutOfTimeError(HarvesterError):
    """The demonstration takes longer than it ever should."""


@dataclass(frozen=True, slots=True)
class View:
    """How things stand: jobs and workers by status, and jobs whose outputs were verified."""

    jobs: Mapping[str, int]
    workers: Mapping[str, int]
    verified: int

    @property
    def open_jobs(self) -> int:
        """Jobs that have not ended."""
        return sum(number for status, number in self.jobs.items() if status not in _FINAL_JOBS)

    @property
    def open_workers(self) -> int:
        """Workers that have not ended."""
        return sum(number for status, number in self.workers.items() if status not in _FINAL_WORKERS)


_NOTHING: Final = View({}, {}, 0)


@dataclass(slots=True)
class Watcher:
    """Looks again and again.

    Attributes:
        show: is given every view.
        deadline: monotonic time at which patience ends.
        last: the last view.
        problems: what was found to be wrong with jobs that the server holds for finished.
    """

    plan: Plan
    control: DevControl
    show: Callable[[View], None]
    deadline: float
    last: View = _NOTHING
    problems: list[str] = field(default_factory=list)
    _looked_at: set[int] = field(default_factory=set)

    def until(self, done: Callable[[View], bool], children: Sequence[Child]) -> View:
        """The first view that fits; all children have to live until then.

        Raises:
            OutOfTimeError: none did in time.
            ChildError: a process has ended.
        """
        while True:
            for child in children:
                child.require_running()
            self.last = view = self.look()
            self.show(view)
            if done(view):
                return view
            if time.monotonic() > self.deadline:
                raise OutOfTimeError(f"no end in sight: jobs {_words(view.jobs)}; workers {_words(view.workers)}")
            time.sleep(_LOOK_SECONDS)

    def look(self) -> View:
        """Ask the server, and verify the outputs of jobs that have finished meanwhile."""
        summary = self.control.summary()
        jobs = _counts(summary["jobs"])
        if jobs["finished"] > len(self._looked_at):
            self._verify()
        return View(jobs, _counts(summary["workers"]), len(self._looked_at) - len(self.problems))

    def _verify(self) -> None:
        for job in self.control.jobs(status="finished"):
            job_id = int(str(job["job_id"]))
            if job_id not in self._looked_at:
                self._looked_at.add(job_id)
                if problem := verify(self.plan, job):
                    self.problems.append(problem)


def _counts(value: JsonValue) -> Counter[str]:
    pairs = value.items() if isinstance(value, dict) else ()
    return Counter({str(status): int(str(number)) for status, number in pairs})


def _words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "none"
