"""The work of a run: a queue whose workers get a job each, and one whose workers come without."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crashing.batch import Journal
from harvester.panda.devserver import DevControl
from instance import Block, Site

INSTANCE: Final = "crash"
PUSH: Final = "PUSH"
PULL: Final = "PULL"
_LEAST_PORTION: Final = 10
_BEGIN: Final = 0.05
_ATTEMPTS: Final = 20
"""Enough that no job is given up, however often a process dies when it is about to submit it."""
_SECTIONS: Final[Mapping[str, Mapping[str, object]]] = {
    "master": {"harvester_id": INSTANCE},
    "jobfetcher": {"lookupTime": 1, "sleepTime": 1, "maxJobs": 20},
    "preparator": {"sleepTime": 1},
    "submitter": {"lookupTime": 1, "sleepTime": 1, "checkInterval": 1},
    "monitor": {"checkInterval": 2, "sleepTime": 1},
    "stager": {"sleepTime": 1},
    "propagator": {"sleepTime": 1},
    "sweeper": {
        "sleepTime": 1,
        "checkInterval": 2,
        **dict.fromkeys(("keepFinished", "keepFailed", "keepCancelled", "keepMissed"), 0),
    },
}
"""Short pauses, because much has to happen soon, and no keeping, so that the sweeper has work."""


@dataclass(slots=True)
class Workload:
    """Gives out work as the run goes on, so that there is always some when a process dies.

    Attributes:
        workers: how many batch jobs there are to be in all, half of them with a job.
        given: jobs that were put into the server.
        pulling: whether the pull queue may get further workers.
    """

    site: Site
    control: DevControl
    journal_file: Path
    seed: int
    workers: int
    given: int = 0
    pulling: bool = True
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal(self.journal_file)

    @property
    def at_once(self) -> int:
        """`maxWorkers` of each queue."""
        return max(self.workers // 40, 20)

    def configure(self) -> Path:
        """Write the configuration as it should be now."""
        batch: Block = {
            "module": "crashing.batch",
            "name": "SimulatedBatch",
            "journal": str(self.journal_file),
            "seed": self.seed,
        }
        same: Block = {
            **dict.fromkeys(("submitter", "monitor", "sweeper"), batch),
            "maxSubmissionAttempts": _ATTEMPTS,
        }
        status = "online" if self.pulling else "offline"
        queues = {
            PUSH: self.site.queue("push", at_once=self.at_once, **same),
            PULL: self.site.queue("pull", at_once=self.at_once, **same, queueStatus=status),
        }
        return self.site.configure(queues, _SECTIONS)

    def give(self, share: float) -> None:
        """Put in jobs until the server has had so large a share of them all."""
        wanted = int(self.workers // 2 * min(_BEGIN + share, 1)) - self.given
        if wanted >= _LEAST_PORTION or (share >= 1 and wanted > 0):
            self.add_jobs(wanted)

    def add_jobs(self, number: int) -> None:
        """Put so many more jobs into the server."""
        self.site.add_jobs(number, PUSH)
        self.given += number

    def has_pulled_enough(self) -> bool:
        """Whether there have been enough batch jobs without jobs of their own."""
        return self.journal.counts().get(PULL, 0) >= self.workers - self.workers // 2
