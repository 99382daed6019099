"""The plugins of every queue, built when first asked for and kept while the queue's configuration stays the same."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from harvester.config.queues import PluginBlock, QueueConfig
from harvester.core.errors import HarvesterError
from harvester.plugins.api import (
    Messenger,
    Plugin,
    PluginContext,
    PluginSettings,
    Preparator,
    Resource,
    Stager,
    WorkerMaker,
)
from harvester.plugins.registry import Role, UnusablePluginError, build
from harvester.plugins.turns import Turns

_PATIENCE: Final = 5.0
"""Seconds that the plugins of a queue may take to be built before the others are served without it."""


class QueueUnknownError(HarvesterError):
    """Work belongs to a queue that the configuration no longer has."""


class PluginPool:
    """Plugins by queue and role.

    Args:
        queues: all valid queues by name.
        make_context: the context of a queue's plugins.
    """

    def __init__(self, queues: Mapping[str, QueueConfig], make_context: Callable[[str], PluginContext]) -> None:
        self._queues = queues
        self._make_context = make_context
        self._built: dict[tuple[str, Role], Plugin[PluginSettings]] = {}
        self._begun: set[tuple[str, Role]] = set()
        """What is being built now, by somebody who may hang in it; nobody else waits for that."""
        self._lock = threading.Lock()

    @property
    def queues(self) -> Mapping[str, QueueConfig]:
        """All valid queues by name."""
        return self._queues

    def queue(self, name: str) -> QueueConfig:
        """The configuration of a queue.

        Raises:
            QueueUnknownError: it is not configured (any more).
        """
        if config := self._queues.get(name):
            return config
        raise QueueUnknownError(f"queue {name} is not in the queue configuration; put it back until its work has ended")

    def build_all(self, queues: Iterable[str]) -> list[str]:
        """Build the plugins of these queues, so that no agent waits for it with a transaction open.

        Returns:
            why some cannot be built; whoever needs one of those tries again and is told the same.
        """
        turns = Turns(self._build_one, _PATIENCE)
        problems = [problem for some in turns.run(queues).values() for problem in some]
        return problems + [
            f"queue {name}: a plugin is not ready after {_PATIENCE:g} s; the queue is served once it is"
            for name in turns.late
        ]

    def _build_one(self, queue: str) -> list[str]:
        problems: list[str] = []
        for get in (
            self.submitter,
            self.monitor,
            self.sweeper,
            self.messenger,
            self.worker_maker,
            self.preparator,
            self.stager,
        ):
            try:
                get(queue)
            except HarvesterError as error:
                problems.append(str(error))
        return problems

    def submitter(self, queue: str) -> Resource[PluginSettings]:
        """The resource that takes the queue's workers."""
        return cast("Resource[PluginSettings]", self._get(queue, Role.SUBMITTER, self.queue(queue).submitter))

    def monitor(self, queue: str) -> Resource[PluginSettings]:
        """The resource that is asked about the queue's workers."""
        return cast("Resource[PluginSettings]", self._get(queue, Role.MONITOR, self.queue(queue).monitor))

    def sweeper(self, queue: str) -> Resource[PluginSettings]:
        """The resource that kills and cleans up after the queue's workers."""
        return cast("Resource[PluginSettings]", self._get(queue, Role.SWEEPER, self.queue(queue).sweeper))

    def messenger(self, queue: str) -> Messenger[PluginSettings]:
        """Talks to the queue's workers."""
        return cast("Messenger[PluginSettings]", self._get(queue, Role.MESSENGER, self.queue(queue).messenger))

    def worker_maker(self, queue: str) -> WorkerMaker[PluginSettings]:
        """Decides what the queue's workers look like."""
        return cast("WorkerMaker[PluginSettings]", self._get(queue, Role.WORKER_MAKER, self.queue(queue).worker_maker))

    def preparator(self, queue: str) -> Preparator[PluginSettings]:
        """Brings the queue's input files."""
        return cast("Preparator[PluginSettings]", self._get(queue, Role.PREPARATOR, self.queue(queue).preparator))

    def stager(self, queue: str) -> Stager[PluginSettings]:
        """Takes the queue's output files away."""
        return cast("Stager[PluginSettings]", self._get(queue, Role.STAGER, self.queue(queue).stager))

    def _get(self, queue: str, role: Role, block: PluginBlock) -> Plugin[PluginSettings]:
        key = (queue, role)
        with self._lock:
            if plugin := self._built.get(key):
                return plugin
            if key in self._begun:
                raise UnusablePluginError(f"queue {queue}, block {role}: {block.label} is still being built")
            self._begun.add(key)
        try:
            built = self._build(queue, role, block)
            with self._lock:
                self._built[key] = built
            return built
        finally:
            with self._lock:
                self._begun.discard(key)

    def _build(self, queue: str, role: Role, block: PluginBlock) -> Plugin[PluginSettings]:
        try:
            return build(role, block, self._make_context(queue))
        except HarvesterError:
            raise
        except Exception as error:  # a plugin may raise anything; it must not hurt other queues
            raise UnusablePluginError(
                f"queue {queue}, block {role}: {block.label} cannot be built: {type(error).__name__}: {error}"
            ) from error
