"""The conformance kit: tells the author of a resource whether the core can rely on it.

Subclass `ResourceConformance` in a test module, override the fixtures `resource` and `make_worker`, and run pytest::

    class TestMyBatchSystem(ResourceConformance):
        @pytest.fixture
        def resource(self, tmp_path):
            return MyResource(MySettings(...), context_in(tmp_path))

        @pytest.fixture
        def make_worker(self, tmp_path):
            def make(payload: Payload) -> Worker: ...  # its batch job has to do what the payload says
            return make

The tests use the real system behind the resource, and leave nothing of theirs in it.
"""
# ruff: noqa: S101 - asserting is what a test kit is for

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    CheckOutcome,
    Done,
    Failed,
    Gone,
    Grade,
    Later,
    PluginContext,
    Refused,
    Resource,
    Search,
    Seen,
    Submitted,
    Unclear,
    Unknown,
)

_PAUSE = 0.1
_LONG = 300.0
_ENDED_BY_KILL = frozenset({WorkerStatus.CANCELLED, WorkerStatus.FAILED})


@dataclass(frozen=True, slots=True)
class Payload:
    """What a worker's batch job does: run for some seconds, then end with an exit code."""

    seconds: float = 0
    exit_code: int = 0


AnyResource = Resource[Any]
"""A resource with whatever settings it has."""

MakeWorker = Callable[[Payload], Worker]
"""Makes a worker with a marker of its own and a filled access point, not yet submitted."""

Submit = Callable[[Sequence[Worker]], list[Worker]]
"""Submits workers, which must all be accepted, and returns them with their batch ids."""


def context_in(directory: Path, *, instance: str = "conformance", queue: str = "conformance") -> PluginContext:
    """A context with the real clock and its state in a directory."""
    return PluginContext(instance=instance, queue=queue, clock=lambda: datetime.now(UTC), state_dir=directory)


class ResourceConformance:
    """What the core relies on, for every resource; see the module for how to use it."""

    patience: float = 60.0
    """Seconds after which a batch job that has nothing to do counts as stuck."""

    @pytest.fixture
    def resource(self) -> AnyResource:
        """The resource under test."""
        raise NotImplementedError("override the fixture 'resource'")

    @pytest.fixture
    def make_worker(self) -> MakeWorker:
        """The maker of workers for the resource under test."""
        raise NotImplementedError("override the fixture 'make_worker'")

    def process_starts(self, resource: AnyResource) -> int | None:
        """How many processes the resource has started so far; None if it starts none or cannot tell."""
        del resource
        return None

    @pytest.fixture
    def submit(self, resource: AnyResource) -> Iterator[Submit]:
        """Submits for the tests, and ends and cleans everything after them."""
        accepted: list[Worker] = []

        def accept(workers: Sequence[Worker]) -> list[Worker]:
            outcomes = resource.submit(workers)
            assert len(outcomes) == len(workers), f"submit has to answer once per worker, and answered {outcomes}"
            held = [_accepted(worker, outcome) for worker, outcome in zip(workers, outcomes, strict=True)]
            accepted.extend(held)
            return held

        yield accept
        resource.kill(accepted)
        self.wait(resource, accepted, _has_ended)
        resource.clean(accepted)

    def wait(
        self, resource: AnyResource, workers: Sequence[Worker], accept: Callable[[CheckOutcome], bool]
    ) -> list[CheckOutcome]:
        """Check until every outcome is accepted; an end that is not accepted will not change and fails at once."""
        deadline = time.monotonic() + self.patience
        while True:
            outcomes = list(resource.check(workers))
            assert len(outcomes) == len(workers), f"check has to answer once per worker, and answered {outcomes}"
            if all(map(accept, outcomes)):
                return outcomes
            for worker, outcome in zip(workers, outcomes, strict=True):
                assert accept(outcome) or not _has_ended(outcome), _ended_too_early(worker, outcome)
            assert time.monotonic() < deadline, f"after {self.patience} s the resource still answers {outcomes}"
            time.sleep(_PAUSE)

    # ---- answers

    def test_empty_lists_are_answered_by_empty_lists(self, resource: AnyResource) -> None:
        """Agents may come with nothing."""
        verbs = (resource.submit, resource.check, resource.kill, resource.clean)
        assert [list(verb([])) for verb in verbs] == [[], [], [], []], "no workers, no results"
        assert not resource.find([]).found, "nobody was searched, so nobody can be found"

    def test_endpoint_and_grade_are_told(self, resource: AnyResource) -> None:
        """Workers are checked by endpoint; the grade decides what happens after a crash."""
        assert resource.endpoint, "name what is asked in one call"
        assert isinstance(resource.grade, Grade), "set the class attribute 'grade'"

    def test_answers_come_in_the_order_of_the_workers(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Results are matched to workers by their place."""
        codes = [0, 3, 0, 4]
        workers = submit([make_worker(Payload(exit_code=code)) for code in codes])
        assert len({worker.batch_id for worker in workers}) == len(workers), "every worker needs its own batch id"
        expected = [WorkerStatus.FAILED if code else WorkerStatus.FINISHED for code in codes]
        ended = _statuses(self.wait(resource, workers, _has_ended))
        assert ended == expected, f"payloads with the exit codes {codes} ended as {ended}"
        assert _statuses(resource.check(workers[::-1])) == expected[::-1], "answer in the order of the call"

    def test_strangers_disturb_nobody(self, resource: AnyResource, make_worker: MakeWorker, submit: Submit) -> None:
        """A batch id that the system never gave out is not seen, and its neighbours are."""
        (ours,) = submit([make_worker(Payload(_LONG))])
        stranger = replace(make_worker(Payload()), batch_id="99999999")
        stranger_seen, ours_seen = resource.check([stranger, ours])
        assert isinstance(stranger_seen, Gone | Unknown), f"nobody submitted it, yet the answer is {stranger_seen}"
        assert isinstance(ours_seen, Seen), f"a stranger in the list made the resource answer {ours_seen}"
        assert list(resource.kill([stranger])) == [Done()], "killing what is not there is done"
        (cleaned,) = resource.clean([stranger])
        assert isinstance(cleaned, Done | Later | Failed), f"clean answered {cleaned}"

    def test_batch_id_of_another_worker_is_not_trusted(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Batch systems reuse ids: identity is batch id and marker."""
        (worker,) = submit([make_worker(Payload(_LONG))])
        impostor = replace(make_worker(Payload()), batch_id=worker.batch_id)
        (outcome,) = resource.check([impostor])
        assert isinstance(outcome, Gone | Unknown), f"check has to compare the marker too, and answered {outcome}"
        resource.kill([impostor])
        (outcome,) = resource.check([worker])
        assert isinstance(outcome, Seen), f"after a kill for another marker the answer is {outcome}"
        assert not outcome.status.is_final, f"a kill for another marker ended the batch job: {outcome}"

    # ---- the life of a worker

    def test_worker_runs_and_finishes(self, resource: AnyResource, make_worker: MakeWorker, submit: Submit) -> None:
        """The ordinary case, with the facts that are reported to the server."""
        workers = submit([make_worker(Payload(1)), make_worker(Payload(1))])
        for outcome in self.wait(resource, workers, _has_ended):
            assert isinstance(outcome, Seen), f"an ended batch job has to be seen, and the answer is {outcome}"
            assert outcome.status is WorkerStatus.FINISHED, (
                f"the payload ended with code 0, yet the answer is {outcome}"
            )
            assert outcome.exit_code in {0, None}, f"the exit code was 0; tell 0 or None, not {outcome.exit_code}"
            _assert_times_make_sense(outcome)

    def test_running_worker_is_seen_running(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Between submitted and ended lies running."""
        workers = submit([make_worker(Payload(_LONG))])
        self.wait(resource, workers, _is_running)

    def test_failing_payload_fails_the_worker(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """The exit code and a line for the operator come along."""
        workers = submit([make_worker(Payload(exit_code=7))])
        (outcome,) = self.wait(resource, workers, _has_ended)
        assert isinstance(outcome, Seen), f"an ended batch job has to be seen, and the answer is {outcome}"
        assert outcome.status is WorkerStatus.FAILED, f"the payload ended with code 7, yet the answer is {outcome}"
        assert outcome.exit_code == 7, f"Seen.exit_code has to be the payload's 7, not {outcome.exit_code}"  # noqa: PLR2004
        assert outcome.diagnostics, "Seen.diagnostics is empty; tell the operator why it failed"

    def test_kill_ends_the_worker_and_may_be_repeated(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Kills are repeated freely, and also for what has ended already."""
        workers = submit([make_worker(Payload(_LONG)), make_worker(Payload(_LONG))])
        self.wait(resource, workers[:1], _is_running)
        assert list(resource.kill(workers)) == [Done(), Done()], "kill has to end waiting and running batch jobs"
        assert list(resource.kill(workers)) == [Done(), Done()], "a repeated kill is done"
        ended = _statuses(self.wait(resource, workers, _has_ended))
        assert set(ended) <= _ENDED_BY_KILL, f"killed workers ended as {ended}"
        assert list(resource.kill(workers)) == [Done(), Done()], "what has ended needs no kill"

    def test_clean_may_be_repeated(self, resource: AnyResource, make_worker: MakeWorker, submit: Submit) -> None:
        """Cleaning is repeated after a crash; the access point stays, it is the messenger's."""
        workers = submit([make_worker(Payload())])
        self.wait(resource, workers, _has_ended)
        assert list(resource.clean(workers)) == [Done()], "clean has to deal with an ended worker"
        assert list(resource.clean(workers)) == [Done()], "a repeated clean is done"
        lost = [
            worker.access_point for worker in workers if worker.access_point and not Path(worker.access_point).is_dir()
        ]
        assert not lost, f"clean removed {lost}, which belongs to the messenger"

    def test_harmless_payload_runs_instead_of_its_own(
        self, resource: AnyResource, make_worker: MakeWorker, tmp_path: Path
    ) -> None:
        """What `harmless` names makes workers that end well whatever they would have run."""
        directory = tmp_path / "harmless"
        directory.mkdir()
        changes = resource.harmless(directory)
        if changes is None:
            pytest.skip("it cannot tell what its workers would run")
        own = resource.settings.model_dump(by_alias=True, exclude_unset=True)
        settings = type(resource.settings).model_validate({**own, **changes})
        harmless = type(resource)(settings, resource.context)
        wanted = make_worker(Payload(exit_code=7))
        worker = _accepted(wanted, harmless.submit([wanted])[0])
        (outcome,) = self.wait(harmless, [worker], _has_ended)
        harmless.clean([worker])
        assert _statuses([outcome]) == [WorkerStatus.FINISHED], f"the harmless payload ended so: {outcome}"

    # ---- after a crash

    def test_submitted_worker_is_found_by_its_marker(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """An answer that was lost can be had again, with the same batch id."""
        _skip_if_blind(resource)
        (worker,) = submit([make_worker(Payload(_LONG))])
        other = make_worker(Payload())
        search = self._search(resource, [_forgotten(worker), other], lambda found: worker.marker in found.found)
        found = search.found[worker.marker].batch_id
        assert found == worker.batch_id, f"submit told the batch id {worker.batch_id}, find {found}"
        assert other.marker not in search.found, f"{other.marker} was never submitted, yet it is found"

    def test_ended_worker_is_found_by_its_marker(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """A complete search covers what has ended; otherwise it would be submitted again."""
        _skip_if_blind(resource)
        (worker,) = submit([make_worker(Payload())])
        self.wait(resource, [worker], _has_ended)
        search = resource.find([_forgotten(worker)])
        is_honest = worker.marker in search.found or not search.complete
        assert is_honest, f"{worker.marker} has ended and is missing, yet the search claims to be complete: {search}"

    def test_worker_that_was_never_submitted_is_certainly_absent(
        self, resource: AnyResource, make_worker: MakeWorker
    ) -> None:
        """Only then may the core submit again."""
        _skip_if_blind(resource)
        search = self._search(resource, [make_worker(Payload())], lambda found: found.complete)
        assert not search.found, f"nobody submitted it, yet the search found {search.found}"

    def test_second_submission_of_a_marker_changes_nothing(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Grade A means that the resource itself refuses to run a marker twice."""
        if resource.grade is not Grade.IDEMPOTENT:
            pytest.skip("only for resources of grade A")
        (worker,) = submit([make_worker(Payload(_LONG))])
        (outcome,) = resource.submit([_forgotten(worker)])
        assert isinstance(outcome, Submitted), f"the second submission was answered by {outcome}"
        assert outcome.batch_id == worker.batch_id, f"{worker.batch_id} became {outcome.batch_id}: it was taken twice"

    # ---- cost

    def test_processes_are_started_per_call_not_per_worker(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """One command per call and endpoint, however many workers there are."""
        if self.process_starts(resource) is None:
            pytest.skip("the resource starts no processes")
        one = self._starts(resource, lambda: submit([make_worker(Payload(_LONG))]))
        many = self._starts(resource, lambda: submit([make_worker(Payload(_LONG)) for _ in range(5)]))
        assert many <= one, f"submitting 5 workers started {many} processes, 1 worker {one}"
        workers = submit([make_worker(Payload(_LONG)) for _ in range(5)])
        one = self._starts(resource, lambda: resource.check(workers[:1]))
        many = self._starts(resource, lambda: resource.check(workers))
        assert many <= one, f"checking 5 workers started {many} processes, 1 worker {one}"

    def test_threads_may_share_the_resource(
        self, resource: AnyResource, make_worker: MakeWorker, submit: Submit
    ) -> None:
        """Agents call one resource from several threads."""
        workers = submit([make_worker(Payload(_LONG)) for _ in range(3)])
        with ThreadPoolExecutor(max_workers=4) as threads:
            answers = list(threads.map(resource.check, [workers] * 8))
        strange = [outcome for answer in answers for outcome in answer if not isinstance(outcome, Seen)]
        assert not strange, f"checked from several threads, the resource answered {strange}"

    # ---- helpers

    def _search(self, resource: AnyResource, workers: Sequence[Worker], accept: Callable[[Search], bool]) -> Search:
        deadline = time.monotonic() + self.patience
        while not accept(search := resource.find(workers)):
            assert time.monotonic() < deadline, f"after {self.patience} s the search still answers {search}"
            time.sleep(_PAUSE)
        return search

    def _starts(self, resource: AnyResource, act: Callable[[], object]) -> int:
        before = self.process_starts(resource) or 0
        act()
        return (self.process_starts(resource) or 0) - before


def _accepted(worker: Worker, outcome: Submitted | Refused | Unclear) -> Worker:
    assert isinstance(outcome, Submitted), f"worker {worker.worker_id} was not accepted: {outcome}"
    assert outcome.batch_id, "an accepted worker needs a batch id"
    return replace(
        worker, status=WorkerStatus.SUBMITTED, batch_id=outcome.batch_id, submission_host=outcome.submission_host
    )


def _forgotten(worker: Worker) -> Worker:
    """The worker as the database knows it after a crash between submission and record."""
    return replace(worker, status=WorkerStatus.PENDING, batch_id=None, submission_host=None)


def _has_ended(outcome: CheckOutcome) -> bool:
    return isinstance(outcome, Gone) or (isinstance(outcome, Seen) and outcome.status.is_final)


def _ended_too_early(worker: Worker, outcome: CheckOutcome) -> str:
    return (
        f"worker {worker.worker_id} has ended before it was seen running, which a wait cannot change: {outcome}; "
        "look at the batch system's log, and that submit hands over the access point with the payload"
    )


def _is_running(outcome: CheckOutcome) -> bool:
    return isinstance(outcome, Seen) and outcome.status is WorkerStatus.RUNNING


def _statuses(outcomes: Sequence[CheckOutcome]) -> list[WorkerStatus | CheckOutcome]:
    return [outcome.status if isinstance(outcome, Seen) else outcome for outcome in outcomes]


def _assert_times_make_sense(outcome: Seen) -> None:
    for moment in (outcome.started_at, outcome.ended_at):
        assert moment is None or moment.utcoffset() == timedelta(0), f"times are aware and UTC, not {moment!r}"
    if outcome.started_at and outcome.ended_at:
        assert outcome.started_at <= outcome.ended_at, f"it ended before it started: {outcome}"


def _skip_if_blind(resource: AnyResource) -> None:
    if resource.grade is Grade.BLIND:
        pytest.skip("resources of grade C have no markers to search")
