"""Values come back as they went in, on every engine, whether they travel as parameters or as a set of rows."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_tools import FENCE, NOW, a_job, a_worker, fetch_to, find_job, find_one, intend, submit

from harvester.core.jobs import Job, Kill
from harvester.core.workers import Worker, WorkerStatus
from harvester.store import history, jobs, worker_claims, workers
from harvester.store.engine import Database
from harvester.store.jobs import NewJob
from harvester.store.leases import WORKER_WORK, Claim, ClaimTicket, extend
from harvester.store.schema import JobPhase, WorkerPhase

TEXTS = (
    "",
    "plain",
    "Zürich → Genève",
    "日本語",
    "😀 and 👩‍👩‍👧",
    "a 'single', a \"double\" and a `back` quote",
    "back\\slash \\n \\u0041 %s %% :name ?",
    "line\nline\r\n\ttab",
    "-- ; DROP TABLE jobs; /*",
    '{"a": [1, null]}',
)
MOMENTS = (
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 30, 0, 1, tzinfo=UTC),
    datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
NASTY = "nul \x00, half a pair \ud800 \udfff"
CLEAN = "nul \N{REPLACEMENT CHARACTER}, half a pair \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
per_engine = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@per_engine
@given(content=st.dictionaries(st.text(), json_values, max_size=4))
def test_json_of_any_kind(db: Database, content: dict[str, object]):
    with db.write() as connection:
        jobs.remove(connection, [1])
        jobs.insert_fetched(connection, [NewJob(a_job(1, attributes=content), content)], NOW)
        assert jobs.params_of(connection, [1]) == {1: content}
        jobs.cancel(connection, {1: {"nested": content}}, NOW)
    assert find_job(db, 1).attributes == {"nested": content}


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_any_kind(db: Database, text: str):
    with db.write() as connection:
        intend(connection, 1, diagnostics=text, node=text)
        submit(connection, 2)
        rows = [{"worker_id": 2, "native_status": text, "diagnostics": text, "log_urls": {text: text}}]
        workers.change_seen(connection, rows, NOW)
        history.record(connection, [history.Event(history.Kind.JOB, 1, NOW, None, "x", text, "test")])
        (event,) = history.of(connection, history.Kind.JOB, 1)
    inserted, changed = find_one(db, 1).worker, find_one(db, 2).worker
    assert (inserted.diagnostics, inserted.node, event.cause) == (text, text, text)
    assert (changed.native_status, changed.diagnostics, changed.log_urls) == (text, text, {text: text})


def test_what_an_engine_cannot_store_does_not_stop_the_rows_beside_it(db: Database):
    with db.write() as connection:
        submit(connection, 1, 2)
        rows = [{"worker_id": 1, "diagnostics": NASTY}, {"worker_id": 2, "diagnostics": "good"}]
        workers.change_seen(connection, rows, NOW)
        fetch_to(connection, JobPhase.WORK, 1)
        jobs.change_working(connection, [{"job_id": 1, "meta_data": NASTY, "attributes": {"said": NASTY}}])
        history.record(connection, [history.Event(history.Kind.JOB, 1, NOW, None, "x", NASTY, "test")])
        assert [each.cause for each in history.of(connection, history.Kind.JOB, 1)] == [CLEAN]
    assert [find_one(db, each).worker.diagnostics for each in (1, 2)] == [CLEAN, "good"]
    assert find_job(db, 1).meta_data == CLEAN
    assert find_job(db, 1).attributes == {"said": NASTY}


def test_long_words_are_cut(db: Database):
    with db.write() as connection:
        submit(connection, 1)
        rows = [{"worker_id": 1, "diagnostics": "ä" * 5000, "node": "n" * 5000, "native_status": "s" * 300}]
        workers.change_seen(connection, rows, NOW)
        history.record(connection, [history.Event(history.Kind.JOB, 1, NOW, "w" * 99, "b" * 99, "c" * 9999, "test")])
        (event,) = history.of(connection, history.Kind.JOB, 1)
    worker = find_one(db, 1).worker
    assert (worker.diagnostics, worker.node, worker.native_status) == ("ä" * 500, "n" * 255, "s" * 255)
    assert (event.was, event.became, event.cause) == ("w" * 64, "b" * 64, "c" * 500)


def test_large_parameters(db: Database):
    large = {"jobPars": "x" * 1_000_000, "list": list(range(1000))}
    with db.write() as connection:
        new = [NewJob(a_job(each, attributes=large), large) for each in range(1, 6)]
        jobs.insert_fetched(connection, new, NOW)
        assert jobs.params_of(connection, [3]) == {3: large}
        jobs.cancel(connection, dict.fromkeys(range(1, 6), large), NOW)
    assert find_job(db, 5).attributes == large


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_moments_of_any_time(db: Database, moment: datetime):
    with db.write() as connection:
        intend(connection, 1, submitted_at=moment)
        submit(connection, 2)
        workers.change_seen(connection, [{"worker_id": 2, "started_at": moment}], NOW)
    assert find_one(db, 1).worker.submitted_at == moment
    assert find_one(db, 2).worker.started_at == moment


def test_moments_are_utc_wherever_they_came_from(db: Database):
    there = datetime.fromisoformat("2026-08-10T09:30:00+02:00")
    with db.write() as connection:
        intend(connection, 1, submitted_at=there)
    back = find_one(db, 1).worker.submitted_at
    assert back is not None
    assert back.isoformat() == "2026-08-10T07:30:00+00:00"


def test_nothing_stays_nothing(db: Database):
    with db.write() as connection:
        submit(connection, 1, node="n", exit_code=3, submitted_at=NOW, log_urls={"a": "b"})
        nothing = {"node": None, "exit_code": None, "ended_at": None, "log_urls": None, "batch_end": None}
        workers.change_seen(connection, [{"worker_id": 1, **nothing}], NOW)
    worker = find_one(db, 1).worker
    assert (worker.node, worker.exit_code, worker.ended_at, worker.log_urls) == (None, None, None, None)


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63 - 1, -(2**63)])
def test_numbers_of_64_bits(db: Database, number: int):
    with db.write() as connection:
        intend(connection, 1, exit_code=number)
        submit(connection, 2)
        workers.change_seen(connection, [{"worker_id": 2, "exit_code": number}], NOW)
    assert find_one(db, 1).worker.exit_code == number
    assert find_one(db, 2).worker.exit_code == number


@pytest.mark.parametrize("number", [0, 1, 2, 5000])
def test_sets_of_any_size(db: Database, number: int):
    ids = range(1, number + 1)
    with db.write() as connection:
        workers.insert_intents(connection, [a_worker(each, job_ids=(each,)) for each in ids], NOW)
        intend(connection, 900_000)
        claimed = worker_claims.claim_intents(connection, ClaimTicket(FENCE, NOW, NOW, limit=6000))
        assert len(claimed) == number + 1
        extend(connection, [Claim(WORKER_WORK, list(ids), FENCE)], NOW)
        rows = [{"worker_id": each, "batch_id": f"b{each}"} for each in ids]
        workers.settle(connection, rows, FENCE, {"status": WorkerStatus.SUBMITTED, "phase": WorkerPhase.MONITOR})
        found = workers.find(connection, list(ids))
        assert {each.worker.worker_id: each.worker.batch_id for each in found} == {each: f"b{each}" for each in ids}
        assert all(each.worker.job_ids == (each.worker.worker_id,) for each in found)
        assert workers.request_kill(connection, dict.fromkeys(ids, Kill("all of them")), NOW, "test") == list(ids)
        workers.remove(connection, list(ids), NOW)
        assert workers.find(connection, [*ids, 900_000])[0].worker.batch_id is None


def test_what_is_read_has_the_order_of_the_values_it_becomes():
    names = tuple(field.name for field in fields(Worker))
    only_while_submitted = ("launch_script", "variables")
    assert names == (*workers._FIELDS, *only_while_submitted)
    assert tuple(field.name for field in fields(Job)) == jobs._FIELDS
