"""Which processes of an instance live, whatever time it is by the clock of this machine."""

import os
import socket
from datetime import UTC, datetime, timedelta

import pytest

from harvester.plugins.local.processes import birth_of
from harvester.startup.processes import list_processes
from harvester.store import leases, moments
from harvester.store.engine import Database

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
LIFETIME = timedelta(seconds=20)
HERE, ELSEWHERE = socket.gethostname(), "elsewhere.example.org"


def speaks(db: Database, host: str, pid: int, birth: str, spoken: datetime) -> None:
    with db.write() as connection:
        moments.note(connection, spoken)
        leases.register_owner(connection, host, pid, birth, now=spoken, expires_at=spoken + LIFETIME)


def alive(db: Database, now: datetime) -> dict[int, bool]:
    with db.read() as connection:
        return {each.pid: each.alive for each in list_processes(connection, now)}


@pytest.mark.parametrize("set_by", [timedelta(hours=-5), timedelta(), timedelta(hours=5)])
def test_a_clock_that_was_set_kills_nobody_and_wakes_nobody(db: Database, set_by: timedelta):
    speaks(db, ELSEWHERE, 1, "dead", NOW - timedelta(minutes=1))
    speaks(db, ELSEWHERE, 2, "alive", NOW - timedelta(seconds=5))
    speaks(db, HERE, 3, "of another process", NOW)
    speaks(db, HERE, os.getpid(), birth_of(os.getpid()), NOW)
    assert alive(db, NOW + set_by) == {1: False, 2: True, 3: False, os.getpid(): True}


def test_those_of_other_hosts_are_not_taken_for_alive_for_ever(db: Database):
    speaks(db, ELSEWHERE, 1, "alone", NOW)
    assert alive(db, NOW + timedelta(seconds=5)) == {1: True}
    assert alive(db, NOW + timedelta(minutes=1)) == {1: False}
    assert alive(db, NOW - timedelta(hours=5)) == {1: True}
