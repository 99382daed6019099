"""What words and files make of event ranges."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.events import (
    OPEN,
    REPORTABLE,
    EventMode,
    EventState,
    event_mode,
    initial_ranges,
    state_after_file,
    state_after_word,
    wire_event_status,
)
from harvester.core.files import FileStatus

WORDS = st.sampled_from(["running", "finished", "failed", "fatal", "starting", ""])
STEPS = st.lists(
    st.one_of(st.tuples(WORDS, st.booleans()), st.sampled_from([None, *FileStatus])),
    max_size=12,
)


def after(state: EventState, step: tuple[str, bool] | FileStatus | None) -> EventState:
    if isinstance(step, tuple):
        return state_after_word(state, step[0], has_file=step[1])
    return state_after_file(state, step)


@given(STEPS)
@settings(max_examples=2000)
def test_a_range_never_leaves_its_end_and_ends_with_its_file(steps: list[tuple[str, bool] | FileStatus | None]):
    state = EventState.GIVEN
    for step in steps:
        new = after(state, step)
        if state in {EventState.FINISHED, EventState.FAILED}:
            assert new is state
        if state is EventState.TRANSFERRING:
            assert new in REPORTABLE
            assert not isinstance(step, tuple) or new is state
        state = new
    ended = state_after_file(after(state, ("finished", True)), FileStatus.FINISHED)
    assert ended in {EventState.FINISHED, EventState.FAILED}


@given(st.sampled_from(list(EventState)), WORDS, st.booleans())
def test_words_and_files_repeat_without_effect(state: EventState, word: str, has_file: bool):  # noqa: FBT001 (hypothesis)
    once = state_after_word(state, word, has_file=has_file)
    assert state_after_word(once, word, has_file=has_file) is once
    for file in FileStatus:
        stored = state_after_file(once, file)
        assert state_after_file(stored, file) is stored


@pytest.mark.parametrize(
    ("state", "word", "has_file", "expected"),
    [
        (EventState.GIVEN, "running", False, EventState.RUNNING),
        (EventState.GIVEN, "finished", False, EventState.FINISHED),
        (EventState.RUNNING, "finished", True, EventState.TRANSFERRING),
        (EventState.RUNNING, "failed", True, EventState.FAILED),
        (EventState.ALLOTTED, "fatal", False, EventState.FAILED),
        (EventState.DONE, "failed", False, EventState.DONE),
        (EventState.TRANSFERRING, "failed", False, EventState.TRANSFERRING),
    ],
)
def test_words(state: EventState, word: str, has_file: bool, expected: EventState):  # noqa: FBT001 (a table)
    assert state_after_word(state, word, has_file=has_file) is expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (None, EventState.FINISHED),
        (FileStatus.DEFINED, EventState.TRANSFERRING),
        (FileStatus.TRANSFERRING, EventState.TRANSFERRING),
        (FileStatus.FINISHED, EventState.FINISHED),
        (FileStatus.FAILED, EventState.FAILED),
    ],
)
def test_files(file: FileStatus | None, expected: EventState):
    assert state_after_file(EventState.TRANSFERRING, file) is expected
    assert all(state_after_file(state, file) is state for state in OPEN)


@pytest.mark.parametrize(
    ("state", "word", "wire"),
    [
        (EventState.FINISHED, "finished", "finished"),
        (EventState.FAILED, "finished", "failed"),
        (EventState.FAILED, "fatal", "fatal"),
        (EventState.TRANSFERRING, "finished", "running"),
    ],
)
def test_what_the_server_is_told(state: EventState, word: str, wire: str):
    assert wire_event_status(state, word) == wire


@pytest.mark.parametrize(
    ("params", "mode"),
    [
        ({}, None),
        ({"eventService": "True"}, EventMode.RANGES),
        ({"eventService": "NULL"}, None),
        ({"eventService": False}, None),
        ({"cloneJob": "runonce"}, EventMode.RANGES),
        ({"isHPO": "True", "eventService": "True"}, EventMode.SAMPLES),
    ],
)
def test_what_a_job_is_divided_into(params: dict[str, object], mode: EventMode | None):
    assert event_mode(params) is mode


@pytest.mark.parametrize(("cores", "jobs", "job_cores", "expected"), [(8, 1, 8, 16), (8, 3, 1, 6), (1, 1, 8, 16)])
def test_the_first_ranges_of_a_worker(cores: int, jobs: int, job_cores: int, expected: int):
    assert initial_ranges(cores, jobs, job_cores, 2) == expected
