"""Which files are packed together."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.files import File, FileKind, FileStatus
from harvester.core.packing import packed_file, parcels, provenance_of

MEGABYTE = 1024 * 1024


def pending(number: int, megabytes: float | None = 1, worker: int = 1, provenance: str | None = None) -> File:
    size = None if megabytes is None else int(megabytes * MEGABYTE)
    known = {"size": size, "worker_id": worker, "provenance": provenance}
    return File(number, 1, f"f{number}", FileKind.ES_OUTPUT, FileStatus.PENDING, **known)


def numbers(*some: File, megabytes: int, ended: bool, working: frozenset[int] = frozenset({1, 2})) -> list[list[int]]:
    made = parcels(some, megabytes=megabytes, ended=ended, working=working)
    return [[each.file_id for each in parcel] for parcel in made]


FOUR = [pending(number) for number in range(1, 5)]


@pytest.mark.parametrize(
    ("megabytes", "ended", "expected"),
    [
        (0, False, []),
        (0, True, [[1, 2, 3, 4]]),
        (2, False, [[1, 2]]),
        (2, True, [[1, 2], [3, 4]]),
        (3, False, [[1, 2, 3]]),
        (3, True, [[1, 2, 3], [4]]),
        (5, False, []),
        (5, True, [[1, 2, 3, 4]]),
    ],
)
def test_files_of_one_worker(*, megabytes: int, ended: bool, expected: list[list[int]]):
    assert numbers(*FOUR, megabytes=megabytes, ended=ended) == expected


def test_files_of_a_worker_that_has_ended_wait_for_nobody():
    some = [pending(1), pending(2, worker=2)]
    assert numbers(*some, megabytes=5, ended=False, working=frozenset({2})) == [[1]]


def test_one_file_that_is_too_large_is_packed_alone():
    assert numbers(pending(1), pending(2, 9), pending(3), megabytes=2, ended=True) == [[1], [2], [3]]


def test_files_of_unknown_size_are_no_reason_to_cut():
    assert numbers(pending(1, None), pending(2, None), megabytes=1, ended=True) == [[1, 2]]


some_files = st.lists(
    st.builds(
        pending,
        st.just(0),
        st.floats(0, 5) | st.none(),
        st.integers(1, 3),
        st.sampled_from([None, "a", "b"]),
    ),
    max_size=30,
).map(lambda some: [pending_as(number, file) for number, file in enumerate(some, 1)])


def pending_as(number: int, file: File) -> File:
    return pending(number, None if file.size is None else file.size / MEGABYTE, file.worker_id or 1, file.provenance)


@given(some=some_files, megabytes=st.integers(0, 6), ended=st.booleans(), working=st.frozensets(st.integers(1, 3)))
@settings(max_examples=2000)
def test_no_file_is_lost_doubled_or_mixed(*, some: list[File], megabytes: int, ended: bool, working: frozenset[int]):
    made = list(parcels(some, megabytes=megabytes, ended=ended, working=working))
    packed = Counter(each.file_id for parcel in made for each in parcel)
    assert set(packed.values()) <= {1}
    assert all(len({(each.provenance, each.worker_id) for each in parcel}) == 1 for parcel in made)
    if ended:
        assert len(packed) == len(some)
    if megabytes:
        sizes = [sum(each.size or 0 for each in parcel) for parcel in made if len(parcel) > 1]
        assert all(size <= megabytes * MEGABYTE for size in sizes)


def test_what_is_made_is_called_after_the_first_member():
    made = packed_file([pending(1, provenance="p"), pending(2, provenance="p")])
    assert (made.lfn, made.kind, made.status, made.scope) == (
        "panda.f1.zip",
        FileKind.ZIP_OUTPUT,
        FileStatus.ZIPPING,
        "panda",
    )
    assert (made.worker_id, made.provenance) == (1, "p")


def test_a_name_that_would_be_too_long_is_summed_up():
    long = File(1, 1, "n" * 255, FileKind.ES_OUTPUT, FileStatus.PENDING)
    name = packed_file([long]).lfn
    assert len(name) < 100
    assert name.startswith("panda.")


@pytest.mark.parametrize(
    ("event_range", "provenance"), [("10-20-30-40-5", "30"), ("10-20", None), (None, None), ("", None)]
)
def test_provenance_is_the_third_part_of_an_event_range(event_range: str | None, provenance: str | None):
    assert provenance_of(event_range) == provenance
