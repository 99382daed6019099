"""Event ranges and requests for them, on each engine."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from store_tools import FENCE, LEASE, NOW, a_job, a_worker, after, counted

from harvester.core.events import EventMode, EventState
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.workers import WorkerStatus
from harvester.store import event_requests, events, files, jobs, leases, worker_claims, workers
from harvester.store.engine import Database
from harvester.store.event_requests import EventRequest
from harvester.store.events import Allotment, Word
from harvester.store.jobs import NewJob
from harvester.store.leases import EVENT_REQUEST, ClaimTicket
from harvester.store.schema import WorkerPhase
from harvester.store.schema import events as event_table

MANY = 1000


def word(place: int, said: str = "finished", lfn: str | None = None, job: int = 1) -> Word:
    return Word(job, 7, f"r-{place}", said, lfn, {"coreCount": 1})


def allotted(number: int, job: int = 1, worker: int = 7) -> list[Allotment]:
    return [Allotment(job, worker, f"r-{place}", {"eventRangeID": f"r-{place}"}) for place in range(number)]


def states(db: Database) -> dict[str, EventState]:
    with db.read() as connection:
        return {row[0]: row[1] for row in connection.execute(select(event_table.c.range_id, event_table.c.state))}


def a_held_worker(db: Database, worker_id: int = 7) -> None:
    with db.write() as connection:
        workers.insert_intents(connection, [a_worker(worker_id, job_ids=(1,))], NOW)
        held = worker_claims.claim_intents(connection, ClaimTicket(FENCE, NOW, NOW + LEASE))
        same = {"status": WorkerStatus.SUBMITTED, "phase": WorkerPhase.MONITOR, "due": None}
        workers.settle(connection, [{"worker_id": each.worker_id, "batch_id": "b"} for each in held], FENCE, same)


def test_a_range_is_allotted_once(db: Database):
    with db.write() as connection:
        assert len(events.allot(connection, allotted(3), 1)) == 3
        assert [each.range_id for each in events.allot(connection, allotted(4, worker=8), 2)] == ["r-3"]
        assert events.of_deliveries(connection, {1, 2}) == {
            7: {1: [{"eventRangeID": f"r-{place}"} for place in range(3)]},
            8: {1: [{"eventRangeID": "r-3"}]},
        }
        events.note_given(connection, {1}, {7})
        assert events.of_deliveries(connection, {1, 2}) == {8: {1: [{"eventRangeID": "r-3"}]}}
    assert states(db) == dict.fromkeys(("r-0", "r-1", "r-2"), EventState.GIVEN) | {"r-3": EventState.ALLOTTED}


def test_a_range_is_given_in_other_words_until_it_was_given(db: Database):
    first, second, third = ({"eventRangeID": f"r-{place}", "hp_point": {"id": place}} for place in range(3))
    with db.write() as connection:
        events.allot(connection, allotted(3), 1)
        events.describe(connection, {})
        events.describe(connection, {(1, "r-0"): first, (1, "r-1"): second})
        events.refuse(connection, {(1, "r-2"): "nobody knows it"})
        events.refuse(connection, {})
        assert events.of_deliveries(connection, {1}) == {7: {1: [first, second]}}
        events.note_given(connection, {1}, {7})
        events.describe(connection, {(1, "r-0"): third})
        events.refuse(connection, {(1, "r-1"): "too late"})
        assert events.of_deliveries(connection, {1}) == {}
        (refused,) = events.ended_of_jobs(connection, [1], 10)
    assert (refused.range_id, refused.about) == ("r-2", {"errorDiag": "nobody knows it"})
    assert states(db) == {"r-0": EventState.GIVEN, "r-1": EventState.GIVEN, "r-2": EventState.FAILED}


def test_an_end_may_be_told_before_the_feeding_is_recorded(db: Database):
    with db.write() as connection:
        events.allot(connection, allotted(1), 1)
        assert events.note_words(connection, [word(0)]) == {1}
        events.note_given(connection, {1}, {7})
    assert states(db) == {"r-0": EventState.FINISHED}


def test_unknown_ranges_are_taken_in_and_ended_ones_stay(db: Database):
    with db.write() as connection:
        assert events.note_words(connection, [word(0, "running"), word(1), word(1, "failed")]) == {1}
        assert events.note_words(connection, [word(1, "finished"), word(0, "fatal")]) == {1}
        assert events.note_words(connection, [word(0, "running")]) == frozenset()
    assert states(db) == dict.fromkeys(("r-0", "r-1"), EventState.FAILED)


def test_a_range_is_told_when_its_file_is_stored(db: Database):
    with db.write() as connection:
        new = [File(0, 1, lfn, FileKind.ES_OUTPUT, FileStatus.DEFINED, size=3) for lfn in ("a", "b", "c")]
        files.insert_new(connection, new)
        words = [word(0, lfn="a"), word(1, lfn="b"), word(2, lfn="c"), word(3)]
        assert events.note_words(connection, words) == {1}
        stored = files.of_jobs(connection, [1], [FileKind.ES_OUTPUT])[1]
        ends = (FileStatus.FINISHED, FileStatus.FAILED, FileStatus.TRANSFERRING)
        changes = zip(stored, ends, strict=True)
        files.note_travels(connection, [replace(each, status=status, objstore_id=4) for each, status in changes])
        ended = events.ended_of_jobs(connection, [1], 10)
        assert [(each.range_id, each.state) for each in ended] == [
            ("r-0", EventState.FINISHED),
            ("r-1", EventState.FAILED),
            ("r-3", EventState.FINISHED),
        ]
        assert [each.file.lfn if each.file else None for each in ended] == ["a", "b", None]
        assert len(events.ended_of_jobs(connection, [1], 2)) == 2
        events.note_told(connection, [each.event_id for each in ended])
        assert events.ended_of_jobs(connection, [1], 10) == []
        events.forget(connection, [1])
    assert states(db) == {}


@pytest.mark.parametrize(
    ("pack", "state"),
    [
        (FileStatus.ZIPPING, None),
        (FileStatus.TRANSFERRING, None),
        (FileStatus.FINISHED, EventState.FINISHED),
        (FileStatus.FAILED, EventState.FAILED),
    ],
)
def test_a_range_that_is_packed_is_told_with_what_it_is_packed_into(
    db: Database, pack: FileStatus, state: EventState | None
):
    with db.write() as connection:
        zipped = File(0, 1, "all.zip", FileKind.ZIP_OUTPUT, pack, size=99, checksum="ad:1", objstore_id=4)
        files.insert_new(connection, [zipped])
        (stored,) = files.of_jobs(connection, [1], [FileKind.ZIP_OUTPUT])[1]
        part = File(0, 1, "a", FileKind.ES_OUTPUT, FileStatus.ZIPPED, size=3, packed_in=stored.file_id)
        files.insert_new(connection, [part])
        events.note_words(connection, [word(0, lfn="a")])
        ended = events.ended_of_jobs(connection, [1], 10)
    assert [each.state for each in ended] == ([state] if state else [])
    for each in ended:
        assert each.file
        assert (each.file.lfn, each.file.size, each.file.objstore_id) == ("all.zip", 99, 4)


def test_statements_do_not_grow_with_the_ranges(db: Database):
    spent = []
    for number in (10, MANY):
        with db.write() as connection, counted(db) as statements:
            events.allot(connection, allotted(number), number)
            events.of_deliveries(connection, {number})
            events.note_given(connection, {number}, {7})
            events.note_words(connection, [word(place) for place in range(number)])
            ended = events.ended_of_jobs(connection, [1], MANY)
            assert len(ended) == number
            events.note_told(connection, [each.event_id for each in ended])
            events.forget(connection, [1])
        spent.append(len(statements))
    assert spent[0] == spent[1]


# ---- requests --------------------------------------------------------------------------------------------------------


def ask(db: Database, token: str = "t", worker: int = 7, wanted: int = 5) -> None:
    with db.write() as connection:
        event_requests.ask(connection, [EventRequest(worker, "HERE", {1: wanted}, token)], NOW)


def claim(db: Database, fence: int = FENCE, most: int = 10) -> list[EventRequest]:
    with db.write() as connection:
        return event_requests.claim(connection, ClaimTicket(fence, NOW, NOW + LEASE), most)


def test_a_request_waits_for_its_worker_and_goes_with_it(db: Database):
    with db.write() as connection:
        workers.insert_intents(connection, [a_worker(7)], NOW)
    ask(db)
    ask(db, worker=8)
    assert claim(db) == []
    with db.read() as connection:
        assert connection.scalars(select(event_requests.event_requests.c.worker_id)).all() == [7]


def test_a_request_is_fulfilled_once(db: Database):
    a_held_worker(db)
    ask(db)
    ask(db, "newer", wanted=9)
    (request,) = claim(db)
    assert request == EventRequest(7, "HERE", {1: 5}, "t")
    assert claim(db) == []
    with db.write() as connection:
        assert leases.held_keys(connection, EVENT_REQUEST, [7, 8], FENCE) == {7}
        event_requests.note_answer(connection, {7: {1: 5}}, 99, NOW)
    (request,) = claim(db)
    assert request.delivery == 99
    with db.write() as connection:
        event_requests.note_fulfilled(connection, [7])
    ask(db)
    assert claim(db) == []
    ask(db, "newer", wanted=9)
    assert claim(db) == [EventRequest(7, "HERE", {1: 9}, "newer")]


def test_what_was_fulfilled_is_forgotten_with_the_jobs(db: Database):
    a_held_worker(db)
    ask(db)
    with db.write() as connection:
        event_requests.forget_of_jobs(connection, [1])
    claim(db)
    with db.write() as connection:
        event_requests.note_fulfilled(connection, [7])
        event_requests.forget_of_jobs(connection, [1])
    with db.read() as connection:
        assert connection.execute(select(event_requests.event_requests)).all() == []


def test_a_request_whose_answer_was_of_no_use_is_made_anew(db: Database):
    a_held_worker(db)
    with db.write() as connection:
        event_requests.ask(connection, [EventRequest(7, "Q", {1: 5}, "t")], NOW)
        event_requests.note_answer(connection, {7: {1: 5}}, 99, NOW)
        event_requests.ask_anew(connection, {7}, after(seconds=10))
        event_requests.ask_anew(connection, set(), NOW)
        assert event_requests.claim(connection, ClaimTicket(FENCE, NOW, NOW + LEASE), 10) == []
        later = after(seconds=10)
        (again,) = event_requests.claim(connection, ClaimTicket(FENCE, later, later + LEASE), 10)
    assert (again.delivery, again.token, again.wanted) == (None, "t", {1: 5})


def test_a_request_can_be_postponed(db: Database):
    a_held_worker(db)
    ask(db)
    claim(db)
    with db.write() as connection:
        event_requests.postpone(connection, [7], after(minutes=1))
    assert claim(db) == []


def test_a_job_keeps_what_it_is_divided_into(db: Database):
    with db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(a_job(1, events=EventMode.SAMPLES), {})], NOW)
        jobs.note_events_left(connection, {1: 0, 2: 5})
        (job,) = jobs.find(connection, [1])
    assert (job.events, job.events_left) == (EventMode.SAMPLES, 0)


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["running", "finished", "failed"])), max_size=6)))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_end_counts_however_often_others_are_told(db: Database, rounds: list[list[tuple[int, str]]]):
    ends: dict[int, str] = {}
    with db.write() as connection:
        events.forget(connection, [1])
        for told in rounds:
            events.note_words(connection, [word(place, said) for place, said in told])
            for place, said in dict(told).items():
                ends |= {} if place in ends or said == "running" else {place: said}
    assert {name: state for name, state in states(db).items() if state is not EventState.RUNNING} == {
        f"r-{place}": EventState(said) for place, said in ends.items()
    }
