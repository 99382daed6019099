"""What a seed decides before anything happens: the configuration, the amount of work, how ill the world is."""

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.config.service import Settings
from simulation_harness.points import outputs_of
from simulation_harness.server import INSTANCE

PUSH: Final = "PUSH"
PULL: Final = "PULL"
_PLUGINS: Final = {
    "submitter": "SimulatedResource",
    "monitor": "SimulatedResource",
    "sweeper": "SimulatedResource",
    "messenger": "SimulatedMessenger",
    "preparator": "SimulatedPreparator",
    "stager": "SimulatedStager",
}
_ALL_DAY: Final = 86_400
"""Seconds of `sleepTime`: the kernel wakes agents when the database has changed."""
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of a queue: workers in all, and workers that wait."""

    total: int
    queued: int


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
    limits: Mapping[str, Limits]
    attributes: Mapping[str, Mapping[str, JsonValue]]
    sections: Mapping[str, Mapping[str, object]]

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
        status = {PULL: {"queueStatus": "online" if pulling else "offline"}}
        path.write_text(json.dumps({name: {**raw, **status.get(name, {})} for name, raw in self.attributes.items()}))


def draw(seed: int) -> Plan:
    """What the seed stands for."""
    chance = random.Random(f"plan {seed}")
    names = [PUSH] + [PULL] * (chance.random() < 0.3)
    limits = {name: _limits(name, chance) for name in names}
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
        limits=limits,
        attributes={name: _attributes(name, limits[name], chance) for name in names},
        sections=_sections(chance),
    )


def job(number: int, chance: random.Random) -> dict[str, JsonValue]:
    """A job of the push queue, as the server gives it."""
    job_id = 1000 + number
    names = [lfn for lfn, _ in outputs_of(job_id)]
    return {
        "PandaID": job_id,
        "site": PUSH,
        "inFiles": f"in.{job_id}.root" if chance.random() < 0.6 else "",
        "outFiles": ",".join(names),
        "logFile": names[-1],
        "currentPriority": chance.randint(1, 5),
    }


def _limits(name: str, chance: random.Random) -> Limits:
    total = chance.randint(2, 10) if name == PUSH else chance.randint(1, 3)
    return Limits(total, chance.randint(1, total))


def _attributes(name: str, limits: Limits, chance: random.Random) -> Mapping[str, JsonValue]:
    blocks: dict[str, JsonValue] = {
        role: {"module": "simulation_harness.plugins", "name": plugin} for role, plugin in _PLUGINS.items()
    }
    blocks["messenger"] = {
        "module": "simulation_harness.plugins",
        "name": "SimulatedMessenger",
        "worker_heartbeat": 150,
    }
    of_jobs: dict[str, JsonValue] = {"nQueueLimitJob": chance.randint(2, 15)} if name == PUSH else {}
    return {
        **blocks,
        **of_jobs,
        "mapType": "OneToOne" if name == PUSH else "NoJob",
        "maxWorkers": limits.total,
        "nQueueLimitWorker": limits.queued,
        "maxNewWorkersPerCycle": chance.choice((0, 1, 3)),
        "maxSubmissionAttempts": chance.choice((2, 5, 50)),
    }


def _sections(chance: random.Random) -> Mapping[str, Mapping[str, object]]:
    lease = chance.choice((30, 60, 600))
    often = {"sleepTime": _ALL_DAY, "lockInterval": lease}
    hours = chance.choice((0, 0, 1, 2))
    return {
        "commandmanager": {"sleepTime": 5400},
        "jobfetcher": {"sleepTime": _ALL_DAY, "lookupTime": 7200, "maxJobs": chance.choice((3, 10))},
        "preparator": {**often, "checkInterval": 300},
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
