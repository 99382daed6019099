"""The simulation finds what it is there to find: each of these defects would be noticed within a few seeds."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

import pytest

from harvester.agents import event_reports, job_changes, listening, reconciler, submitter
from harvester.agents.holds import HeldQueues
from harvester.agents.propagator import JobPropagator
from harvester.core import judging
from harvester.core.jobs import Job, Kill, PilotError
from harvester.core.shared_jobs import JobWorker, SharedState
from harvester.core.workers import WorkerStatus, next_worker_status
from harvester.panda.messages import JobReply
from harvester.plugins.api import CheckOutcome, Seen, Unknown
from harvester.store import leases, orders, worker_claims, worker_counts
from harvester.store.schema import WorkerPhase
from simulation_harness import torments
from simulation_harness.kinds import Kind
from simulation_harness.plan import HOUR, draw
from simulation_harness.play import play
from simulation_harness.plugins import current_world
from simulation_harness.process import Disk
from simulation_harness.world import World

Patch = pytest.MonkeyPatch
ENOUGH = 40


def ask_before_the_claim_is_stored(patch: Patch) -> None:
    """Whoever dies between submission and record leaves workers behind that are submitted again."""
    real = worker_claims.claim_rows

    def claim_rows(*arguments: Any, also: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 (passed through)
        return real(*arguments, also={**also, "phase": WorkerPhase.SUBMIT} if also and "tries" in also else also)

    patch.setattr(worker_claims, "claim_rows", claim_rows)


def trust_every_fence(patch: Patch) -> None:
    """Whoever was frozen goes on as if nothing had happened."""
    patch.setattr(leases, "held_keys", lambda _connection, _pair, ids, _fence: frozenset(ids))
    patch.setattr(submitter.Submitter, "_still_ours", lambda _self, _unit, some: list(some))


def take_unknown_for_gone(patch: Patch) -> None:
    """A blind moment ends workers that run on."""
    real = judging._as_seen

    def as_seen(outcome: CheckOutcome) -> Seen | None:
        return Seen(WorkerStatus.FAILED) if isinstance(outcome, Unknown) else real(outcome)

    patch.setattr(judging, "_as_seen", as_seen)


def count_what_is_listed(patch: Patch) -> None:
    """Limits count what the resource shows."""

    def live(_: object, names: Collection[str]) -> dict[str, dict[WorkerStatus, int]]:
        world = current_world()
        shown = {name: [each for each in world.batch.live(name) if each.appears <= world.now] for name in names}
        return {name: {WorkerStatus.SUBMITTED: len(some)} for name, some in shown.items()}

    patch.setattr(worker_counts, "live", live)


def believe_every_listing(patch: Patch) -> None:
    """What a search did not find is taken for absent, though the listing was not complete."""
    real = reconciler.Reconciler.act
    patch.setattr(reconciler.Reconciler, "act", lambda self, unit: replace(real(self, unit), complete=True))


def take_silence_for_consent(patch: Patch) -> None:
    """Reports that were not accepted are not sent again."""
    real = JobPropagator.commit

    def commit(self: JobPropagator, connection: Any, unit: Any, result: Sequence[JobReply]) -> Sequence[str]:  # noqa: ANN401 (passed through)
        return real(self, connection, unit, [replace(each, accepted=True) for each in result])

    patch.setattr(JobPropagator, "commit", commit)


def end_with_the_first(patch: Patch) -> None:
    """A job that several workers share ends with the first of them."""
    real = job_changes.shared_state

    def shared_state(job: Job, shares: Sequence[JobWorker], now: datetime) -> SharedState:
        return real(job, [each for each in shares if each.status.is_final] or shares, now)

    patch.setattr(job_changes, "shared_state", shared_state)


def ask_the_worker_alone(patch: Patch) -> None:
    """Jobs that share a worker end as it ends, whatever it said of each."""
    patch.setattr(judging, "_reported_end", lambda _: None)


def give_up_what_nobody_took(patch: Patch) -> None:
    """A job that was put where a pilot never looked ends with this pilot."""
    patch.setattr(listening.Listener, "_with_untaken", lambda _self, _messenger, ended: ended)


def go_back(patch: Patch) -> None:
    """A worker that was taken back to wait, or is said to be, is told of as if it had never run."""

    def next_status(current: WorkerStatus, seen: WorkerStatus) -> WorkerStatus:
        has_begun = current in {WorkerStatus.RUNNING, WorkerStatus.IDLE}
        return seen if has_begun and seen is WorkerStatus.SUBMITTED else next_worker_status(current, seen)

    patch.setattr(judging, "next_worker_status", next_status)


def lose_patience(patch: Patch) -> None:
    """Workers that have run for an hour are taken for silent."""

    def silent(seen: judging.Observation, _rules: judging.Rules, now: datetime) -> Kill | None:
        started = seen.held.worker.started_at
        is_late = started is not None and now - started > timedelta(hours=1)
        return Kill("silent", PilotError.KILLED_BY_HARVESTER) if is_late else None

    patch.setattr(judging, "_silent_too_long", silent)


def ask_nobody_at_the_prompt(patch: Patch) -> None:
    """Nobody can hold a queue back."""
    patch.setattr(HeldQueues, "of", lambda *_: {})


def forget_what_came(patch: Patch) -> None:
    """Workers that were ordered come again and again."""
    patch.setattr(orders, "consume", lambda *_: None)


def keep_event_ranges_secret(patch: Patch) -> None:
    """The ends of event ranges are taken for told."""
    patch.setattr(event_reports, "_tell", lambda _instance, ended, _described: {each.event_id for each in ended})


def show_half_and_answer_half(world: World) -> None:
    """For an hour every listing is patchy, and many submissions are obeyed without an answer."""
    world.batch.mood.patchy, world.batch.mood.absent_minded = world.now + HOUR, 0.5


FREEZING = (torments.freeze_at_a_point, torments.give_more_jobs)
SEARCHING = (show_half_and_answer_half, torments.give_more_jobs)
FAILING = (torments.sicken_server, torments.cut_off_server, torments.give_more_jobs)
HOLDING = (torments.hold_a_queue_back, torments.give_more_jobs)
REQUEUEING = (torments.hurt_a_batch_job, torments.give_more_jobs)


@dataclass(frozen=True, slots=True)
class Defect:
    """One broken promise.

    Attributes:
        plant: breaks it.
        invariants: how the first words of a finding about it may begin.
        what: what goes wrong meanwhile.
        kind: of a queue that the seeds must have.
    """

    plant: Callable[[Patch], None]
    invariants: tuple[str, ...]
    what: Sequence[torments.Torment] = torments.TORMENTS
    kind: Kind | None = None

    def seeds(self) -> Iterator[int]:
        """Those that may show it."""
        return islice((seed for seed in count() if self.kind is None or self.kind in draw(seed).queues), ENOUGH)


DEFECTS = (
    Defect(ask_before_the_claim_is_stored, ("I1", "I2")),
    Defect(trust_every_fence, ("I1", "I2"), FREEZING),
    Defect(take_unknown_for_gone, ("I3", "I4", "I6")),
    Defect(count_what_is_listed, ("I3",)),
    Defect(believe_every_listing, ("I1", "I2"), SEARCHING),
    Defect(take_silence_for_consent, ("I4", "I6"), FAILING, kind=Kind.PUSH),
    Defect(go_back, ("I5",), REQUEUEING),
    Defect(lose_patience, ("kill",), kind=Kind.PUSH),
    Defect(end_with_the_first, ("I2", "I4"), kind=Kind.SPREAD),
    Defect(ask_the_worker_alone, ("I4",), kind=Kind.SHARED),
    Defect(give_up_what_nobody_took, ("I4",), kind=Kind.LATE),
    Defect(ask_nobody_at_the_prompt, ("hold",), HOLDING),
    Defect(forget_what_came, ("order",), kind=Kind.SLAVE),
    Defect(keep_event_ranges_secret, ("I4",), kind=Kind.DIVIDED),
)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda each: each.plant.__name__)
def test_a_defect_is_found(defect: Defect, disk: Disk, monkeypatch: pytest.MonkeyPatch):
    defect.plant(monkeypatch)
    found = next((outcome for seed in defect.seeds() if (outcome := play(seed, disk, defect.what)).findings), None)
    assert found is not None, f"nobody noticed it in {ENOUGH} seeds"
    assert any(each.startswith(defect.invariants) for each in found.findings), found.told()
