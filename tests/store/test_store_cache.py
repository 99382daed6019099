"""Documents from elsewhere: good ones stay, whatever comes after them."""

from pydantic import JsonValue
from store_tools import NOW, after, counted

from harvester.store import cache
from harvester.store.cache import NOTHING, Attempt, CacheKey, CacheState
from harvester.store.engine import Database

QUEUES = CacheKey("panda_queues.json")
PROXY = CacheKey("proxy", "pilot")


def note(db: Database, *attempts: Attempt, minutes: float = 0) -> None:
    with db.write() as connection:
        cache.note(connection, attempts, after(minutes=minutes))


def state_of(db: Database, key: CacheKey) -> CacheState:
    with db.read() as connection:
        return {each.key: each for each in cache.states(connection)}[key]


def document_of(db: Database, key: CacheKey) -> JsonValue:
    with db.read() as connection:
        return cache.documents(connection, [key]).get(key)


def test_documents_come_back_by_both_keys(db: Database):
    other = CacheKey("proxy", "production")
    note(db, Attempt(PROXY, "text\x00\ud800"), Attempt(other, ["é"]), Attempt(QUEUES, {"A": {"n": 1.5}}))
    with db.read() as connection:
        found = cache.documents(connection, [PROXY, QUEUES])
    assert found == {PROXY: "text\x00\ud800", QUEUES: {"A": {"n": 1.5}}}
    assert document_of(db, other) == ["é"]


def test_a_failure_leaves_the_last_good_document(db: Database):
    note(db, Attempt(QUEUES, {"A": 1}))
    note(db, Attempt(QUEUES, problem="no answer"), minutes=5)
    state = state_of(db, QUEUES)
    assert (state.refreshed_at, state.tried_at, state.problem) == (NOW, after(minutes=5), "no answer")
    assert document_of(db, QUEUES) == {"A": 1}
    note(db, Attempt(QUEUES, {"A": 2}), minutes=6)
    assert state_of(db, QUEUES).problem == ""
    assert document_of(db, QUEUES) == {"A": 2}


def test_what_never_came_is_no_document(db: Database):
    note(db, Attempt(QUEUES, problem="x" * 600))
    state = state_of(db, QUEUES)
    assert (state.digest, state.refreshed_at, len(state.problem)) == (NOTHING, None, 500)
    assert document_of(db, QUEUES) is None


def test_the_digest_tells_whether_a_document_has_changed(db: Database):
    note(db, Attempt(QUEUES, {"a": 1, "b": 2}))
    first = state_of(db, QUEUES)
    note(db, Attempt(QUEUES, {"b": 2, "a": 1}), minutes=1)
    second = state_of(db, QUEUES)
    assert second.digest == first.digest
    assert second.refreshed_at == after(minutes=1)
    note(db, Attempt(QUEUES, {"b": 2}), minutes=2)
    assert state_of(db, QUEUES).digest != first.digest


def test_what_nobody_asks_for_is_removed(db: Database):
    note(db, Attempt(QUEUES, 1), Attempt(PROXY, 2))
    with db.write() as connection:
        cache.remove(connection, [PROXY])
        cache.remove(connection, [])
        assert [each.key for each in cache.states(connection)] == [QUEUES]


def test_large_documents_and_many_of_them_cost_the_same_statements(db: Database):
    large = {f"QUEUE_{place}": {"text": "ü" * 1000} for place in range(1000)}
    spent = []
    for number in (1, 20):
        keys = [CacheKey("large", str(place)) for place in range(number)]
        with db.write() as connection, counted(db) as statements:
            attempts = [Attempt(key, {**large, "n": number} if key.sub == "0" else number) for key in keys]
            cache.note(connection, attempts, NOW)
        spent.append(len(statements))
        assert document_of(db, keys[0]) == {**large, "n": number}
    assert spent[0] <= 3
    assert spent[1] <= 3
