"""The disk is full for a while: Harvester says where, waits, and goes on when there is room again."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

JOBS = 12


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filling = place / "filling"

    def fill(self) -> None:
        """Leave no room."""
        with self._filling.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                return

    def empty(self) -> None:
        """Give the room back."""
        self._filling.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a small file system can be mounted by root only")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(place)
    subprocess.run(["umount", "--lazy", place], check=True)


def test_of_the_database(disk: SmallDisk, site: Site):
    site.configure({QUEUE: local_push(site)}, {"db": {"database_filename": disk.place / "harvester.db"}})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)
    disk.fill()
    site.until_logged(str(disk.place), "full")
    site.survive(2)
    all_finish_with_room(site, disk)


def test_of_the_access_points(disk: SmallDisk, site: Site):
    """Pilots that run when their disk fills up may well fail, so it is full before the first one."""
    messenger: Row = {"plugin": "shared_file", "accessPoint": f"{disk.place}/${{workerID}}"}
    site.configure({QUEUE: local_push(site, messenger=messenger, maxSubmissionAttempts=1000)})
    site.server.control.add_jobs(some_jobs(JOBS))
    disk.fill()
    site.start()
    site.until_logged(QUEUE, str(disk.place), "No space left")
    all_finish_with_room(site, disk)


def test_of_the_resources_own_book(disk: SmallDisk, site: Site):
    """What the resource cannot write down it does not take."""
    move_to(disk, site, "resource")
    site.configure({QUEUE: local_push(site, maxSubmissionAttempts=1000)})
    site.server.control.add_jobs(some_jobs(JOBS))
    disk.fill()
    site.start()
    site.until_logged(QUEUE, "full")
    all_finish_with_room(site, disk)


def test_of_the_logs(disk: SmallDisk, site: Site):
    """Lines are lost, nothing else, and there are lines again when there is room."""
    logs = disk.place / "logs"
    logs.mkdir()
    (site.directory / "panda_common.cfg").write_text(f"[logger]\nlogdir = {logs}\n")
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    disk.fill()
    site.start()
    site.until_logged("log lines are lost", str(logs))
    site.until_jobs_end()
    site.until_workers_end()
    disk.empty()
    assert site.terminate() == 0
    assert any("stopped" in each.read_text() for each in logs.iterdir())
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


@pytest.mark.parametrize("with_logs", [False, True])
def test_of_standard_error(disk: SmallDisk, site: Site, *, with_logs: bool):
    """Whoever cannot even complain works on."""
    (site.directory / "harvester.log").symlink_to(disk.place / "harvester.log")
    if with_logs:
        (site.directory / "panda_common.cfg").write_text(f"[logger]\nlogdir = {disk.place}\n")
    site.configure({QUEUE: local_push(site)})
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)
    disk.fill()
    site.until_jobs_end()
    site.until_workers_end()
    disk.empty()
    assert site.terminate() == 0
    assert any("stopped" in each.read_text() for each in disk.place.glob("*.log"))
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def move_to(disk: SmallDisk, site: Site, name: str) -> None:
    """A directory of the site is on the small disk."""
    (disk.place / name).mkdir()
    (site.directory / name).symlink_to(disk.place / name)


def all_finish_with_room(site: Site, disk: SmallDisk) -> None:
    disk.empty()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)
