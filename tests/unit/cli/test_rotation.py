"""Several processes write to one log file that is rotated: no line is lost."""

import logging
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.rotation import BySize, ByTime

LINES = 400
WRITERS = 3
Make = Callable[[Path], logging.Handler]


def by_size(path: Path) -> logging.Handler:
    return BySize(path, maxBytes=2000, backupCount=1000)


def by_time(path: Path) -> logging.Handler:
    return ByTime(path, when="S", interval=1, backupCount=1000, utc=True)


def write(make: Make, path: Path, writer: int) -> None:
    handler = make(path)
    for number in range(LINES):
        handler.emit(logging.makeLogRecord({"msg": f"{writer} {number}"}))
    handler.close()


@pytest.mark.parametrize("make", [by_size, by_time])
def test_no_line_is_lost_or_written_twice(make: Make, tmp_path: Path):
    path = tmp_path / "shared.log"
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=write, args=(make, path, number)) for number in range(WRITERS)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
        assert each.exitcode == 0
    lines = [line for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{writer} {number}" for writer in range(WRITERS) for number in range(LINES))


def test_whoever_comes_second_goes_on_with_the_new_file(tmp_path: Path):
    path = tmp_path / "shared.log"
    first, second = (ByTime(path, when="H", backupCount=2, utc=True) for _ in range(2))
    second.emit(logging.makeLogRecord({"msg": "old"}))
    first.doRollover()
    second.doRollover()
    second.emit(logging.makeLogRecord({"msg": "new"}))
    assert path.read_text() == "new\n"
    assert len(list(tmp_path.iterdir())) == 2
    first.close()
    second.close()


def test_a_file_that_another_program_has_moved_is_begun_anew(tmp_path: Path):
    path = tmp_path / "shared.log"
    handler = by_size(path)
    path.rename(tmp_path / "moved")
    handler.emit(logging.makeLogRecord({"msg": "new"}))
    handler.close()
    assert path.read_text() == "new\n"
