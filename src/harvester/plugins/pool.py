"""The plugins of every queue, built when first asked for and kept while the queue's block for them stays the same."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast

import structlog

from harvester.config.queues import PluginBlock, QueueConfig
from harvester.config.served_queues import ServedQueues
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.core.workers import Worker
from harvester.plugins.api import (
    Extractor,
    Messenger,
    Plugin,
    PluginContext,
    PluginSettings,
    Preparator,
    Resource,
    SlotFinder,
    Stager,
    Throttler,
    WorkerMaker,
    Zipper,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.needed_blocks import blocks_of, needed_at_once, slot_finder_block, zipper_block
from harvester.plugins.registry import Role, UnusablePluginError, build
from harvester.plugins.routing import RoutedMessenger, RoutedResource, Routes
from harvester.plugins.turns import Turns

log = structlog.get_logger(__name__)

_Key = tuple[str, Role, str]
"""Queue, role, and the fingerprint of the block."""

REBUILD: Final = 10.0
"""Seconds from one attempt to build what could not be built to the next."""
_PATIENCE: Final = 5.0
"""Seconds that the plugins of a queue, or one that somebody needs, may take to be built before others go on without."""
_MOMENT: Final = 1.0
"""Seconds that building usually takes at the most; nobody waits longer for what somebody else builds."""

_OF_WORKERS: Final = (Role.SUBMITTER, Role.MONITOR, Role.SWEEPER, Role.MESSENGER)
_OF_JOBS: Final = (Role.PREPARATOR, Role.AUX_PREPARATOR, Role.STAGER)
_ROUTED: Final = (*_OF_WORKERS, *_OF_JOBS)
"""Plugins that work may keep when the queue gets others: what they hold is known to nobody else."""


@dataclass(frozen=True, slots=True)
class _View:
    """One state of the queue configuration, looked at as the agents need it.

    Attributes:
        known: all queues by name.
        others: by queue and role, the blocks of versions that make other plugins than the present one.
    """

    state: ServedQueues
    known: Mapping[str, QueueConfig]
    others: Mapping[tuple[str, Role], Mapping[int, PluginBlock]]

    @classmethod
    def of(cls, state: ServedQueues, routed: Iterable[Role] = ()) -> "_View":
        others = {(queue, role): blocks for role in routed for queue, blocks in state.other_blocks(role.value).items()}
        return cls(state, state.known(), others)


class QueueUnknownError(HarvesterError):
    """Work belongs to a queue that the configuration no longer has."""


class PluginNotReadyError(UnusablePluginError):
    """A plugin is still being built; it may be there in a moment."""


@dataclass(frozen=True, slots=True)
class _Building:
    """A plugin that is being built since a moment, by somebody who may hang in it."""

    since: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)


class PluginPool:
    """Plugins by queue and role.

    What could not be built is built again by `rebuild` alone: those who need a plugin may hold a transaction open.

    Args:
        queues: all valid queues by name.
        make_context: the context of a queue's plugins.
        active: the queues that are served.
        keeps_versions: whether work stays with the plugins that it was begun with; otherwise it follows the present
            ones.
    """

    def __init__(
        self,
        queues: Mapping[str, QueueConfig],
        make_context: Callable[[str], PluginContext],
        active: frozenset[str] = frozenset(),
        *,
        keeps_versions: bool = True,
    ) -> None:
        self._make_context = make_context
        self._keeps_versions = keeps_versions
        self._view = _View.of(ServedQueues(queues, active))
        self._built: dict[_Key, Plugin[PluginSettings]] = {}
        self._begun: dict[_Key, _Building] = {}
        self._failed: dict[_Key, tuple[PluginBlock, str]] = {}
        """What could not be built, and why."""
        self._calls: dict[int | None, PluginCalls] = {}
        """For routed plugins, by version."""
        self._lock = threading.Lock()

    @property
    def queues(self) -> Mapping[str, QueueConfig]:
        """All valid queues by name, and those that were removed while they had work, as they were then."""
        return self._view.known

    @property
    def active(self) -> frozenset[str]:
        """The queues that get new jobs and new workers."""
        return self._view.state.active

    @property
    def served(self) -> Sequence[QueueConfig]:
        """The configurations of the active queues, all of one moment, since a reload may come at any time."""
        return self._view.state.served

    def version(self, queue: str) -> int | None:
        """The number of the configuration that new jobs and workers of a queue keep; None if nobody counts."""
        return self._view.state.versions.get(queue)

    def own_version(self, queue: str, version: int | None) -> int | None:
        """The version whose plugins a job needs if the present ones are others; None for the present ones."""
        others = self._view.others
        if not others or version is None:
            return None
        return version if any(version in others.get((queue, role), {}) for role in _OF_JOBS) else None

    def replace(self, served: ServedQueues) -> None:
        """Serve these queues from now on; plugins that nobody needs are forgotten."""
        view = _View.of(served, routed=_ROUTED if self._keeps_versions else ())
        configs = [*view.known.values(), *served.kept.values()]
        needed = {
            (queue.queue_name, role, block.fingerprint)
            for queue in configs
            for role, block in blocks_of(queue, tuple(Role))
        }
        self._view = view
        with self._lock:
            self._built = {key: plugin for key, plugin in self._built.items() if key in needed}
            self._failed = {key: failure for key, failure in self._failed.items() if key in needed}

    def queue(self, name: str) -> QueueConfig:
        """The configuration of a queue.

        Raises:
            QueueUnknownError: it is not configured (any more).
        """
        if config := self._view.known.get(name):
            return config
        raise QueueUnknownError(f"queue {name} is not in the queue configuration; put it back until its work has ended")

    def build_all(self, queues: Iterable[str]) -> list[str]:
        """Build the plugins of these queues, so that no agent waits for it with a transaction open.

        Returns:
            why some cannot be built; whoever needs one of those is told the same.
        """
        known = self._view.known
        return self.prepare(known[name] for name in queues if name in known)

    def prepare(self, queues: Iterable[QueueConfig]) -> list[str]:
        """Build the plugins of configurations that are to be used, as `build_all` does."""
        configs = {queue.queue_name: queue for queue in queues}
        turns = Turns[str, list[str]](lambda name: self._build_one(configs[name]), _PATIENCE)
        problems = [problem for some in turns.run(configs).values() for problem in some]
        return problems + [
            f"queue {name}: a plugin is not ready after {_PATIENCE:g} s; the queue is served once it is"
            for name in turns.late
        ]

    def rebuild(self) -> None:
        """Try again to build what could not be built."""
        with self._lock:
            failed = {key: block for key, (block, _) in self._failed.items()}
        Turns[_Key, None](lambda key: self._try_again(key, failed[key]), _PATIENCE).run(failed)

    def _try_again(self, key: _Key, block: PluginBlock) -> None:
        with self._lock:
            if key in self._begun:
                return
            self._begun[key] = _Building()
        with suppress(HarvesterError):
            self._build_begun(key, block)
            log.info("plugin can be used now", queue=key[0], block=key[1].value, plugin=block.label)

    def _build_one(self, queue: QueueConfig) -> list[str]:
        problems: list[str] = []
        for role, block in blocks_of(queue, needed_at_once(queue)):
            try:
                self._have((queue.queue_name, role, block.fingerprint), block)
            except HarvesterError as error:
                problems.append(str(error))
        return problems

    def submitter(self, queue: str) -> Resource[PluginSettings]:
        """The resource that takes the queue's workers."""
        return self._resource(queue, Role.SUBMITTER, self.queue(queue).submitter)

    def monitor(self, queue: str) -> Resource[PluginSettings]:
        """The resource that is asked about the queue's workers."""
        return self._resource(queue, Role.MONITOR, self.queue(queue).monitor)

    def sweeper(self, queue: str) -> Resource[PluginSettings]:
        """The resource that kills and cleans up after the queue's workers."""
        return self._resource(queue, Role.SWEEPER, self.queue(queue).sweeper)

    def messenger(self, queue: str) -> Messenger[PluginSettings]:
        """Talks to the queue's workers."""
        block = self.queue(queue).messenger
        routes: Routes[Messenger[PluginSettings]] | None = self._routes(queue, Role.MESSENGER, block)
        if routes:
            return RoutedMessenger(routes, self._make_context(queue))
        return cast("Messenger[PluginSettings]", self._get(queue, Role.MESSENGER, block))

    def messenger_of(self, worker: Worker) -> Messenger[PluginSettings]:
        """Talks to this worker: the messenger of the version that it was made with."""
        others = self._view.others.get((worker.queue, Role.MESSENGER), {})
        block = others.get(worker.config_version) if worker.config_version is not None else None
        chosen = block or self.queue(worker.queue).messenger
        return cast("Messenger[PluginSettings]", self._get(worker.queue, Role.MESSENGER, chosen))

    def worker_maker(self, queue: str) -> WorkerMaker[PluginSettings]:
        """Decides what the queue's workers look like."""
        return cast("WorkerMaker[PluginSettings]", self._get(queue, Role.WORKER_MAKER, self.queue(queue).worker_maker))

    def preparator(self, queue: str, version: int | None = None) -> Preparator[PluginSettings]:
        """Brings the input files of the queue's jobs, of the present version or another."""
        return cast("Preparator[PluginSettings]", self._of_version(queue, Role.PREPARATOR, version))

    def aux_preparator(self, queue: str, version: int | None = None) -> Preparator[PluginSettings]:
        """Brings auxiliary inputs of the queue's jobs, of the present version or another.

        Raises:
            UnusablePluginError: the queue has none.
        """
        return cast("Preparator[PluginSettings]", self._of_version(queue, Role.AUX_PREPARATOR, version))

    def extractor(self, queue: str) -> Extractor[PluginSettings]:
        """Finds auxiliary inputs in the queue's jobs.

        Raises:
            UnusablePluginError: the queue has none.
        """
        return cast("Extractor[PluginSettings]", self._of_version(queue, Role.EXTRACTOR, None))

    def throttler(self, queue: str) -> Throttler[PluginSettings]:
        """Says whether the queue may get new workers.

        Raises:
            UnusablePluginError: the queue has none.
        """
        return cast("Throttler[PluginSettings]", self._of_version(queue, Role.THROTTLER, None))

    def slot_finder(self, queue: str) -> SlotFinder[PluginSettings] | None:
        """Knows the free nodes; None if the queue names nobody who does."""
        block = slot_finder_block(self.queue(queue))
        return cast("SlotFinder[PluginSettings]", self._get(queue, Role.RESOURCE, block)) if block else None

    def stager(self, queue: str, version: int | None = None) -> Stager[PluginSettings]:
        """Takes the output files of the queue's jobs away, of the present version or another."""
        return cast("Stager[PluginSettings]", self._of_version(queue, Role.STAGER, version))

    def zipper(self, queue: str) -> Zipper[PluginSettings]:
        """Packs the queue's output files."""
        return cast("Zipper[PluginSettings]", self._get(queue, Role.ZIPPER, zipper_block(self.queue(queue))))

    def _resource(self, queue: str, role: Role, block: PluginBlock) -> Resource[PluginSettings]:
        routes: Routes[Resource[PluginSettings]] | None = self._routes(queue, role, block)
        if routes:
            return RoutedResource(routes, self._make_context(queue))
        return cast("Resource[PluginSettings]", self._get(queue, role, block))

    def _routes(self, queue: str, role: Role, block: PluginBlock) -> Routes[Any] | None:
        """The plugins of all versions; None if the present one serves them all."""
        others = self._view.others.get((queue, role))
        if not others:
            return None
        blocks: list[tuple[int | None, PluginBlock]] = [(None, block), *others.items()]
        plugins = {version: self._get_or_reason(queue, role, each) for version, each in blocks}
        routes: Routes[Any] = Routes(plugins, self._calls_of)
        return routes if routes.able else None

    def _calls_of(self, version: int | None) -> PluginCalls:
        made = PluginCalls()
        with self._lock:
            return self._calls.setdefault(version, made)

    def _get_or_reason(self, queue: str, role: Role, block: PluginBlock) -> Plugin[PluginSettings] | str:
        try:
            return self._get(queue, role, block)
        except UnusablePluginError as error:
            return str(error)

    def _of_version(self, queue: str, role: Role, version: int | None) -> Plugin[PluginSettings]:
        others = self._view.others.get((queue, role), {})
        block = None if version is None else others.get(version)
        return self._get(queue, role, block or self._block_of(queue, role))

    def _block_of(self, queue: str, role: Role) -> PluginBlock:
        if block := self.queue(queue).blocks.get(role):
            return block
        raise UnusablePluginError(f"queue {queue} has no block {role}; add one")

    def _get(self, queue: str, role: Role, block: PluginBlock) -> Plugin[PluginSettings]:
        """Who asks may hold a lock or a transaction, so that what hangs in being built is left behind."""
        key = (queue, role, block.fingerprint)
        with self._lock:
            known, is_begun = self._known(key), key in self._begun
        if known or is_begun:
            return known or self._have(key, block)
        turns = Turns[_Key, Plugin[PluginSettings]](lambda each: self._have(each, block), _PATIENCE)
        if plugin := turns.run([key]).get(key):
            return plugin
        raise _not_ready(key, block)

    def _have(self, key: _Key, block: PluginBlock) -> Plugin[PluginSettings]:
        """Build it, however long that takes, unless somebody else does or has done so."""
        with self._lock:
            if plugin := self._known(key):
                return plugin
            building = self._begun.get(key)
            if building is None:
                self._begun[key] = _Building()
        if building is None:
            return self._build_begun(key, block)
        building.ended.wait(max(building.since + _MOMENT - time.monotonic(), 0.0))
        with self._lock:
            if plugin := self._known(key):
                return plugin
        raise _not_ready(key, block)

    def _known(self, key: _Key) -> Plugin[PluginSettings] | None:
        """What came of building it; None if that is not known yet. The lock is held."""
        if failure := self._failed.get(key):
            raise UnusablePluginError(failure[1])
        return self._built.get(key)

    def _build_begun(self, key: _Key, block: PluginBlock) -> Plugin[PluginSettings]:
        try:
            built = self._build(key[0], key[1], block)
        except HarvesterError as error:
            with self._lock:
                self._failed[key] = block, str(error)
            raise
        else:
            with self._lock:
                self._built[key] = built
                self._failed.pop(key, None)
            return built
        finally:
            with self._lock:
                self._begun.pop(key).ended.set()

    def _build(self, queue: str, role: Role, block: PluginBlock) -> Plugin[PluginSettings]:
        try:
            return build(role, block, self._make_context(queue))
        except HarvesterError:
            raise
        except (Exception, SystemExit) as error:  # a plugin may raise anything; it must not hurt other queues
            told = f"{block.label} cannot be built: {type(error).__name__}: {error}"
            raise UnusablePluginError(f"queue {queue}, block {role}: {masked(told)}") from error


def _not_ready(key: _Key, block: PluginBlock) -> PluginNotReadyError:
    return PluginNotReadyError(f"queue {key[0]}, block {key[1]}: {block.label} is still being built")
