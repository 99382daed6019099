"""Files that several write at once: hosts with one file system, processes of one host."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from harvester.plugins.tools.atomic_files import replacement, write_atomically
from harvester.plugins.tools.lasting_files import rewrite, write_privately

Write = Callable[[Path, str], None]


def write_at_once(path: Path, text: str) -> None:
    """As files of access points are written."""
    write_atomically(str(path), text, private=True)


every_way = pytest.mark.parametrize("write", [write_privately, rewrite, write_at_once])


@every_way
def test_whoever_reads_finds_the_whole_content_of_one_writer(
    tmp_path: Path, write: Write, is_private: Callable[[Path], bool]
):
    path, done = tmp_path / "token", threading.Event()
    contents = [letter * 100_000 for letter in "abcd"]
    write(path, contents[0])

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(path.read_text())
        return seen

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        writing = [pool.submit(lambda text: [write(path, text) for _ in range(20)], text) for text in contents]
        for each in writing:
            each.result()
        done.set()
        assert reading.result() <= set(contents)
    assert is_private(path)


@every_way
def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path, write: Write):
    path = tmp_path / "token"
    write(path, "good")
    with suppress(UnicodeEncodeError):
        write(path, "half of it \ud800")
    assert [each.name for each in tmp_path.iterdir()] == ["token"]
    assert path.read_text() == "good"


def test_what_breaks_off_leaves_nothing(tmp_path: Path):
    path = tmp_path / "checkpoint"
    path.write_text("good")
    with suppress(KeyboardInterrupt), replacement(str(path)) as file:
        file.write(b"half of it")
        raise KeyboardInterrupt
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint"]
    assert path.read_text() == "good"


@every_way
def test_what_cannot_be_written_is_called_by_its_name(tmp_path: Path, write: Write):
    with pytest.raises(FileNotFoundError) as caught:
        write(tmp_path / "none" / "token", "text")
    assert caught.value.filename == str(tmp_path / "none" / "token")


def test_a_file_that_others_may_read_can_be_rewritten(tmp_path: Path):
    path = tmp_path / "key"
    path.write_text("old")
    path.chmod(0o640)
    rewrite(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
