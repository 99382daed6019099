"""The cacher: what was good stays, whatever comes after it."""

import json
import os
import time
from pathlib import Path

import pytest
from pydantic import JsonValue
from structlog.testing import capture_logs
from world import World

from harvester.agents.cacher import Cacher
from harvester.agents.fetching import Fetcher
from harvester.agents.private_documents import PrivateDocuments
from harvester.config.cache_lines import read_lines
from harvester.store import cache
from harvester.store.cache import CacheKey, CacheState


class Source:
    """A file that the cacher fetches, and the cacher."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.directory = directory
        self.file = directory / "source.json"
        self.private = PrivateDocuments(directory / "private")
        self.ask(f"queues.json||file:{self.file}")

    def ask(self, *lines: str, forgets: bool = True) -> None:
        self.cacher = Cacher(
            self.world.instance,
            read_lines(lines, {})[0],
            Fetcher(self.world.panda, self.world.settings.pandacon),
            self.private,
            forgets=forgets,
        )

    def say(self, text: str, *, minutes: float = 11) -> None:
        self.file.write_text(text)
        self.world.clock.forward(minutes=minutes)
        self.cacher.round()

    def state(self, main_key: str = "queues.json") -> CacheState:
        with self.world.db.read() as connection:
            return {each.key: each for each in cache.states(connection)}[CacheKey(main_key)]

    def known(self, main_key: str = "queues.json") -> JsonValue:
        return self.world.instance.facts.document(main_key)


@pytest.fixture
def source(world: World, tmp_path: Path) -> Source:
    return Source(world, tmp_path)


@pytest.mark.parametrize("bad", ["", "{}", "[]", "null", '{"SITE": ', "<html>"])
def test_a_bad_answer_never_replaces_a_good_one(source: Source, bad: str):
    source.say('{"SITE": 1}')
    good = source.state()
    source.say(bad)
    state = source.state()
    assert source.known() == {"SITE": 1}
    assert (state.refreshed_at, state.digest) == (good.refreshed_at, good.digest)
    assert state.tried_at == source.world.clock()
    assert str(source.file) in state.problem
    source.say('{"SITE": 2}', minutes=1)
    assert source.known() == {"SITE": 2}
    assert source.state().problem == ""


@pytest.mark.shows("cacher.refreshInterval")
def test_what_is_young_is_not_fetched_again(source: Source):
    source.say("[1]")
    source.say("[2]", minutes=9)
    assert source.known() == [1]
    source.say("[2]", minutes=1)
    assert source.known() == [2]


def test_trouble_is_told_once_and_so_is_its_end(source: Source, capsys: pytest.CaptureFixture[str]):
    source.say("[1]")
    for _ in range(3):
        source.say("bad")
    source.say("[1]")
    told = capsys.readouterr().out
    assert told.count("cannot be fetched") == 1
    assert told.count("is fetched again") == 1


@pytest.mark.shows("cacher.data")
def test_a_copy_goes_to_the_dump_file(source: Source):
    dump = source.directory / "dump.json"
    source.ask(f"queues.json||file:{source.file}|{dump}")
    source.say('{"a": 1}')
    assert json.loads(dump.read_text()) == {"a": 1}
    source.say("bad")
    assert json.loads(dump.read_text()) == {"a": 1}
    assert [each.name for each in source.directory.iterdir() if "dump" in each.name] == ["dump.json"]


@pytest.mark.parametrize("name", ["queues.json", "globus_secret"])
def test_copies_that_were_broken_off_do_not_stay_beside_the_dump_file(source: Source, name: str):
    dead, at_work = (source.directory / f".dump.json.{digit * 16}.new" for digit in "12")
    for each in (dead, at_work):
        each.touch()
    hours_ago = time.time() - 2 * 3600
    os.utime(dead, (hours_ago, hours_ago))
    source.ask(f"{name}||file:{source.file}|{source.directory}/dump.json")
    source.say('{"a": 1}')
    assert {each.name for each in source.directory.iterdir() if "dump" in each.name} == {"dump.json", at_work.name}


def test_a_dump_file_that_cannot_be_written_is_a_problem_of_its_own(source: Source):
    source.ask(f"queues.json||file:{source.file}|{source.directory}/none/dump")
    source.say("[1]")
    assert source.known() == [1]
    assert "none/dump cannot be written" in source.state().problem


def test_what_nobody_asks_for_any_more_is_forgotten(source: Source):
    source.say("[1]")
    source.ask(f"other.json||file:{source.file}")
    source.cacher.round()
    assert (source.known(), source.known("other.json")) == (None, [1])


def test_where_lines_may_be_missing_nothing_is_forgotten(source: Source):
    source.say("[1]")
    source.ask(f"other.json||file:{source.file}", forgets=False)
    source.cacher.refresh()
    assert (source.known(), source.known("other.json")) == ([1], [1])


@pytest.mark.parametrize(
    ("main_key", "text"),
    [("globus_secret", "[1]"), ("proxy", "-----BEGIN RSA PRIVATE KEY-----"), ("pair", '{"privateKey": "x"}')],
)
def test_secrets_never_reach_the_database(source: Source, main_key: str, text: str):
    dump = source.directory / "dump"
    source.ask(f"{main_key}||file:{source.file}|{dump}")
    source.say(text)
    with source.world.db.read() as connection:
        assert cache.documents(connection, [CacheKey(main_key)]) == {}
    assert source.known(main_key) is not None
    assert source.private.load(CacheKey(main_key)) == source.known(main_key)
    assert [each.stat().st_mode & 0o077 for each in (dump, *(source.directory / "private").iterdir())] == [0, 0]
    source.ask()
    source.cacher.round()
    assert source.private.load(CacheKey(main_key)) is None


def test_a_private_document_that_cannot_be_read_is_told(source: Source):
    key = CacheKey("globus_secret")
    source.private.save(key, [1])
    (file,) = (source.directory / "private").iterdir()
    file.write_text("[1")
    with capture_logs() as lines:
        assert source.private.load(key) is None
        assert source.private.load(CacheKey("one that never came")) is None
    assert [(line["event"], line["file"]) for line in lines] == [("a private document cannot be read", str(file))]


def test_a_copy_may_be_named_relative_to_where_the_service_was_started(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    real_open, opened = os.open, list[str]()
    monkeypatch.setattr(
        os, "open", lambda path, *rest, **more: opened.append(str(path)) or real_open(path, *rest, **more)
    )
    source.ask(f"queues.json||file:{source.file}|copy.json")
    source.say("[1]")
    assert (tmp_path / "copy.json").read_text() == "[1]"
    assert [name for name in opened if name.startswith("/.copy.json")] == []


def test_one_slow_or_broken_source_does_not_hold_up_the_others(source: Source):
    source.ask("a||http://127.0.0.1:1/x", f"b||file:{source.file}", "c||file:/nowhere/at/all")
    source.say("[1]")
    assert source.known("b") == [1]
    assert [bool(source.state(each).problem) for each in "abc"] == [True, False, True]


def test_a_remote_queue_configuration_is_kept_without_its_secrets(source: Source, capsys: pytest.CaptureFixture[str]):
    source.ask(f"queues_config_file||file:{source.file}|{source.directory}/dump")
    for _ in range(2):
        source.say('{"SECRET_Q": {"submitter": {"token": "HUSH", "tokenFile": "there"}}}')
    key = "queues_config_file"
    assert source.known(key) == {"SECRET_Q": {"submitter": {"tokenFile": "there"}}}
    state = source.state(key)
    assert "SECRET_Q.submitter.token: is a secret" in state.problem
    assert state.refreshed_at == source.world.clock()
    told = capsys.readouterr().out
    assert told.count("cannot be taken or kept as it is") == 1
    assert "HUSH" not in told + state.problem + (source.directory / "dump").read_text()


@pytest.mark.parametrize("bad", ["[1]", "text", "{}", "<html>"])
def test_a_queue_configuration_is_an_object_or_none(source: Source, bad: str):
    source.ask(f"queues_config_file||file:{source.file}")
    source.say('{"Q": {}}')
    source.say(bad)
    assert source.known("queues_config_file") == {"Q": {}}
