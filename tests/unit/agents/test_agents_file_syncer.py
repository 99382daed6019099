"""Stale copies are updated; one set-up that fails is told of and hurts no other."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
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


class HangingSyncer(FakeSyncer):
    """Looks at a disk that does not answer."""

    gate = threading.Event()
    calls = 0

    def targets(self) -> Sequence[str]:
        HangingSyncer.calls += 1
        assert self.gate.wait(30)
        return super().targets()


def pool_of(*names: str) -> SetupPool[FakeSyncer]:
    setups = [Setup(name, "", "pluginConfigs", PluginBlock(module=__name__, name=name)) for name in names]
    return SetupPool(
        Role.FILE_SYNCER, lambda setup: PluginContext("h", "", lambda: NOW, Path(), setup=setup.name), lambda: setups
    )


def test_a_syncer_that_hangs_is_told_of_and_not_called_again_before_it_has_come_back(monkeypatch: pytest.MonkeyPatch):
    syncing = FileSyncing(pool_of("HangingSyncer"))
    updated.clear()
    with monkeypatch.context() as impatient, capture_logs() as lines:
        impatient.setattr("harvester.agents.file_syncer._PATIENCE", 0.05)
        syncing.round()
        syncing.round()
    assert [line["problem"] for line in lines] == ["it does not come back within 0.05 s"] * 2
    assert HangingSyncer.calls == 1
    HangingSyncer.gate.set()
    for each in threading.enumerate():
        if each.name == "turns":
            each.join(30)
    updated.clear()
    syncing.round()
    assert (HangingSyncer.calls, updated) == (2, ["stale", "stuck"])


def test_stale_copies_are_updated_and_the_others_left_alone():
    updated.clear()
    with capture_logs() as lines:
        FileSyncing(pool_of("BrokenSyncer", "FakeSyncer", "NobodyKnows")).round()
    assert updated == ["stale", "stuck"]
    told = [(line["setup"], line.get("problem") or line["event"]) for line in lines if line["log_level"] != "info"]
    assert ("FakeSyncer", "unknown: no answer") in told
    assert ("FakeSyncer", "stuck: the disk is full") in told
    assert ("BrokenSyncer", "plugin failed") in told
    assert {setup for setup, _ in told} == {"FakeSyncer", "BrokenSyncer", "NobodyKnows"}
    assert [line["target"] for line in lines if line["log_level"] == "info"] == ["stale"]
