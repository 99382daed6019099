"""Directories are kept below a size."""

import os
from pathlib import Path

import pytest
from moving import Traffic, an_input
from structlog.testing import capture_logs
from world import World

from harvester.agents.disk_cleaner import DiskCleaner
from harvester.agents.settling import cancel_jobs
from harvester.config.watermarks import Watermark
from harvester.plugins.api import PluginContext
from harvester.upkeep import Upkeep


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Three files of ten bytes each, the oldest first."""
    directory = tmp_path / "store"
    for age, name in enumerate(("s/new", "s/deep/middle", "old")):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("0123456789")
        os.utime(path, (1000 - age, 1000 - age))
    return directory


def left_after(world: World, store: Path, most: int) -> set[str]:
    DiskCleaner(world.db, [Watermark(store.parent / "missing", 0), Watermark(store, most)]).round()
    return {path.name for path in store.rglob("*") if path.is_symlink() or not path.is_dir()}


@pytest.mark.parametrize(
    ("most", "left"),
    [
        (30, {"old", "middle", "new"}),
        (29, {"middle", "new"}),
        (20, {"middle", "new"}),
        (10, {"new"}),
        (0, set()),
    ],
)
@pytest.mark.shows("sweeper.diskHighWatermark")
def test_the_oldest_files_go_first(world: World, store: Path, most: int, left: set[str]):
    assert left_after(world, store, most) == left


@pytest.mark.shows("sweeper.diskCleanUpInterval")
def test_each_host_looks_at_its_directories_once_per_interval(world: World, store: Path):
    sweeper = {"diskCleanUpInterval": 2, "diskHighWatermark": f"{store}|1"}
    world.configure(sweeper=sweeper)
    upkeep = Upkeep(
        world.settings,
        world.db,
        world.clock,
        "host",
        plugins=world.pool,
        make_context=lambda queue: PluginContext("test", queue, world.clock, store),
    )
    duties = {each.name: each for each in upkeep.duties(world.instance, lambda: world.owner)}
    assert duties[DiskCleaner.name].period == 7200


def test_inputs_stay_as_long_as_a_job_needs_them(world: World, store: Path):
    Traffic(world).fetch(1, an_input(1, "old"))
    assert left_after(world, store, 10) == {"old"}
    with world.db.write() as connection:
        cancel_jobs(connection, [1], world.clock(), "test")
    assert left_after(world, store, 0) == set()


def test_links_are_neither_followed_nor_removed(world: World, store: Path, tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("0" * 100)
    os.utime(outside / "precious", (1, 1))
    (store / "way").symlink_to(outside)
    (store / "file").symlink_to(outside / "precious")
    assert left_after(world, store, 0) == {"file", "way"}
    assert (outside / "precious").exists()


def test_a_directory_that_becomes_a_link_leads_nowhere(
    world: World, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/middle").write_text("0123456789")
    remove = DiskCleaner._remove_oldest

    def swap(*arguments: object) -> object:
        (store / "s").rename(tmp_path / "moved")
        (store / "s").symlink_to(outside)
        return remove(*arguments)

    monkeypatch.setattr(DiskCleaner, "_remove_oldest", swap)
    left_after(world, store, 0)
    assert (outside / "deep/middle").exists()


def test_a_directory_that_nobody_has_made_yet_is_small_enough(world: World, tmp_path: Path):
    with capture_logs() as lines:
        DiskCleaner(world.db, [Watermark(tmp_path / "missing", 0)]).round()
    assert [line["log_level"] for line in lines] == ["info"]


def test_what_is_no_directory_is_a_warning(world: World, tmp_path: Path):
    (tmp_path / "file").touch()
    with capture_logs() as lines:
        DiskCleaner(world.db, [Watermark(tmp_path / "file", 0)]).round()
    assert [line["log_level"] for line in lines] == ["warning"]
