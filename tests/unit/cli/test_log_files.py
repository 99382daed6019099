"""Log files that several processes write at the same time."""

import fcntl
import json
import logging
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest
import structlog

from harvester.config.instance_sections import LoggerSettings, Master, Pandacon
from harvester.config.service import Settings
from harvester.logs import set_up_logs

LINES = 6_000
PROCESSES = 3
FILL = "x" * 200


def settings(place: Path, **logger: object) -> Settings:
    return Settings.model_validate(
        {
            "master": Master(harvester_id="unit"),
            "pandacon": Pandacon(server_api_url_ssl="http://127.0.0.1:9/api/v1"),
            "logger": LoggerSettings.model_validate({"logdir": str(place), **logger}),
        }
    )


def write(place: Path, writer: int, logger: dict[str, object]) -> None:
    set_up_logs(settings(place, **logger))
    log = structlog.get_logger("harvester.service")
    for number in range(LINES):
        log.info("line", writer=writer, number=number, text=FILL)


def all_files(place: Path) -> list[Path]:
    return sorted(place.glob("panda-master.log*"))


def run(place: Path, **logger: object) -> list[tuple[int, int]]:
    """What three processes have written, in any order."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write, args=(place, each, logger)) for each in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    lines = [line for path in all_files(place) for line in path.read_text().splitlines()]
    return [(int(said["writer"]), int(said["number"])) for said in map(fields, lines)]


def fields(line: str) -> dict[str, str]:
    assert line.endswith(FILL), "a line is whole"
    return dict(word.split("=") for word in line.split(" line ")[1].split())


EVERYTHING = [(writer, number) for writer in range(PROCESSES) for number in range(LINES)]


def test_no_line_is_lost_doubled_or_cut_when_three_processes_rotate_by_size(tmp_path: Path):
    told = run(tmp_path, rotating_policy="size", rotating_max_size=1, rotating_backup_count=50)
    assert sorted(told) == EVERYTHING
    sizes = [path.stat().st_size for path in all_files(tmp_path)]
    assert len(sizes) > 3
    assert max(sizes) < 2 * 1024 * 1024, "the others go on writing while one puts the file away"


def test_no_line_is_lost_when_three_processes_rotate_by_time(tmp_path: Path):
    told = run(tmp_path, rotating_policy="time", rotating_interval=1 / 3600, rotating_backup_count=500)
    assert sorted(told) == EVERYTHING


@pytest.mark.usefixtures("no_handlers")
def test_a_file_that_others_have_moved_is_begun_anew(tmp_path: Path):
    set_up_logs(settings(tmp_path, rotating_policy="none"))
    log = structlog.get_logger("harvester.service")
    log.info("before")
    (tmp_path / "panda-master.log").rename(tmp_path / "moved")
    log.info("after")
    assert "before" in (tmp_path / "moved").read_text()
    assert "after" in (tmp_path / "panda-master.log").read_text()


@pytest.mark.usefixtures("no_handlers")
def test_every_process_sees_by_itself_that_a_new_day_has_begun(tmp_path: Path):
    set_up_logs(settings(tmp_path, rotating_policy="time", rotating_backup_count=1))
    log = structlog.get_logger("harvester.service")
    log.info("first")
    path = tmp_path / "panda-master.log"
    yesterday = time.time() - 86_401
    os.utime(path, (yesterday, yesterday))
    log.info("still the same file, which this process has begun today")
    assert "first" in path.read_text()
    assert all_files(tmp_path) == [path]


@pytest.mark.usefixtures("no_handlers")
def test_nobody_waits_for_a_process_that_was_stopped_while_it_put_a_file_away(tmp_path: Path):
    set_up_logs(settings(tmp_path, rotating_policy="size", rotating_max_size=1, rotating_backup_count=1))
    log = structlog.get_logger("harvester.service")
    log.info("x" * 600_000)
    other = threading.Thread(target=log.info, args=("x" * 600_000,))
    its_lock = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(its_lock, fcntl.LOCK_EX)
        other.start()
        other.join(10)
        assert not other.is_alive()
    finally:
        os.close(its_lock)
    assert [path.stat().st_size > 1_200_000 for path in all_files(tmp_path)] == [True]
    log.info("next")
    old, new = sorted(all_files(tmp_path), key=lambda path: path.stat().st_size, reverse=True)
    assert (old.name, "next" in new.read_text()) == ("panda-master.log.1", True)


@pytest.mark.usefixtures("no_handlers")
def test_nothing_is_thrown_away_if_no_old_file_is_to_be_kept(tmp_path: Path):
    set_up_logs(settings(tmp_path, rotating_policy="size", rotating_max_size=1, rotating_backup_count=0))
    log = structlog.get_logger("harvester.service")
    for _ in range(3):
        log.info("x" * 600_000)
    assert [path.stat().st_size > 1_800_000 for path in all_files(tmp_path)] == [True]


@pytest.mark.usefixtures("no_handlers")
def test_files_can_be_read_by_whom_the_umask_allows(tmp_path: Path):
    before = os.umask(0o027)
    try:
        set_up_logs(settings(tmp_path))
        structlog.get_logger("harvester.service").info("said")
    finally:
        os.umask(before)
    assert (tmp_path / "panda-master.log").stat().st_mode & 0o777 == 0o640


@pytest.mark.shows("logger.line_format")
@pytest.mark.usefixtures("no_handlers")
def test_lines_may_be_json(tmp_path: Path):
    set_up_logs(settings(tmp_path, line_format="json"))
    structlog.get_logger("harvester.agents.runner").warning("work failed", agent="monitor", queue="Q", worker=17, job=4)
    try:
        int("x")
    except ValueError:
        structlog.get_logger("harvester.agents.monitor").exception("failed")
    logging.getLogger("some.library").warning("said %s", "this")
    first, second = map(json.loads, (tmp_path / "panda-monitor.log").read_text().splitlines())
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "WARNING", "logger": "panda.log.monitor", "event": "work failed", "agent": "monitor",
        "queueName": "Q", "workerID": 17, "PandaID": 4,
    }  # fmt: skip
    assert "ValueError" in second["exception"]
    assert json.loads((tmp_path / "panda-master.log").read_text())["event"] == "said this"


@pytest.mark.shows("logger.memory_logging")
@pytest.mark.usefixtures("no_handlers")
def test_lines_may_tell_the_memory(tmp_path: Path):
    set_up_logs(settings(tmp_path, memory_logging=True))
    structlog.get_logger("harvester.service").info("said")
    assert " rss_mib=" in (tmp_path / "panda-master.log").read_text()
