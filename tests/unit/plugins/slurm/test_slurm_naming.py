import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.workers import marker_of
from harvester.plugins.slurm.naming import array_name, compact, compact_batch_ids, is_batch_id, marker_in

instances = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=20)
numbers = st.integers(min_value=0, max_value=10**12)


@given(instances, numbers, st.integers(min_value=0, max_value=4_000_000), numbers)
def test_an_array_element_tells_its_worker(instance: str, base: int, task: int, job: int) -> None:
    assert marker_in(array_name(instance, base), f"{job}_{task}") == marker_of(instance, base + task)


@given(instances, numbers, numbers)
def test_a_single_job_tells_its_worker(instance: str, worker_id: int, job: int) -> None:
    assert marker_in(marker_of(instance, worker_id), str(job)) == marker_of(instance, worker_id)


@given(st.text(), st.text())
def test_names_of_others_never_raise(name: str, batch_id: str) -> None:
    marker_in(name, batch_id)


@pytest.mark.parametrize("name", ["test", "test+", "test+x", "test-7", "+", "test+٣"])
def test_arrays_of_others_have_no_marker(name: str) -> None:
    assert marker_in(name, "12_3") is None


def _expand(text: str) -> set[int]:
    spans = (span.partition("-") for span in text.split(","))
    return {number for first, _, last in spans for number in range(int(first), int(last or first) + 1)}


@given(st.sets(st.integers(min_value=0, max_value=2000), min_size=1))
def test_compact_sets_mean_the_same(values: set[int]) -> None:
    assert _expand(compact(values)) == values


def test_batch_ids_of_one_array_are_joined() -> None:
    assert compact_batch_ids(["12_3", "15", "12_1", "12_2", "12_9"]) == ["12_[1-3,9]", "15"]


def test_batch_ids_have_a_shape() -> None:
    assert all(map(is_batch_id, ("12", "12_3")))
    assert not any(map(is_batch_id, ("12_", "12_[1-3]", "", "x", "12_3_4")))
