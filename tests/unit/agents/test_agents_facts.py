"""What agents know of the world outside."""

from datetime import timedelta

import pytest
from sqlalchemy import event
from world import World

from harvester.store import cache
from harvester.store.cache import Attempt, CacheKey

ENTRY = {"nickname": "SITE", "panda_resource": "SITE", "pilot_manager": "Harvester", "harvester": "test"}


def test_documents_are_known_with_their_age(world: World):
    world.tell("job_statistics.json", {"SITE": {"activated": 3}})
    world.tell("proxy", "text", "pilot")
    world.clock.forward(minutes=7)
    facts = world.instance.facts
    assert facts.document("job_statistics.json") == {"SITE": {"activated": 3}}
    assert (facts.document("proxy"), facts.document("proxy", "pilot")) == (None, "text")
    assert (facts.age("job_statistics.json"), facts.age("elsewhere")) == (timedelta(minutes=7), None)


def test_queues_are_known_until_they_are_gone(world: World):
    world.tell("panda_queues.json", {"SITE": ENTRY})
    facts = world.instance.facts.of("SITE/MCORE")
    assert facts is not None
    assert facts.is_ours
    world.tell("panda_queues.json", {"OTHER": {**ENTRY, "nickname": "OTHER", "panda_resource": "OTHER"}})
    assert world.instance.facts.of("SITE") is None
    with world.db.write() as connection:
        cache.remove(connection, [CacheKey("panda_queues.json")])
    world.instance.facts.refresh()
    assert world.instance.facts.of("OTHER") is None


def test_entries_that_cannot_be_used_are_told_once(world: World, capsys: pytest.CaptureFixture[str]):
    world.tell("panda_queues.json", {"SITE": ENTRY, "BAD": []})
    world.instance.facts.refresh()
    told = capsys.readouterr().out
    assert told.count("BAD: must be a JSON object") == 1
    assert "panda_queues.json" in told


def test_nothing_new_costs_one_small_statement(world: World):
    world.tell("panda_queues.json", {"SITE": ENTRY})
    statements: list[str] = []
    event.listen(world.db.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    world.instance.facts.refresh()
    with world.db.write() as connection:
        cache.note(connection, [Attempt(CacheKey("panda_queues.json"), problem="no answer")], world.clock())
    statements.clear()
    world.instance.facts.refresh()
    assert len(statements) == 1
    assert "data" not in statements[0]
    assert world.instance.facts.of("SITE") is not None
