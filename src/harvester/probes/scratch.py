"""A small instance of its own for one worker that is tried out: the agents of the service, on another database.

It is called `<harvester_id>.test`, so its markers are those of no worker of the service: nobody there adopts, counts,
reports or kills what it submits, and it does nothing to theirs. Its intents are stored before the resource is asked, as
ever; what is left of a test that was killed is ended and cleaned up by the next one.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from harvester.agents.base import Agent, Instance
from harvester.agents.config_versions import ConfigVersions
from harvester.agents.facts import Facts
from harvester.agents.housekeeper import PERIOD, Housekeeper
from harvester.agents.killer import Killer
from harvester.agents.monitor import Monitor
from harvester.agents.reconciler import Reconciler
from harvester.agents.runner import AgentRunner
from harvester.agents.submitter import Submitter
from harvester.agents.sweeper import Sweeper
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import LoadedQueues, QueueConfig
from harvester.config.service import Settings
from harvester.core.clock import SteadyClock
from harvester.core.held import Held
from harvester.core.jobs import Kill
from harvester.probes.beside import instance_beside
from harvester.probes.scratch_workers import SUFFIX, beyond_all_others
from harvester.probes.verdicts import ProbeError
from harvester.service import open_database
from harvester.store import queues, worker_choice, worker_claims, worker_ids, workers
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import ClaimTicket
from harvester.store.worker_choice import WorkerChoice

_GLANCE: Final = 0.1
_DRAIN: Final = 5.0
_LEASE: Final = timedelta(minutes=1)
_AGENTS: Final[Sequence[type[Agent[Any, Any]]]] = (Submitter, Reconciler, Monitor, Killer, Sweeper)
_SOON: Final[Mapping[str, Mapping[str, object]]] = {
    "submitter": {"sleep_time": 1.0, "n_threads": 1},
    "monitor": {"sleep_time": 1.0, "n_threads": 1, "check_interval": 5.0},
    "sweeper": {
        "sleep_time": 1.0, "n_threads": 1, "check_interval": 10.0,
        "keep_finished": 0.0, "keep_failed": 0.0, "keep_cancelled": 0.0, "keep_missed": 0.0,
    },
}  # fmt: skip
"""Nobody wants to wait for a test, nor to keep what is left of it."""


@dataclass(frozen=True, slots=True)
class ScratchInstance:
    """The agents at work.

    Attributes:
        instance: what they share.
        version: number of the configuration that is tried out.
    """

    instance: Instance
    version: int
    housekeeper: Housekeeper

    @property
    def db(self) -> Database:
        """Its own database."""
        return self.instance.db

    def find(self, worker_id: int) -> Held | None:
        """The worker as it is now; None once everything of it is cleaned up."""
        with self.db.read() as connection:
            found = workers.find(connection, [worker_id])
        return found[0] if found else None

    def left_over(self) -> list[int]:
        """Workers of earlier tests that are not cleaned up yet."""
        with self.db.read() as connection:
            return [each.worker_id for each in worker_choice.listed(connection, WorkerChoice(), 10_000)]

    def kill(self, worker_ids: Sequence[int], reason: str) -> None:
        """Have these workers killed."""
        with self.db.write() as connection:
            workers.request_kill(connection, dict.fromkeys(worker_ids, Kill(reason)), self.instance.clock(), "test")
        self.instance.wake("killer")

    def until(self, is_over: Callable[[], bool], seconds: float, *, clean: bool = False) -> bool:
        """Wait; False if it is not over in time.

        Args:
            is_over: asked again and again.
            seconds: the longest time to wait.
            clean: whether workers that have ended may be cleaned up, with all that is known of them.
        """
        end = time.monotonic() + seconds
        while not is_over():
            if time.monotonic() > end:
                return False
            if clean:
                self._let_go_of_reports()
            time.sleep(_GLANCE)
        return True

    def _let_go_of_reports(self) -> None:
        """No server is to hear of these workers, so they need not wait for that."""
        now = self.instance.clock()
        fence = self.housekeeper.owner().next_fence()
        with self.db.write() as connection:
            found = worker_claims.claim_to_report(connection, ClaimTicket(fence, now + _LEASE, now + 2 * _LEASE))
            rows = [{"worker_id": each.worker_id, "report_due": None} for each in found]
            workers.settle_reports(connection, rows, fence)
        if found:
            self.instance.wake("sweeper")


@contextmanager
def scratch_instance(
    settings: Settings, merged: MergedQueue, queue: QueueConfig, facts: Facts | None = None
) -> Iterator[ScratchInstance]:
    """The agents, at work until the end of the block; one at a time on a host.

    Args:
        settings: of the instance.
        merged: where the queue's configuration comes from.
        queue: the configuration that is tried out.
        facts: what is known of the world.

    Raises:
        ProbeError: another test is at work.
        StoreUnavailableError: the database of tests cannot be used.
    """
    directory = scratch_directory(settings)
    own = _own_settings(settings, directory)
    with _alone(directory / "lock"):
        clock = SteadyClock()
        db = open_database(own)
        try:
            plain = instance_beside(own, db, {queue.queue_name: queue}, clock)
            instance = replace(plain, facts=facts) if facts else plain
            housekeeper = Housekeeper(db, clock, instance.host)
            housekeeper.register()
            version = _serve(instance, merged, queue)
            runners = [AgentRunner(agent(instance), db, housekeeper.owner, housekeeper.is_alive) for agent in _AGENTS]
            scratch = ScratchInstance(instance, version, housekeeper)
            if left := scratch.left_over():
                scratch.kill(left, "its test was interrupted")
            with _at_work(runners, housekeeper):
                yield scratch
            instance.panda.close()
        finally:
            db.close()


def scratch_directory(settings: Settings) -> Path:
    """Where tests keep what they need."""
    directory = Path(settings.master.work_dir) / "test"
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    return directory


def _own_settings(settings: Settings, directory: Path) -> Settings:
    """Its own name and database, and no time to lose."""
    master = settings.master.model_copy(update={"harvester_id": f"{settings.master.harvester_id}{SUFFIX}"})
    db = settings.db.model_copy(update={"engine": "sqlite", "database_filename": str(directory / "harvester.db")})
    quick = {name: getattr(settings, name).model_copy(update=keys) for name, keys in _SOON.items()}
    return settings.model_copy(update={"master": master, "db": db, **quick})


def _serve(instance: Instance, merged: MergedQueue, queue: QueueConfig) -> int:
    """The queue as it is tried out, and those of earlier tests as they were."""
    master, name = instance.settings.master, queue.queue_name
    loaded = LoadedQueues({name: queue}, frozenset({name}), (), merged={name: merged})
    versions = ConfigVersions(instance.db, instance.clock, Path(master.work_dir), master.extra_plugin_configs)
    numbers = versions.register(loaded)
    versions.follow(loaded)
    instance.plugins.replace(versions.served(loaded, numbers))
    with instance.db.write() as connection:
        queues.activate(connection, list(instance.plugins.queues), instance.clock())
        if not worker_ids.have_begun(connection):
            worker_ids.go_on_after(connection, beyond_all_others())
    return numbers[name]


@contextmanager
def _at_work(runners: Sequence[AgentRunner[Any, Any]], housekeeper: Housekeeper) -> Iterator[None]:
    over = threading.Event()

    def keep_house() -> None:
        while not over.wait(PERIOD):
            with suppress(StoreUnavailableError):
                housekeeper.round(runners)

    keeper = threading.Thread(target=keep_house, name="housekeeper", daemon=True)
    keeper.start()
    for runner in runners:
        runner.start()
    try:
        yield
    finally:
        for runner in runners:
            runner.stop()
        for runner in runners:
            runner.drain(_DRAIN)
        over.set()
        keeper.join(_DRAIN)
        with suppress(StoreUnavailableError):
            housekeeper.resign()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ProbeError(f"another test of this instance is at work on this host ({path}); wait for it") from None
    finally:
        os.close(descriptor)
