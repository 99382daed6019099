import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvester.core.demand import Prioritized, PullRules, of_activated_jobs, of_order, of_waiting_jobs
from harvester.core.kinds import WorkerKind
from harvester.core.labels import PilotType
from harvester.core.limits import WorkerCounts

MANY = settings(max_examples=2500)
SCORE, MCORE = WorkerKind("managed", "SCORE"), WorkerKind("managed", "MCORE")
numbers = st.integers(0, 200)


@pytest.mark.parametrize(
    ("activated", "rules", "counts", "number"),
    [
        (12, PullRules(), WorkerCounts(), 12),
        (12, PullRules(), WorkerCounts(queued=5, running=100), 7),
        (12, PullRules(factor=0.5), WorkerCounts(queued=5), 1),
        (1, PullRules(factor=0.2), WorkerCounts(), 1),
        (1, PullRules(factor=0.2, none_without_jobs=True), WorkerCounts(), 1),
        (0, PullRules(), WorkerCounts(running=7), 1),
        (0, PullRules(), WorkerCounts(queued=1), 0),
        (0, PullRules(none_without_jobs=True), WorkerCounts(), 0),
        (5, PullRules(factor=0), WorkerCounts(), 1),
        (None, PullRules(), WorkerCounts(), 1),
        (None, PullRules(), WorkerCounts(running=1), 0),
        (None, PullRules(none_without_jobs=True), WorkerCounts(), 0),
    ],
)
def test_pull_queues_get_workers_for_activated_jobs(
    activated: int | None, rules: PullRules, counts: WorkerCounts, number: int
):
    demand = of_activated_jobs(activated, rules, counts)
    assert (demand.number, demand.limit) == (number, "activated jobs")


def test_the_reason_names_the_jobs_and_the_share():
    told = of_activated_jobs(12, PullRules(factor=0.25), WorkerCounts(queued=1)).reason
    assert told == (
        "1 workers are queued and the server has 12 activated jobs, of which this instance serves a share of 0.25"
    )


def test_push_queues_get_workers_for_waiting_jobs():
    assert of_waiting_jobs(1).reason == "1 job waits for a worker"
    assert of_waiting_jobs(3).number == 3


def test_orders_are_served_by_type():
    demand = of_order({SCORE: 3, MCORE: 0}, 1.0, Prioritized(("rc_alrb",)))
    assert [(want.kind, want.number) for want in demand.wants] == [(SCORE, 3)]
    assert demand.reason == "the server ordered 3 SCORE"


def test_labels_that_go_first_get_their_pilots_out_of_the_order():
    first = Prioritized(("rc_alrb",), {"SCORE": {"rc_alrb": 2}}, {})
    demand = of_order({SCORE: 3}, 1.0, first)
    assert [(want.kind.label, want.number, want.goes_first) for want in demand.wants] == [
        ("rc_alrb", 2, True),
        (None, 1, False),
    ]


def test_pilots_that_wait_already_are_not_wanted_again():
    first = Prioritized(("rc_alrb",), {"SCORE": {"rc_alrb": 2}}, {"SCORE": {PilotType.ALRB: 1}})
    assert [want.number for want in of_order({SCORE: 3}, 1.0, first).wants] == [1, 2]


def test_without_an_order_nothing_is_wanted():
    demand = of_order({}, 1.0, Prioritized())
    assert (demand.wants, demand.reason) == ((), "the server has ordered no more workers")


labels = st.sampled_from(["rc_test", "rc_test2", "rc_alrb", "ptest", "managed", "user"])
first = st.builds(
    Prioritized,
    st.lists(labels).map(tuple),
    st.dictionaries(st.sampled_from(["SCORE", "MCORE"]), st.dictionaries(labels, numbers)),
    st.dictionaries(st.sampled_from(["SCORE", "MCORE"]), st.dictionaries(st.sampled_from(PilotType), numbers)),
)


@MANY
@given(st.dictionaries(st.sampled_from([SCORE, MCORE]), numbers), st.floats(0, 2), first)
def test_the_pilots_of_an_order_add_up_to_it(ordered: dict[WorkerKind, int], factor: float, given_first: Prioritized):
    demand = of_order(ordered, factor, given_first)
    for kind, number in ordered.items():
        mine = [want for want in demand.wants if want.kind.resource_type == kind.resource_type]
        assert sum(want.number for want in mine) == number
        assert all(want.number > 0 for want in mine)
