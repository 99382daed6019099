"""Stale copies are updated; one set-up that fails is told of and hurts no other."""

from collections.abc import Sequence
from pathlib import Path

from structlog.testing import capture_logs

from harvester.agents.file_syncer import FileSyncing
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.setups import Setup
from harvester.plugins.api import (
    Current,
    Done,
    Failed,
    FileSyncer,
    Later,
    PluginContext,
    PluginSettings,
    Stale,
    Unknown,
)
from harvester.plugins.names import Role
from harvester.plugins.setup_pool import SetupPool
from moving_clock import NOW

updated: list[str] = []


class FakeSyncer(FileSyncer[PluginSettings]):
    """Keeps one copy of each kind."""

    def targets(self) -> Sequence[str]:
        return ["current", "stale", "unknown", "stuck"]

    def check(self, targets: Sequence[str]) -> Sequence[Current | Stale | Unknown]:
        states = {"current": Current(), "unknown": Unknown("no answer")}
        return [states.get(target, Stale("it is old")) for target in targets]

    def update(self, targets: Sequence[str]) -> Sequence[Done | Later | Failed]:
        updated.extend(targets)
        return [Later("the disk is full") if target == "stuck" else Done() for target in targets]


class BrokenSyncer(FakeSyncer):
    """Fails at once."""

    def targets(self) -> Sequence[str]:
        raise OSError("no such thing")


def test_stale_copies_are_updated_and_the_others_left_alone():
    setups = [
        Setup(name, "", "pluginConfigs", PluginBlock(module=__name__, name=name))
        for name in ("BrokenSyncer", "FakeSyncer", "NobodyKnows")
    ]
    pool: SetupPool[FakeSyncer] = SetupPool(
        Role.FILE_SYNCER, lambda setup: PluginContext("h", "", lambda: NOW, Path(), setup=setup.name), lambda: setups
    )
    updated.clear()
    with capture_logs() as lines:
        FileSyncing(pool).round()
    assert updated == ["stale", "stuck"]
    told = [(line["setup"], line.get("problem") or line["event"]) for line in lines if line["log_level"] != "info"]
    assert ("FakeSyncer", "unknown: no answer") in told
    assert ("FakeSyncer", "stuck: the disk is full") in told
    assert ("BrokenSyncer", "plugin failed") in told
    assert {setup for setup, _ in told} == {"FakeSyncer", "BrokenSyncer", "NobodyKnows"}
    assert [line["target"] for line in lines if line["log_level"] == "info"] == ["stale"]
