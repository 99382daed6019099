"""Keeps local copies of remote files current: one look at all copies of this host (core reference §3.11)."""

from typing import Final

import structlog

from harvester.config.setups import Fingerprint, Setup
from harvester.plugins.api import Done, FileSyncer, Later, PluginSettings, Stale, Unknown
from harvester.plugins.calling import PluginCalls
from harvester.plugins.setup_pool import SetupPool
from harvester.plugins.turns import Late, Turns

log = structlog.get_logger(__name__)

Syncer = FileSyncer[PluginSettings]

_PATIENCE: Final = 600.0
"""Seconds that one set-up may take before the others are looked at without waiting for it."""


class FileSyncing:
    """Looks at the copies of all set-ups and updates the stale ones.

    Args:
        pool: the syncers.
    """

    name: Final = "file syncer"

    def __init__(self, pool: SetupPool[Syncer]) -> None:
        self._pool = pool
        self._call = PluginCalls()
        self._late: Late[Fingerprint] = {}
        """Set-ups that hang since an earlier look: called again in each, they would fill the process with threads."""

    def round(self) -> None:
        """One look; a set-up that fails is told of and tried again with the next one."""
        built = {setup.fingerprint: (setup, plugin) for setup, plugin in self._pool.plugins()}
        turns = Turns[Fingerprint, None](lambda which: self._look_after(*built[which]), _PATIENCE, self._late)
        turns.run(built)
        self._late = turns.late
        for which in built.keys() & self._late.keys():
            self._complain(built[which][0], f"it does not come back within {_PATIENCE:g} s")

    def _look_after(self, setup: Setup, plugin: Syncer | str) -> None:
        if isinstance(plugin, str):
            self._complain(setup, plugin)
            return
        try:
            targets = plugin.targets()
        except (Exception, SystemExit):  # a plugin may raise anything; the other set-ups must not suffer
            log.exception("plugin failed", agent=self.name, setup=setup.name, plugin=setup.block.label)
            return
        states = dict(zip(targets, self._call(plugin.check, targets, Unknown), strict=True))
        stale = [target for target, state in states.items() if isinstance(state, Stale)]
        outcomes = zip(stale, self._call(plugin.update, stale, Later), strict=True)
        problems = {target: state.reason for target, state in states.items() if isinstance(state, Unknown)}
        for target, outcome in outcomes:
            if isinstance(outcome, Done):
                log.info("files updated", agent=self.name, setup=setup.name, target=target)
            else:
                problems[target] = outcome.reason
        for target, problem in problems.items():
            self._complain(setup, f"{target}: {problem}")

    def _complain(self, setup: Setup, problem: str) -> None:
        log.warning("files are not kept current", agent=self.name, setup=setup.name, problem=problem)
