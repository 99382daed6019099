"""The simulation finds what it is there to find: each of these defects would be noticed within a few seeds."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harvester.agents import judging, reconciler, submitter
from harvester.agents.propagator import JobPropagator
from harvester.core.workers import WorkerStatus
from harvester.panda.messages import JobReply
from harvester.plugins.api import CheckOutcome, Seen, Unknown
from harvester.store import worker_counts, workers
from harvester.store.schema import WorkerPhase
from simulation_harness import torments
from simulation_harness.plan import HOUR
from simulation_harness.play import play
from simulation_harness.plugins import current_world
from simulation_harness.process import Disk
from simulation_harness.world import World

Patch = pytest.MonkeyPatch
ENOUGH = 40


def ask_before_the_claim_is_stored(patch: Patch) -> None:
    """Whoever dies between submission and record leaves workers behind that are submitted again."""
    real = workers.claim_rows

    def claim_rows(*arguments: Any, also: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        return real(*arguments, also={**also, "phase": WorkerPhase.SUBMIT} if also and "tries" in also else also)

    patch.setattr(workers, "claim_rows", claim_rows)


def trust_every_fence(patch: Patch) -> None:
    """Whoever was frozen goes on as if nothing had happened."""
    patch.setattr(workers, "held_ids", lambda _connection, ids, _fence: frozenset(ids))
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

    def commit(self: JobPropagator, connection: Any, unit: Any, result: Sequence[JobReply]) -> Sequence[str]:  # noqa: ANN401
        return real(self, connection, unit, [replace(each, accepted=True) for each in result])

    patch.setattr(JobPropagator, "commit", commit)


def show_half_and_answer_half(world: World) -> None:
    """For an hour every listing is patchy, and many submissions are obeyed without an answer."""
    world.batch.mood.patchy, world.batch.mood.absent_minded = world.now + HOUR, 0.5


FREEZING = (torments.freeze_at_a_point, torments.give_more_jobs)
SEARCHING = (show_half_and_answer_half, torments.give_more_jobs)
FAILING = (torments.sicken_server, torments.cut_off_server, torments.give_more_jobs)


@pytest.mark.parametrize(
    ("defect", "what", "invariants"),
    [
        (ask_before_the_claim_is_stored, torments.TORMENTS, ("I1", "I2")),
        (trust_every_fence, FREEZING, ("I1", "I2")),
        (take_unknown_for_gone, torments.TORMENTS, ("I3", "I4", "I6")),
        (count_what_is_listed, torments.TORMENTS, ("I3",)),
        (believe_every_listing, SEARCHING, ("I1", "I2")),
        (take_silence_for_consent, FAILING, ("I4", "I6")),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_a_defect_is_found(
    defect: Callable[[Patch], None],
    what: Sequence[torments.Torment],
    invariants: tuple[str, ...],
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
):
    defect(monkeypatch)
    found = next((outcome for seed in range(ENOUGH) if (outcome := play(seed, disk, what)).findings), None)
    assert found is not None, f"nobody noticed it in {ENOUGH} seeds"
    assert any(each.startswith(invariants) for each in found.findings), found.told()
