"""The main configuration of an address is fetched at start, and kept for starts without it."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from harvester.config.dialect import Sections
from harvester.config.findings import Findings
from harvester.config.remote import Fetched, RemoteError, read_instance
from harvester.remote_instance import RemoteInstance

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
URL = "http://me:HUSH@pool.example.org/instance.json?token=HUSH"
TEXT = '{"master": {"harvester_id": "far"}}'
NO_FILES: Sections = {}


class Pool:
    """A web server, and those who ask it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.now = NOW
        self.content, self.status = TEXT.encode(), 200
        self.asked = 0

    def _answer(self, _: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        return httpx2.Response(self.status, content=self.content)

    def give(self, content: bytes, status: int = 200) -> None:
        self.content, self.status = content, status

    def reader(self, *, prefers_copy: bool = False) -> RemoteInstance:
        network = httpx2.MockTransport(self._answer)
        environ = {"PANDA_HOME": str(self.place)}
        return RemoteInstance(environ, prefers_copy=prefers_copy, clock=lambda: self.now, network=network)

    def keep(self) -> None:
        reader = self.reader()
        found = reader(URL, NO_FILES)
        source = read_instance(found, NO_FILES, lambda _: False, Findings())
        assert reader.keep(Fetched(source, found.origin)) == ""

    @property
    def copies(self) -> list[Path]:
        return list((self.place / "var/harvester/remote").glob("*"))


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return Pool(tmp_path)


def test_what_is_there_is_what_counts(pool: Pool):
    pool.keep()
    pool.give(TEXT.replace("far", "farther").encode())
    found = pool.reader()(URL, NO_FILES)
    assert "farther" in found.text
    assert (found.origin.address, found.origin.problem) == ("http://pool.example.org/instance.json", "")


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 500, "HTTP 500"),
        (b"<html>", 200, "HTML page"),
        (b'{"master": {', 200, "no JSON"),
        (b"\xff", 200, "UTF-8"),
        (b"{}", 200, "empty"),
        (b"[" * 99_999, 200, "neither"),
    ],
)
def test_the_last_good_copy_stands_for_it(pool: Pool, content: bytes, status: int, words: str):
    pool.keep()
    pool.give(content, status)
    pool.now = NOW + timedelta(days=2)
    found = pool.reader()(URL, NO_FILES)
    assert json.loads(found.text) == json.loads(TEXT)
    assert (found.origin.fetched_at, found.origin.asked_at) == (NOW, pool.now)
    assert words in found.origin.problem
    assert "HUSH" not in repr(found)


def test_a_copy_of_a_copy_keeps_its_time(pool: Pool):
    pool.keep()
    pool.give(b"", 500)
    pool.now = NOW + timedelta(days=2)
    reader = pool.reader()
    found = reader(URL, NO_FILES)
    reader.keep(Fetched(read_instance(found, NO_FILES, lambda _: False, Findings()), found.origin))
    assert pool.reader()(URL, NO_FILES).origin.fetched_at == NOW


def test_copies_are_for_the_owner_and_by_address(pool: Pool):
    pool.keep()
    (copy,) = pool.copies
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o777 == 0o700
    assert "HUSH" not in copy.name + copy.read_text()
    pool.give(b"", 500)
    with pytest.raises(RemoteError, match=r"no copy of it yet.*HTTP 500.*or unset HARVESTER_INSTANCE_CONFIG_URL"):
        pool.reader()(URL + "2", NO_FILES)


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"text": "{}", "fetched_at": "never"}'])
def test_a_damaged_copy_is_none(pool: Pool, damage: bytes):
    pool.keep()
    pool.copies[0].write_bytes(damage)
    pool.give(b"", 500)
    with pytest.raises(RemoteError):
        pool.reader()(URL, NO_FILES)


def test_those_who_only_look_take_the_copy_without_asking(pool: Pool):
    pool.keep()
    asked = pool.asked
    pool.reader(prefers_copy=True)(URL, NO_FILES)
    assert pool.asked == asked
    pool.copies[0].unlink()
    pool.reader(prefers_copy=True)(URL, NO_FILES)
    assert pool.asked == asked + 1


def test_a_copy_that_cannot_be_written_is_told(pool: Pool):
    (pool.place / "var").write_text("a file")
    reader = pool.reader()
    found = reader(URL, NO_FILES)
    source = read_instance(found, NO_FILES, lambda _: False, Findings())
    assert "cannot be written" in reader.keep(Fetched(source, found.origin))


def test_processes_that_start_at_the_same_time_keep_one_whole_copy(pool: Pool):
    with ThreadPoolExecutor(8) as starts:
        for each in [starts.submit(pool.keep) for _ in range(100)]:
            each.result()
    assert len(pool.copies) == 1
    assert pool.reader(prefers_copy=True)(URL, NO_FILES).text
