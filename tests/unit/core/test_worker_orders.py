import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.kinds import WorkerKind
from harvester.core.worker_orders import OrderedQueue, read_order, share_order

SCORE, MCORE, USER = WorkerKind("managed", "SCORE"), WorkerKind("managed", "MCORE"), WorkerKind("user", "SCORE")
kinds = st.builds(WorkerKind, st.sampled_from(["managed", "user"]), st.sampled_from(["SCORE", "MCORE", "GPU"]))
queue_kinds = st.builds(
    WorkerKind, st.none() | st.sampled_from(["managed", "user"]), st.none() | st.sampled_from(["SCORE", "MCORE"])
)


def test_an_order_is_read_by_job_and_resource_type():
    assert read_order({"managed": {"SCORE": 3, "MCORE": 0}, "user": {"SCORE": 1}}) == {SCORE: 3, MCORE: 0, USER: 1}


@pytest.mark.parametrize(
    "params",
    [None, [], "all", {"managed": 3}, {"managed": {"SCORE": -1}}, {"managed": {"SCORE": True}},
     {"managed": {"SCORE": "3"}}, {"managed": {"": 3}}, {"": {"SCORE": 3}}, {"managed": {"S" * 65: 3}},
     {"managed": {"S\0": 3}}, {"\ud800": {"SCORE": 3}}],
)  # fmt: skip
def test_nonsense_orders_nothing(params: object):
    assert read_order(params) == {}


def test_an_order_is_bounded():
    assert len(read_order({"managed": {f"T{number}": 1 for number in range(1000)}})) == 200
    assert read_order({"managed": {"SCORE": 10**12}}) == {SCORE: 10**6}


def test_a_queue_without_a_type_of_its_own_takes_all():
    assert share_order({SCORE: 3, MCORE: 2}, [OrderedQueue("A")]) == {"A": {SCORE: 3, MCORE: 2}}


def test_a_queue_of_a_type_takes_the_workers_of_that_type():
    queues = [
        OrderedQueue("A"),
        OrderedQueue("A/MCORE", WorkerKind(None, "MCORE")),
        OrderedQueue("A/GPU", WorkerKind(None, "GPU")),
    ]
    assert share_order({SCORE: 3, MCORE: 2}, queues) == {"A": {SCORE: 3}, "A/MCORE": {MCORE: 2}, "A/GPU": {}}


@settings(max_examples=2500)
@given(
    st.dictionaries(kinds, st.integers(0, 100)),
    st.dictionaries(st.sampled_from("ABCD"), queue_kinds).map(
        lambda named: [OrderedQueue(name, kind) for name, kind in named.items()]
    ),
)
def test_no_ordered_worker_is_lost_or_doubled(order: dict[WorkerKind, int], queues: list[OrderedQueue]):
    shares = share_order(order, queues)
    assert set(shares) == {queue.name for queue in queues}
    for kind, number in order.items():
        taken = [share[kind] for share in shares.values() if kind in share]
        can_be_taken = any(
            queue.kind.job_type in {None, kind.job_type} and queue.kind.resource_type in {None, kind.resource_type}
            for queue in queues
        )
        assert taken == ([number] if can_be_taken else [])
