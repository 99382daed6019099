"""Who brings an input that several jobs need."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.files import File, FileKind, FileStatus
from harvester.core.shared_inputs import MOST_LOOKS, Others, Part, part_in


def an_input(file_id: int, status: FileStatus = FileStatus.TO_PREPARE, attempts: int = 0) -> File:
    return File(file_id, file_id, "a", FileKind.INPUT, status, attempts=attempts)


@pytest.mark.parametrize(
    ("file", "others", "part"),
    [
        (an_input(2), Others(ready=1, moving=3), Part.TAKE),
        (an_input(2), Others(moving=3, waiting=2), Part.WAIT),
        (an_input(2, FileStatus.TRIGGERED), Others(moving=1), Part.BRING),
        (an_input(2), Others(waiting=1), Part.WAIT),
        (an_input(2), Others(waiting=2), Part.BRING),
        (an_input(2), Others(), Part.BRING),
        (an_input(2), Others(waiting=2, moving_elsewhere=9), Part.WAIT),
        (an_input(2, FileStatus.PREPARING, MOST_LOOKS), Others(waiting=2, moving_elsewhere=9), Part.BRING),
    ],
)
def test_parts(file: File, others: Others, part: Part):
    assert part_in(file, others) is part


waiting_files = st.lists(
    st.sampled_from([FileStatus.TO_PREPARE, FileStatus.PREPARING, FileStatus.TRIGGERED]), min_size=1, max_size=8
)


@given(waiting_files)
@settings(max_examples=2000)
def test_somebody_always_brings_it_and_only_one_begins(statuses: list[FileStatus]):
    some = [an_input(number, status) for number, status in enumerate(statuses, 1)]
    moving = [each.file_id for each in some if each.status is FileStatus.TRIGGERED]
    waiting = [each.file_id for each in some if each.status is not FileStatus.TRIGGERED]
    others = Others(moving=min(moving, default=None), waiting=min(waiting, default=None))
    brings = [each.file_id for each in some if part_in(each, others) is Part.BRING]
    assert brings == (moving or [min(waiting)])
