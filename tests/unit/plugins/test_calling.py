"""Calling plugins: whatever one does, every item has an answer, and one that keeps failing is left alone."""

import sys
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.rests import Rest
from harvester.plugins.calling import PluginCalls


class Plugin:
    """Answers as told."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: Sequence[str] | Exception | None = None

    def check(self, items: Sequence[int]) -> Sequence[str]:
        self.asked += 1
        if isinstance(self.answers, Exception):
            raise self.answers
        return [f"seen {item}" for item in items] if self.answers is None else self.answers


class Tick:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def plugin() -> Plugin:
    return Plugin()


@pytest.fixture
def tick() -> Tick:
    return Tick()


@pytest.fixture
def call(tick: Tick) -> PluginCalls:
    return PluginCalls(tick)


def test_a_good_plugins_answers_are_passed_on(call: PluginCalls, plugin: Plugin):
    assert call(plugin.check, [1, 2], str.upper) == ["seen 1", "seen 2"]


def test_without_items_nobody_is_asked(call: PluginCalls, plugin: Plugin):
    assert call(plugin.check, [], str) == ()
    assert plugin.asked == 0


@pytest.mark.parametrize("answers", [ValueError("boom"), KeyError("x"), [], ["one"], ["one"] * 3])
def test_what_a_bad_plugin_does_becomes_the_other_answer(
    call: PluginCalls, plugin: Plugin, answers: Sequence[str] | Exception
):
    plugin.answers = answers
    told = call(plugin.check, [1, 2], lambda reason: f"unknown: {reason}")
    assert len(told) == 2
    assert all(each.startswith("unknown: Plugin.check of queue") for each in told)


def test_what_a_script_might_do_ends_the_call_alone(call: PluginCalls):
    class Script(Plugin):
        def check(self, _items: Sequence[int]) -> Sequence[str]:
            sys.exit(1)

    (told,) = call(Script().check, [1], str)
    assert "Script.check" in told
    assert "SystemExit" in told


def test_a_plugin_that_failed_rests_and_is_then_asked_again(call: PluginCalls, plugin: Plugin, tick: Tick):
    plugin.answers = ValueError("boom")
    call(plugin.check, [1], str)
    plugin.answers = None
    (told,) = call(plugin.check, [1], str)
    assert (plugin.asked, "rests after 1 failures" in told, "boom" in told) == (1, True, True)
    tick.now += 6
    assert call(plugin.check, [1], str) == ["seen 1"]


def test_success_ends_the_growing_of_rests(call: PluginCalls, plugin: Plugin, tick: Tick):
    for answers in (ValueError("1"), ValueError("2"), None, ValueError("3"), None):
        plugin.answers = answers
        call(plugin.check, [1], str)
        tick.now += 11
    assert plugin.asked == 5


def test_each_verb_rests_for_itself(call: PluginCalls, plugin: Plugin):
    plugin.answers = ValueError("boom")
    call(plugin.check, [1], str)
    told: list[Sequence[int]] = []

    class Other(Plugin):
        def clean(self, items: Sequence[int]) -> None:
            told.append(items)

    call.tell(Other().clean, [1])
    assert told == [[1]]


def test_a_verb_without_answers_may_fail(call: PluginCalls):
    class Raising(Plugin):
        def acknowledge(self, _items: Sequence[int]) -> None:
            raise OSError("read-only")

    call.tell(Raising().acknowledge, [1])


@given(st.integers(1, 50))
def test_rests_grow_up_to_ten_minutes(failures: int):
    rest, lengths = Rest(), []
    for _ in range(failures):
        rest.extend(100.0)
        lengths.append(rest.until - 100.0)
    assert lengths == sorted(lengths)
    assert lengths[0] == 5
    assert lengths[-1] <= 600
