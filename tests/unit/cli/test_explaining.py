from dataclasses import replace

import pytest
from cli_tools import NOW

from harvester.cli.explaining import explain_job, explain_queue, explain_worker
from harvester.cli.overview import QueueOverview
from harvester.config.unserved import HAS_ERROR
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.core.workers import Worker, WorkerStatus
from harvester.startup.loading import QueueTroubles
from harvester.store.queues import Note
from harvester.store.schema import JobPhase, WorkerPhase
from harvester.store.views import JobView, WorkerView

JOB = JobView(Job(1, "Q", JobStatus.STARTING, JobSubstatus.PREPARED), JobPhase.SUBMIT, NOW, None, NOW, (), (), ())
WORKER = WorkerView(
    Worker(2, "Q", WorkerStatus.RUNNING, "i-2", batch_id="77"), WorkerPhase.MONITOR, None, None, None, 1, 0, None, ()
)
QUEUE = QueueOverview(
    "Q",
    active=True,
    jobs={},
    workers={},
    notes=[Note("sizer", NOW, {"text": "4 of 4 workers are live", "limit": "maxWorkers"})],
)


@pytest.mark.parametrize("phase", JobPhase)
def test_every_phase_of_a_job_has_words(phase: JobPhase):
    assert any(line.startswith("It waits for ") for line in explain_job(replace(JOB, phase=phase), [], None))


@pytest.mark.parametrize("phase", WorkerPhase)
def test_every_phase_of_a_worker_has_words(phase: WorkerPhase):
    assert any(line.startswith("It waits for ") for line in explain_worker(replace(WORKER, phase=phase)))


def test_a_job_without_a_worker_is_explained_by_its_queue():
    assert any("limited by maxWorkers" in line for line in explain_job(JOB, [], QUEUE))


def test_a_job_in_transfer_names_its_files():
    file = File(1, 1, "out.root", FileKind.OUTPUT, FileStatus.TRANSFERRING, attempts=2)
    words = explain_job(replace(JOB, phase=JobPhase.STAGE, files=(file,)), [], None)
    assert "File out.root (output) is transferring, tried 2 times." in words


def test_a_worker_out_of_sight_is_said_to_count():
    unseen = replace(WORKER, worker=replace(WORKER.worker, unseen_since=NOW))
    assert any("still counts against the queue's limits" in line for line in explain_worker(unseen))


def test_an_unsettled_submission_is_told_with_its_searches():
    words = explain_worker(replace(WORKER, phase=WorkerPhase.SETTLE, tries=1, absences=2))
    assert any("2 complete listings" in line for line in words)


@pytest.mark.parametrize(
    ("troubles", "reason"),
    [
        (QueueTroubles(unserved={"Q": "its queueStatus is offline"}), "its queueStatus is offline"),
        (QueueTroubles(unserved={"R": "its queueStatus is offline"}), "no configuration names it any more"),
        (QueueTroubles(active=frozenset("Q")), "its configuration wants it served, which a service that runs has not"),
        (QueueTroubles(unreadable="no file"), "the configuration cannot be read, so nobody can say why"),
        (QueueTroubles(left_out=frozenset("Q"), unserved={"Q": HAS_ERROR}), "its configuration has an error"),
    ],
)
def test_a_queue_out_of_service_says_why(troubles: QueueTroubles, reason: str):
    first, *others = explain_queue(replace(QUEUE, active=False), {}, troubles)
    assert first.startswith(f"Queue Q is not served: {reason}")
    assert not any(line.startswith("But") for line in others)


def test_a_served_queue_that_a_start_would_leave_out_says_so():
    words = explain_queue(QUEUE, {}, QueueTroubles(left_out=frozenset("Q"), unserved={"Q": HAS_ERROR}))
    assert any(line.startswith("But the configuration of queue Q has an error") for line in words)


def test_words_of_others_cannot_steer_the_terminal():
    hostile = replace(WORKER, worker=replace(WORKER.worker, diagnostics="\x1b[2J gone"))
    assert not any("\x1b" in line for line in explain_worker(hostile))


def test_what_each_resource_type_got_of_an_order_is_told():
    by_type = {"MCORE": {"wanted": 2, "new": 1, "limit": "nQueueLimitWorker"}}
    note = Note("sizer", NOW, {"new_workers": 1, "text": "4 of 5 workers are queued", "by_type": by_type})
    words = explain_queue(replace(QUEUE, notes=[note]), {})
    assert any("1 of 2 MCORE, limited by nQueueLimitWorker" in line for line in words)


def test_a_queue_without_workers_is_said_to_have_none():
    assert "It has no live workers and remembers no ended ones." in explain_queue(QUEUE, {})


FAILED = Worker(7, "Q", WorkerStatus.FAILED, "i-7", batch_id="4711", ended_at=NOW, diagnostics="FAILED; exit code 127")
REFUSED = Worker(8, "Q", WorkerStatus.MISSED, "i-8", ended_at=NOW, diagnostics="invalid partition")


def test_the_last_failure_and_the_last_refusal_are_told():
    failure, refusal = explain_queue(QUEUE, {}, failed=FAILED, refused=REFUSED)[-2:]
    told = "worker 7, batch id 4711, at 2026-03-01 12:00:00: FAILED; exit code 127"
    assert failure == f"Last failure: {told}; `harvester worker explain 7` tells more."
    assert refusal == "Last refusal: worker 8 at 2026-03-01 12:00:00: invalid partition."


def test_a_refusal_that_the_submitter_tells_of_is_told_once():
    note = Note("submitter", NOW, {"text": "not all workers were taken", "problem": "invalid partition"})
    words = explain_queue(replace(QUEUE, notes=[note]), {}, refused=REFUSED)
    assert sum("invalid partition" in line for line in words) == 1
