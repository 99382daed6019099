"""Workers of several versions of a queue's configuration, each dealt with by its own plugins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.clock import utc_now
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    Assignment,
    CheckOutcome,
    Done,
    Failed,
    Gone,
    Grade,
    Later,
    Messenger,
    News,
    PluginContext,
    PluginSettings,
    Refused,
    Resource,
    Search,
    SubmitOutcome,
    Submitted,
    Unclear,
    Unknown,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.registry import UnusablePluginError
from harvester.plugins.routing import RoutedMessenger, RoutedResource, Routes

CONTEXT = PluginContext("test", "Q", utc_now, Path())


class Place(Resource[PluginSettings]):
    """Says who it is."""

    grade = Grade.SEARCHABLE

    def __init__(self, name: str, *, complete: bool = True) -> None:
        super().__init__(PluginSettings(), CONTEXT)
        self.name = name
        self.complete = complete
        self.asked: list[tuple[str, list[int]]] = []

    @property
    def endpoint(self) -> str:
        return self.name

    def _note(self, verb: str, workers: Sequence[Worker]) -> None:
        self.asked.append((verb, [each.worker_id for each in workers]))

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        return [Submitted(f"{self.name}-{each.worker_id}") for each in workers]

    def find(self, workers: Sequence[Worker]) -> Search:
        found = {each.marker: Submitted(f"{self.name}-{each.worker_id}") for each in workers}
        return Search(found, self.complete, "" if self.complete else f"{self.name} is away")

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        return [Gone(f"{self.name}-{each.worker_id}") for each in workers]

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        self._note("kill", workers)
        return [Done() for _ in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        self._note("clean", workers)
        return [Later(self.name) for _ in workers]


class Blind(Place):
    grade = Grade.BLIND
    settle_seconds = 300.0


class Broken(Place):
    def find(self, workers: Sequence[Worker]) -> Search:
        raise RuntimeError(f"{self.name}: {len(workers)}")

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        raise RuntimeError(f"{self.name}: {len(workers)}")


class Post(Messenger[PluginSettings]):
    """Says who it is."""

    def __init__(self, name: str) -> None:
        super().__init__(PluginSettings(), CONTEXT)
        self.name = name
        self.acknowledged: list[int] = []

    def access_point_template(self) -> str:
        return f"/{self.name}"

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        return [Later(f"{self.name}-{each.worker.worker_id}") for each in assignments]

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        return [News(job_ids=[each.worker_id], problem=self.name) for each in workers]

    def acknowledge(self, workers: Sequence[Worker]) -> None:
        self.acknowledged += [each.worker_id for each in workers]

    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        return self.feed(assignments)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        return [Failed(f"{self.name}-{each.worker_id}") for each in workers]


def worker(worker_id: int, version: int | None) -> Worker:
    return Worker(worker_id, "Q", WorkerStatus.RUNNING, f"test-{worker_id}", config_version=version)


def routed(present: Place | str, **former: Place | str) -> RoutedResource:
    by_version: dict[int | None, Any] = {None: present, **{int(key[1:]): each for key, each in former.items()}}
    calls: dict[int | None, PluginCalls] = {key: PluginCalls() for key in by_version}
    return RoutedResource(Routes(by_version, calls.__getitem__), CONTEXT)


def posts(present: Post | str, **former: Post | str) -> RoutedMessenger:
    by_version: dict[int | None, Any] = {None: present, **{int(key[1:]): each for key, each in former.items()}}
    return RoutedMessenger(Routes(by_version, lambda _: PluginCalls()), CONTEXT)


@given(versions=st.lists(st.sampled_from([None, 1, 2, 3, 99]), max_size=30))
def test_every_worker_is_asked_about_at_its_own_place(versions: list[int | None]):
    resource = routed(Place("now"), v1=Place("one"), v2=Place("two"))
    workers = [worker(number, version) for number, version in enumerate(versions)]
    names = {1: "one", 2: "two"}
    expected = [f"{names.get(version or 0, 'now')}-{number}" for number, version in enumerate(versions)]
    assert [each.reason for each in resource.check(workers) if isinstance(each, Gone)] == expected
    assert [each.batch_id for each in resource.submit(workers) if isinstance(each, Submitted)] == expected
    found = resource.find(workers).found
    assert [found[each.marker].batch_id for each in workers] == expected


def test_each_place_is_asked_once():
    now, one = Place("now"), Place("one")
    resource = routed(now, v1=one)
    workers = [worker(1, None), worker(2, 1), worker(3, 5), worker(4, 1)]
    assert resource.kill(workers) == [Done()] * 4
    assert list(resource.clean(workers)) == [Later("now"), Later("one"), Later("now"), Later("one")]
    assert now.asked == [("kill", [1, 3]), ("clean", [1, 3])]
    assert one.asked == [("kill", [2, 4]), ("clean", [2, 4])]


def test_what_one_place_does_hurts_no_other():
    resource = routed(Place("now"), v1=Broken("one"), v2="queue Q: its token is gone")
    seen = resource.check([worker(1, None), worker(2, 1), worker(3, 2)])
    assert seen[0] == Gone("now-1")
    assert isinstance(seen[1], Unknown)
    assert "one: 1" in seen[1].reason
    assert seen[2] == Unknown("queue Q: its token is gone")


def test_a_worker_whose_plugin_cannot_be_had_was_certainly_not_submitted():
    resource = routed("still being built", v1=Broken("one"))
    answers = resource.submit([worker(1, None), worker(2, 1)])
    assert answers == [Refused("still being built"), Submitted("one-2")]
    assert resource.kill([worker(1, None)]) == [Later("still being built")]


@pytest.mark.parametrize(
    ("former", "complete", "reason"),
    [
        (Place("one"), True, ""),
        (Place("one", complete=False), False, "one is away"),
        (Blind("one"), False, "the resource keeps no marker, so nobody can tell"),
        ("no plugin", False, "no plugin"),
    ],
)
def test_a_search_is_complete_if_all_are(former: Place | str, complete: bool, reason: str):  # noqa: FBT001 (a column of the table)
    search = routed(Place("now"), v1=former).find([worker(1, None), worker(2, 1)])
    assert (search.complete, search.reason) == (complete, reason)
    assert "test-1" in search.found


def test_a_search_that_fails_at_one_place_finds_what_is_at_the_others():
    search = routed(Place("now"), v1=Broken("one")).find([worker(1, None), worker(2, 1)])
    assert search.found == {"test-1": Submitted("now-1")}
    assert not search.complete
    assert "Broken.find of queue Q failed: RuntimeError: one: 1" in search.reason


def test_what_is_told_of_the_whole_is_safe_for_each():
    resource = routed(Place("now"), v1=Blind("one"))
    assert resource.settle_seconds == 300.0
    assert resource.endpoint == "queue Q: now, one"


def test_messengers_too():
    now, one = Post("now"), Post("one")
    messenger = posts(now, v1=one, v2="gone")
    workers = [worker(1, None), worker(2, 1), worker(3, 2)]
    assignments = [Assignment(each) for each in workers]
    assert messenger.feed(assignments) == [Later("now-1"), Later("one-2"), Later("gone")]
    assert messenger.finish(assignments) == messenger.feed(assignments)
    assert [each.problem for each in messenger.collect(workers)] == ["now", "one", "gone"]
    assert messenger.clean(workers)[:2] == [Failed("now-1"), Failed("one-2")]
    messenger.acknowledge(workers)
    assert (now.acknowledged, one.acknowledged) == ([1], [2])
    assert messenger.access_point_template() == "/now"
    with pytest.raises(UnusablePluginError, match="gone"):
        posts("gone", v1=one).access_point_template()


def test_a_failed_submission_is_searched():
    class Raising(Place):
        def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
            raise TimeoutError(len(workers))

    (answer,) = routed(Place("now"), v1=Raising("one")).submit([worker(1, 1)])
    assert isinstance(answer, Unclear)
