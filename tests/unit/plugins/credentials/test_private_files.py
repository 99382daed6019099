"""Files with secrets that several write at once: hosts with one file system, processes of one host."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from harvester.plugins.credentials.private_files import write_privately


def test_whoever_reads_finds_the_whole_content_of_one_writer(tmp_path: Path, is_private: Callable[[Path], bool]):
    path, done = tmp_path / "token", threading.Event()
    contents = [letter * 100_000 for letter in "abcd"]
    write_privately(path, contents[0])

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(path.read_text())
        return seen

    with ThreadPoolExecutor(5) as pool:
        reading = pool.submit(read)
        writing = [
            pool.submit(lambda text: [write_privately(path, text) for _ in range(20)], text) for text in contents
        ]
        for each in writing:
            each.result()
        done.set()
        assert reading.result() <= set(contents)
    assert is_private(path)


def test_what_fails_on_the_way_leaves_nothing(tmp_path: Path):
    path = tmp_path / "token"
    write_privately(path, "good")
    with suppress(UnicodeEncodeError):
        write_privately(path, "half of it \ud800")
    assert [each.name for each in tmp_path.iterdir()] == ["token"]
    assert path.read_text() == "good"
