"""What a round of checks means: tables of single cases, and what holds for all of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.held import Held
from harvester.core.jobs import Job, JobStatus, JobSubstatus, PilotError
from harvester.core.judging import Observation, Rules, judge, judge_job, reason_to_kill, trusted
from harvester.core.news import News
from harvester.core.outcomes import CheckOutcome, Done, Failed, Gone, Later, Seen, Unknown
from harvester.core.workers import FINAL_WORKER_STATUSES, Worker, WorkerStatus

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
RULES = Rules(
    queue_time=timedelta(hours=10),
    check_timeout=timedelta(hours=2),
    heartbeat=timedelta(hours=1),
    jobless=timedelta(hours=2),
    gather=timedelta(minutes=5),
)
LATER = Later("the log is still being written")
ENDS = (WorkerStatus.FINISHED, WorkerStatus.FAILED, WorkerStatus.CANCELLED)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def held(
    status: WorkerStatus = WorkerStatus.RUNNING,
    batch_end: WorkerStatus | None = None,
    kill_error: PilotError | None = None,
    **more: object,
) -> Held:
    worker = Worker(7, "HERE", status, "test-7", batch_id="b7", job_ids=(1,))
    return Held(replace(worker, **{"submitted_at": ago(hours=1), **more}), 1, 0, batch_end, kill_error)


def seen(outcome: CheckOutcome, before: Held | None = None, **more: object) -> Observation:
    return Observation(before or held(), outcome, **more)


statuses = st.sampled_from(WorkerStatus)
moments = st.none() | st.timedeltas(timedelta(days=-9), timedelta(days=1)).map(lambda span: NOW + span)
outcomes = (
    st.builds(Seen, statuses, exit_code=st.none() | st.integers(0, 255), started_at=moments, ended_at=moments)
    | st.just(Gone("not listed"))
    | st.just(Unknown("no answer"))
)
news = st.builds(News, kill_requested=st.booleans(), heartbeat_at=moments)
finishes = st.sampled_from([Done(), LATER, Failed("no log")])


@st.composite
def endings(draw: st.DrawFn) -> Observation:
    """A worker whose batch job has ended and whose outputs are still being gathered."""
    end = draw(st.sampled_from(ENDS))
    live = draw(st.sampled_from([WorkerStatus.RUNNING, WorkerStatus.IDLE]))
    before = held(live, end, ended_at=draw(moments.filter(bool)), diagnostics=draw(st.sampled_from(["", "why"])))
    return Observation(before, Seen(end), draw(news), draw(finishes))


observations = endings() | st.builds(
    Observation, st.builds(held, statuses, started_at=moments, ended_at=moments), outcomes, news, finishes
)


# ---- workers ---------------------------------------------------------------------------------------------------------


@given(observations)
def test_an_end_is_never_left(observation: Observation):
    if observation.held.worker.status.is_final:
        assert judge(observation, RULES, NOW) is None


@given(observations)
def test_no_worker_goes_back_to_waiting(observation: Observation):
    verdict = judge(observation, RULES, NOW)
    if verdict and observation.held.worker.status in (WorkerStatus.RUNNING, WorkerStatus.IDLE):
        assert verdict.status in {WorkerStatus.RUNNING, WorkerStatus.IDLE, *ENDS}


@given(observations)
def test_an_end_has_its_time_and_a_live_worker_that_is_not_ending_has_none(observation: Observation):
    verdict = judge(observation, RULES, NOW)
    if verdict:
        assert (verdict.ended_at is not None) == (verdict.status.is_final or verdict.batch_end is not None)


@given(st.builds(held, statuses, st.none() | st.sampled_from(ENDS)), st.sampled_from([Done(), LATER]))
def test_unknown_changes_nothing(before: Held, finished: Done | Later):
    assert judge(seen(Unknown("no answer"), before, finished=finished), RULES, NOW) is None


@pytest.mark.parametrize("status", [each for each in WorkerStatus if each is not WorkerStatus.PENDING])
def test_nothing_new_is_nothing_to_write(status: WorkerStatus):
    assert judge(seen(Seen(status), held(status)), RULES, NOW) is None


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (WorkerStatus.SUBMITTED, Seen(WorkerStatus.RUNNING), WorkerStatus.RUNNING),
        (WorkerStatus.SUBMITTED, Seen(WorkerStatus.FINISHED), WorkerStatus.FINISHED),
        (WorkerStatus.RUNNING, Seen(WorkerStatus.IDLE), WorkerStatus.IDLE),
        (WorkerStatus.RUNNING, Seen(WorkerStatus.SUBMITTED), WorkerStatus.IDLE),
        (WorkerStatus.IDLE, Seen(WorkerStatus.RUNNING), WorkerStatus.RUNNING),
        (WorkerStatus.RUNNING, Seen(WorkerStatus.CANCELLED), WorkerStatus.CANCELLED),
        (WorkerStatus.RUNNING, Gone("not listed"), WorkerStatus.FAILED),
    ],
)
def test_what_was_seen_becomes_the_status(before: WorkerStatus, outcome: CheckOutcome, after: WorkerStatus):
    verdict = judge(seen(outcome, held(before)), RULES, NOW)
    assert verdict is not None
    assert verdict.status is after


def test_a_resource_that_calls_a_worker_ready_only_says_that_it_runs():
    assert judge(seen(Seen(WorkerStatus.READY), held(WorkerStatus.RUNNING)), RULES, NOW) is None
    verdict = judge(seen(Seen(WorkerStatus.READY), held(WorkerStatus.SUBMITTED)), RULES, NOW)
    assert verdict is not None
    assert verdict.status is WorkerStatus.RUNNING


@pytest.mark.parametrize("status", [WorkerStatus.PENDING, WorkerStatus.MISSED])
def test_a_status_that_no_resource_can_tell_changes_nothing(status: WorkerStatus):
    assert judge(seen(Seen(status)), RULES, NOW) is None


def test_what_the_resource_told_is_kept():
    told = Seen(
        WorkerStatus.FAILED,
        native_status="OUT_OF_MEMORY",
        exit_code=137,
        diagnostics="used 9 GB of 8",
        error_code=1500,
        node="n1",
        started_at=ago(minutes=50),
        ended_at=ago(minutes=1),
    )
    verdict = judge(seen(told, held(node="old")), RULES, NOW)
    assert verdict is not None
    assert verdict.cause == "OUT_OF_MEMORY; exit code 137; used 9 GB of 8"
    assert (verdict.exit_code, verdict.error_code, verdict.node) == (137, 1500, "n1")
    assert (verdict.started_at, verdict.ended_at) == (ago(minutes=50), ago(minutes=1))


def test_times_that_nobody_told_are_those_of_the_check():
    verdict = judge(seen(Seen(WorkerStatus.RUNNING), held(WorkerStatus.SUBMITTED)), RULES, NOW)
    assert verdict is not None
    assert (verdict.started_at, verdict.ended_at) == (NOW, None)


# ---- gathering outputs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [(WorkerStatus.SUBMITTED, WorkerStatus.IDLE), (WorkerStatus.RUNNING, WorkerStatus.RUNNING)],
)
def test_an_end_waits_until_the_outputs_are_gathered(before: WorkerStatus, meanwhile: WorkerStatus):
    ended = Seen(WorkerStatus.FAILED, exit_code=3, ended_at=ago(minutes=4))
    verdict = judge(seen(ended, held(before), finished=LATER), RULES, NOW)
    assert verdict is not None
    assert (verdict.status, verdict.batch_end, verdict.exit_code) == (meanwhile, WorkerStatus.FAILED, 3)
    assert verdict.ended_at == ago(minutes=4)


def test_while_it_waits_nothing_is_written_again():
    waits = held(WorkerStatus.RUNNING, WorkerStatus.FINISHED, ended_at=ago(minutes=4))
    assert judge(seen(Seen(WorkerStatus.FINISHED), waits, finished=LATER), RULES, NOW) is None


@pytest.mark.parametrize("finished", [Done(), Failed("no log")])
def test_the_end_comes_when_the_outputs_are_there_or_lost(finished: Done | Failed):
    waits = held(WorkerStatus.RUNNING, WorkerStatus.FINISHED, ended_at=ago(minutes=4), exit_code=0)
    verdict = judge(seen(Seen(WorkerStatus.FINISHED), waits, finished=finished), RULES, NOW)
    assert verdict is not None
    assert (verdict.status, verdict.ended_at, verdict.exit_code) == (WorkerStatus.FINISHED, ago(minutes=4), 0)


def test_outputs_are_not_waited_for_longer_than_the_gather_time():
    waits = held(WorkerStatus.RUNNING, WorkerStatus.FAILED, ended_at=ago(minutes=5))
    verdict = judge(seen(Seen(WorkerStatus.FAILED), waits, finished=LATER), RULES, NOW)
    assert verdict is not None
    assert verdict.status is WorkerStatus.FAILED
    assert LATER.reason in verdict.cause


def test_why_a_batch_job_ended_is_still_known_when_its_outputs_are_there():
    first = judge(seen(Seen(WorkerStatus.FAILED, "OUT_OF_MEMORY", 137, "used 9 GB of 8"), finished=LATER), RULES, NOW)
    assert first is not None
    waits = held(batch_end=WorkerStatus.FAILED, diagnostics=first.cause, exit_code=first.exit_code, ended_at=NOW)
    last = judge(seen(Seen(WorkerStatus.FAILED), waits), RULES, NOW)
    assert last is not None
    assert (last.cause, last.exit_code) == ("OUT_OF_MEMORY; exit code 137; used 9 GB of 8", 137)


@pytest.mark.parametrize(
    "nonsense",
    [
        None,
        "running",
        Seen("running"),
        Seen(WorkerStatus.FINISHED, ended_at=datetime(2026, 1, 1)),  # noqa: DTZ001 (a naive moment is the nonsense)
        Seen(WorkerStatus.RUNNING, started_at="yesterday"),
    ],
)
def test_an_answer_outside_the_contract_tells_nothing(nonsense: object):
    assert isinstance(trusted(nonsense), Unknown)


@given(outcomes)
def test_an_answer_within_the_contract_is_taken_as_it_is(outcome: CheckOutcome):
    assert trusted(outcome) is outcome


# ---- kills -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (seen(Seen(WorkerStatus.RUNNING)), None),
        (seen(Seen(WorkerStatus.RUNNING), news=News(kill_requested=True)), "asked for it"),
        (
            seen(Seen(WorkerStatus.SUBMITTED), held(WorkerStatus.SUBMITTED, submitted_at=ago(hours=11))),
            "QueueTimeLimit",
        ),
        (seen(Seen(WorkerStatus.SUBMITTED), held(WorkerStatus.SUBMITTED, submitted_at=ago(hours=9))), None),
        (seen(Seen(WorkerStatus.RUNNING), held(WorkerStatus.SUBMITTED, submitted_at=ago(hours=11))), None),
        (seen(Unknown("?"), held(WorkerStatus.SUBMITTED, submitted_at=ago(hours=11))), None),
        (seen(Seen(WorkerStatus.RUNNING), held(started_at=ago(hours=2))), "heartbeat"),
        (seen(Seen(WorkerStatus.RUNNING), held(started_at=ago(hours=2)), news=News(heartbeat_at=ago(minutes=1))), None),
        (
            seen(Seen(WorkerStatus.RUNNING), held(started_at=ago(hours=9)), news=News(heartbeat_at=ago(hours=2))),
            "2.0 h",
        ),
        (seen(Unknown("?"), held(unseen_since=ago(hours=3))), "checkTimeout"),
        (seen(Unknown("?"), held(unseen_since=ago(hours=1))), None),
        (seen(Seen(WorkerStatus.RUNNING), held(unseen_since=ago(hours=3))), None),
        (seen(Seen(WorkerStatus.FINISHED), held(started_at=ago(hours=9)), news=News(kill_requested=True)), None),
        (seen(Seen(WorkerStatus.RUNNING), held(batch_end=WorkerStatus.FAILED), news=News(kill_requested=True)), None),
    ],
)
def test_who_has_to_be_killed_and_why(observation: Observation, reason: str | None):
    told = reason_to_kill(observation, RULES, NOW)
    assert (told is None) if reason is None else (told is not None and reason in told.reason)


@given(observations)
def test_without_limits_only_the_workers_own_wish_kills(observation: Observation):
    free = Rules(timedelta.max, None, None, timedelta.max, RULES.gather)
    assert (reason_to_kill(observation, free, NOW) is None) or observation.news.kill_requested


# ---- jobs ------------------------------------------------------------------------------------------------------------

JOB = Job(1, "HERE", JobStatus.STARTING, JobSubstatus.SUBMITTED)


def change(status: WorkerStatus, before: Held | None = None, **told: object):
    news = News(attributes={1: told} if told else {})
    observation = seen(Seen(status, diagnostics="disk full"), before or held(WorkerStatus.SUBMITTED), news=news)
    return judge_job(JOB, observation, judge(observation, RULES, NOW), NOW)


@pytest.mark.parametrize(
    ("worker", "told", "status", "substatus"),
    [
        (WorkerStatus.RUNNING, {}, JobStatus.RUNNING, JobSubstatus.RUNNING),
        (WorkerStatus.IDLE, {}, JobStatus.RUNNING, JobSubstatus.IDLE),
        (WorkerStatus.FINISHED, {}, JobStatus.FINISHED, JobSubstatus.TO_TRANSFER),
        (WorkerStatus.FAILED, {}, JobStatus.FAILED, JobSubstatus.TO_TRANSFER),
        (WorkerStatus.CANCELLED, {}, JobStatus.CANCELLED, JobSubstatus.TO_TRANSFER),
        (WorkerStatus.FINISHED, {"jobStatus": "failed"}, JobStatus.FAILED, JobSubstatus.TO_TRANSFER),
        (WorkerStatus.FAILED, {"jobStatus": "finished"}, JobStatus.FINISHED, JobSubstatus.TO_TRANSFER),
        (WorkerStatus.RUNNING, {"jobStatus": "finished"}, JobStatus.RUNNING, JobSubstatus.RUNNING),
        (WorkerStatus.FINISHED, {"jobStatus": "nonsense"}, JobStatus.FINISHED, JobSubstatus.TO_TRANSFER),
    ],
)
def test_what_a_worker_makes_of_its_job(
    worker: WorkerStatus, told: dict[str, object], status: JobStatus, substatus: JobSubstatus
):
    changed = change(worker, **told)
    assert changed is not None
    assert (changed.status, changed.substatus) == (status, substatus)
    assert (changed.ended_at is not None) == status.is_final


def test_no_news_change_no_job():
    assert judge_job(JOB, seen(Unknown("?")), None, NOW) is None


@pytest.mark.parametrize(
    ("status", "code"), [(WorkerStatus.FAILED, PilotError.GENERAL), (WorkerStatus.CANCELLED, PilotError.KILLED)]
)
def test_a_job_that_nobody_explains_gets_the_workers_reason(status: WorkerStatus, code: int):
    changed = change(status)
    assert changed is not None
    assert changed.attributes["pilotErrorCode"] == code
    assert "worker 7" in str(changed.attributes["pilotErrorDiag"])
    assert "disk full" in str(changed.attributes["pilotErrorDiag"])


def test_a_job_whose_worker_we_gave_up_says_so():
    changed = change(WorkerStatus.CANCELLED, held(WorkerStatus.SUBMITTED, kill_error=PilotError.KILLED_BY_HARVESTER))
    assert changed is not None
    assert changed.attributes["pilotErrorCode"] == PilotError.KILLED_BY_HARVESTER


def test_the_workers_own_explanation_wins():
    changed = change(WorkerStatus.FAILED, exeErrorCode=65)
    assert changed is not None
    assert changed.attributes == {"batchID": "b7", "exeErrorCode": 65}


def test_a_finished_job_has_no_error():
    changed = change(WorkerStatus.FINISHED)
    assert changed is not None
    assert changed.attributes == {"batchID": "b7"}


def test_meta_data_are_kept_as_text():
    changed = change(WorkerStatus.RUNNING, metaData={"a": 1}, nEvents=3)
    assert changed is not None
    assert changed.meta_data == '{"a": 1}'
    assert "metaData" not in changed.attributes


def test_every_final_status_of_a_worker_ends_its_job():
    assert {worker for worker in WorkerStatus if worker in FINAL_WORKER_STATUSES} == {*ENDS, WorkerStatus.MISSED}
