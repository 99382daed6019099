"""Who knows the free nodes: what `showbf` and `sinfo` print, and what it means."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins.api import FreeSlot, SlotFinder, Unknown
from harvester.plugins.registry import Role, build
from harvester.plugins.testing import context_in

TITAN = {"module": "pandaharvester.harvestermisc.titan_utils", "name": "TitanUtils"}
SHOWBF = """Partition     Tasks  Nodes      Duration   StartOffset       StartDate
---------     -----  -----  ------------  ------------  --------------
titan         12608    788       1:11:57      00:00:00  16:28:03_02/15
titan          5008    313    1:06:00:00      00:00:00  16:28:03_02/15
titan          1600    100      INFINITY      00:00:00  16:28:03_02/15
titan            16      1       00:02:00      00:00:00  16:28:03_02/15
eos            1600    100       4:00:00      00:00:00  16:28:03_02/15
titan       garbage
"""
Find = Callable[..., Sequence[FreeSlot] | Unknown]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    """What a finder makes of what its command prints: `find(block, text, partition="titan")`."""

    def found(named: dict[str, str], text: str, *, code: int = 0, **block: JsonValue) -> Sequence[FreeSlot] | Unknown:
        command = tmp_path / "command"
        calls = tmp_path / "calls"
        command.write_text(f'#!/bin/sh\necho "$@" >{calls}\nprintf %s {shlex.quote(text)}\nexit {code}\n')
        command.chmod(0o755)
        settings: dict[str, JsonValue] = {"showbf": str(command), "sinfo": str(command), **block}
        finder = build(Role.RESOURCE, PluginBlock(settings=settings, **named), context_in(tmp_path))
        assert isinstance(finder, SlotFinder)
        return finder.free_slots()

    return found


def test_all_gaps_as_they_are(find: Find, tmp_path: Path):
    day, year = 24 * 3600, 365 * 24 * 3600
    assert find({"plugin": "showbf"}, SHOWBF, partition="titan") == [
        FreeSlot(788, 4317), FreeSlot(313, day + 6 * 3600), FreeSlot(100, year), FreeSlot(1, 120)
    ]  # fmt: skip
    assert (tmp_path / "calls").read_text() == "--blocking -p titan\n"


def test_what_the_rules_of_titan_allow(find: Find):
    block: dict[str, JsonValue] = {"partition": "titan", "minWalltime": 600, "minNodes": 2, "maxNodes": 350}
    assert find(TITAN, SHOWBF, **block) == [
        FreeSlot(350, 4317 - 120),
        FreeSlot(313, 12 * 3600 - 120),
        FreeSlot(100, 2 * 3600 - 120),
    ]


def test_a_gap_without_time_for_a_batch_job_is_left_alone(find: Find):
    assert find(TITAN, SHOWBF, partition="titan", maxNodes=1) == [FreeSlot(1, 4317 - 120), *[FreeSlot(1, 7080)] * 2]


def test_idle_nodes_of_a_slurm_cluster(find: Find, tmp_path: Path):
    slots = find({"plugin": "slurm"}, "12|1-02:00:00\n3|30:00\n1|infinite\nCLUSTER: x\n", partition="main")
    assert slots == [FreeSlot(12, 24 * 3600), FreeSlot(3, 1800), FreeSlot(1, 24 * 3600)]
    assert (tmp_path / "calls").read_text() == "--partition=main --noheader --states=idle --format=%D|%l\n"


def test_idle_nodes_within_the_limits_of_the_block(find: Find):
    limits = {"minNodes": 3, "maxNodes": 8, "maxWalltime": 3600}
    assert find({"plugin": "slurm"}, "12|1-02:00:00\n3|30:00\n1|infinite\n", **limits) == [
        FreeSlot(8, 3600),
        FreeSlot(3, 1800),
    ]


@pytest.mark.parametrize("named", [{"plugin": "showbf"}, TITAN, {"plugin": "slurm"}])
def test_a_command_that_fails_says_nothing_of_nodes(find: Find, named: dict[str, str]):
    failed = find(named, "no such partition", code=1)
    assert isinstance(failed, Unknown)
    assert "exit code 1: no such partition" in failed.reason


@pytest.mark.parametrize("named", [{"plugin": "showbf"}, TITAN, {"plugin": "slurm"}])
def test_a_missing_command_says_nothing_of_nodes(find: Find, named: dict[str, str]):
    missing = find(named, "", showbf="/nowhere/showbf", sinfo="/nowhere/sinfo")
    assert isinstance(missing, Unknown)
    assert "/nowhere/s" in missing.reason
