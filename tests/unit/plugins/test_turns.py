"""Whoever takes long is left behind; nobody else waits for it."""

import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from harvester.plugins.turns import Turns, _Walk

NOT_LONG = 0.05
LONG_ENOUGH = 30.0


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def test_one_thread_does_it_all_in_order_while_nobody_takes_long():
    threads: list[threading.Thread] = []

    def work(key: int) -> int:
        threads.append(threading.current_thread())
        return key * key

    turns = Turns[int, int](work, LONG_ENOUGH)
    assert list(turns.run(range(5)).items()) == [(0, 0), (1, 1), (2, 4), (3, 9), (4, 16)]
    assert len(set(threads)) == 1
    assert turns.late == {}


def test_nothing_to_do():
    assert Turns[int, int](lambda key: key, LONG_ENOUGH).run([]) == {}


def test_those_that_hang_are_left_behind_and_told_of_when_they_have_ended(gate: threading.Event):
    def work(key: str) -> str:
        if key.startswith("slow"):
            assert gate.wait(LONG_ENOUGH)
        return key.upper()

    turns = Turns[str, str](work, NOT_LONG)
    results = turns.run(["a", "slow 1", "b", "slow 2", "c"])
    assert {"slow 1", "slow 2"} <= turns.late.keys()
    assert results.keys().isdisjoint(turns.late)
    assert results.keys() | turns.late.keys() == {"a", "slow 1", "b", "slow 2", "c"}
    assert not turns.late["slow 1"].is_set()
    gate.set()
    assert all(ended.wait(LONG_ENOUGH) for ended in turns.late.values())
    assert "slow 1" not in results


def test_those_that_still_hang_are_not_begun_again(gate: threading.Event):
    begun: list[str] = []

    def work(key: str) -> str:
        begun.append(key)
        if key == "slow":
            assert gate.wait(LONG_ENOUGH)
        return key.upper()

    first = Turns[str, str](work, NOT_LONG)
    first.run(["slow"])
    second = Turns[str, str](work, LONG_ENOUGH, first.late)
    assert second.run(["slow", "a"]) == {"a": "A"}
    assert second.late.keys() == {"slow"}
    assert begun == ["slow", "a"]
    gate.set()
    assert first.late["slow"].wait(LONG_ENOUGH)
    third = Turns[str, str](work, LONG_ENOUGH, second.late)
    assert third.run(["slow"]) == {"slow": "SLOW"}
    assert third.late == {}


@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_what_the_work_raises_is_raised(kind: type[ValueError | SystemExit]):
    def work(key: int) -> int:
        raise kind(f"no {key}")

    with pytest.raises(kind, match="no 7"):
        Turns[int, int](work, LONG_ENOUGH).run([7, 8])


def test_what_a_late_one_raises_concerns_nobody_but_is_told(gate: threading.Event):
    def work(key: str) -> str:
        if key == "slow":
            assert gate.wait(LONG_ENOUGH)
            raise ValueError("too late")
        return key

    turns = Turns[str, str](work, NOT_LONG)
    turns.run(["slow", "a"])
    with capture_logs() as said:
        gate.set()
        assert turns.late["slow"].wait(LONG_ENOUGH)
    assert [line["about"] for line in said] == ["slow"]
    assert "too late" in said[0]["error"]


class TimesOutOnce(threading.Event):
    """Waited for in vain once."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = 0

    def wait(self, timeout: float | None = None) -> bool:  # noqa: ARG002 (the signature of an event)
        self.waited += 1
        return self.waited > 1


def test_what_has_arrived_is_not_late_although_its_thread_stands_still_after_that():
    turns = Turns[str, str](str.upper, LONG_ENOUGH)
    walk = _Walk[str]()
    walk.ended = TimesOutOnce()
    walk.at, walk.since = "a", walk.since - 2 * LONG_ENOUGH
    turns._arrive(walk, "a", "A")
    turns._follow(walk)
    assert not walk.is_left
    assert turns.late == {}
