"""Orders to read again, and documents that are kept."""

import json
import os
import socket
from datetime import timedelta

import pytest
from cli_tools import NOW, CommandLine

from harvester.core.clock import utc_now
from harvester.plugins.local.processes import birth_of
from harvester.store import cache, leases, reload_orders
from harvester.store.cache import Attempt, CacheKey
from harvester.store.engine import Database


def orders(db: Database) -> int:
    with db.read() as connection:
        return reload_orders.number(connection)


def test_every_order_is_counted(call: CommandLine, db: Database):
    assert orders(db) == 0
    for number in (1, 2):
        assert "no process of this instance runs" in call("queue", "reload").stdout
        assert orders(db) == number


def test_who_obeys_and_what_they_will_stumble_over(call: CommandLine, db: Database):
    now, pid = utc_now(), os.getpid()
    with db.write() as connection:
        birth, end = birth_of(pid) or "", now + timedelta(minutes=1)
        leases.register_owner(connection, socket.gethostname(), pid, birth, now=now, expires_at=end)
    assert "1 process reads the queue configuration again within 5 s" in call("queue", "reload").stdout
    call.queues.write_text('{"Q": {"mapType": "NoJob"}}')
    assert "the queue configuration has 1 error" in call("queue", "reload").stderr


@pytest.mark.usefixtures("no_handlers")
def test_documents_are_listed_and_fetched(call: CommandLine, db: Database):
    assert "nothing was fetched yet" in call("cache", "ls").stderr
    with db.write() as connection:
        cache.note(connection, [Attempt(CacheKey("old.json"), problem="HTTP 500")], NOW)
    assert "HTTP 500" in call("cache", "ls").stdout
    good = call.place / "good.json"
    good.write_text("[1]")
    lines = f"  good.json||file:{good}\n  bad.json||file:{call.place}/bad.json"
    call.config.write_text(f"{call.config.read_text()}[cacher]\ndata =\n{lines}\n")
    told = call("cache", "refresh", "--json")
    assert told.exit_code == 1
    assert [each["problem"] == "" for each in json.loads(told.stdout)] == [True, False]
    assert "good.json: fetched" in call("cache", "refresh").stdout
    with db.read() as connection:
        assert [str(each.key) for each in cache.states(connection)] == ["bad.json", "good.json", "old.json"]
