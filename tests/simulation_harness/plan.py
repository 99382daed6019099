"""What a seed decides before anything happens: the configuration, the amount of work, how ill the world is."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.config.service import Settings
from simulation_harness.kinds import OF_JOBS, Kind, QueuePlan, draw_queue
from simulation_harness.points import outputs_of
from simulation_harness.server import INSTANCE

_ALL_DAY: Final = 86_400
"""Seconds of `sleepTime`: the kernel wakes agents when the database has changed."""
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """See the module.

    Attributes:
        hosts: on how many hosts the instance runs.
        jobs: how many jobs there are in all.
        window: seconds in which all that goes wrong happens.
        torments: how many things go wrong.
        poll_seconds: how often the resource likes to be asked.
        refusing: the share of submissions that the resource refuses.
        pausing: the share of instants at which others come first.
        drained_at_the_end: the queue that is drained when all is well again; empty for none.
    """

    seed: int
    hosts: int
    jobs: int
    window: float
    torments: int
    poll_seconds: float
    refusing: float
    failing: float
    hanging: float
    losing_files: float
    pausing: float
    queues: Mapping[str, QueuePlan]
    sections: Mapping[str, Mapping[str, object]]
    drained_at_the_end: str

    @property
    def queues_of_jobs(self) -> list[QueuePlan]:
        """Those for which the server has jobs."""
        return [queue for queue in self.queues.values() if queue.kind in OF_JOBS]

    def settings(self, directory: Path) -> Settings:
        """The main configuration."""
        fixed = {
            "master": {"harvester_id": INSTANCE},
            "pandacon": {"server_api_url_ssl": "http://server/api/v1", "timeout": 60},
        }
        settings = Settings.model_validate({**fixed, **self.sections})
        master = settings.master.model_copy(update={"work_dir": directory})
        return settings.model_copy(update={"master": master})

    def write_queues(self, path: Path, *, pulling: bool) -> None:
        """The queue configuration, in which the queue of pulling workers may be offline."""
        status = {Kind.PULL: {"queueStatus": "online" if pulling else "offline"}}
        raw = {name: {**queue.attributes, **status.get(queue.kind, {})} for name, queue in self.queues.items()}
        path.write_text(json.dumps(raw))


def draw(seed: int) -> Plan:
    """What the seed stands for."""
    chance = random.Random(f"plan {seed}")
    kinds = _kinds(chance)
    return Plan(
        seed=seed,
        hosts=chance.choice((1, 2, 2)),
        jobs=chance.randint(4, 11),
        window=chance.uniform(4, 14) * HOUR,
        torments=chance.randint(5, 16),
        poll_seconds=chance.uniform(1200, 5400),
        refusing=chance.choice((0, 0, 0.05, 0.2)),
        failing=chance.choice((0, 0.1, 0.3)),
        hanging=chance.choice((0, 0.03, 0.1)),
        losing_files=chance.choice((0, 0, 0.05)),
        pausing=chance.choice((0.05, 0.1, 0.3)),
        queues={kind.value: draw_queue(kind, chance) for kind in kinds},
        sections=_sections(chance),
        drained_at_the_end=kinds[0].value if chance.random() < 0.3 else "",
    )


def _kinds(chance: random.Random) -> Sequence[Kind]:
    """One kind of queue with jobs, seldom two, and sometimes one without."""
    kinds = chance.choices(list(OF_JOBS), list(OF_JOBS.values()), k=1 + (chance.random() < 0.15))
    without = [chance.choice((Kind.PULL, Kind.SLAVE))] if chance.random() < 0.35 else []
    return list(dict.fromkeys([*kinds, *without]))


def job(number: int, queue: QueuePlan, chance: random.Random) -> dict[str, JsonValue]:
    """A job for the queue, as the server gives it."""
    job_id = 1000 + number
    names = [lfn for lfn, _ in outputs_of(job_id)]
    return {
        "PandaID": job_id,
        "site": queue.kind.value,
        "taskID": chance.choice((1, 1, 2)),
        "inFiles": f"in.{job_id}.root" if chance.random() < 0.6 else "",
        "outFiles": ",".join(names),
        "logFile": names[-1],
        "currentPriority": chance.randint(1, 5),
        **({"event_ranges": chance.randint(1, 8)} if queue.kind is Kind.DIVIDED else {}),
    }


def last_job(number: int, queue: QueuePlan, chance: random.Random) -> dict[str, JsonValue]:
    """A job that comes after all others, so that those of them that wait for company need not wait for ever."""
    return {**job(number, queue, chance), "taskID": 2, "currentPriority": 0}


def _sections(chance: random.Random) -> Mapping[str, Mapping[str, object]]:
    lease = chance.choice((30, 60, 600))
    often = {"sleepTime": _ALL_DAY, "lockInterval": lease}
    hours = chance.choice((0, 0, 1, 2))
    return {
        "commandmanager": {"sleepTime": 5400},
        "jobfetcher": {"sleepTime": _ALL_DAY, "lookupTime": 7200, "maxJobs": chance.choice((3, 10))},
        "preparator": {**often, "checkInterval": 300},
        "eventfeeder": often,
        "submitter": {**often, "lookupTime": 7200, "checkInterval": 300},
        "monitor": {**often, "checkInterval": 7200, "workerQueueTimeLimit": 100 * 3600},
        "stager": {**often, "checkInterval": 300},
        "propagator": {**often, "updateInterval": 6000},
        "sweeper": {
            "sleepTime": _ALL_DAY,
            "checkInterval": 1800,
            **dict.fromkeys(("keepFinished", "keepFailed", "keepCancelled", "keepMissed"), hours),
        },
    }
