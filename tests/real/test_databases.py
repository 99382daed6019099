"""The database fixtures themselves: a fresh, empty database that the given account may use."""

import os
import subprocess
from typing import Protocol

import pytest

pytestmark = pytest.mark.real


class Database(Protocol):
    """What the fixtures of a database give."""

    host: str
    port: int
    user: str
    password: str
    name: str


def test_mariadb_is_there_and_empty(mariadb: Database) -> None:
    where = [f"--host={mariadb.host}", f"--port={mariadb.port}", f"--user={mariadb.user}", mariadb.name]
    done = subprocess.run(
        ["mariadb", "--no-defaults", "--execute=create table t (x int); show tables", *where],
        env={**os.environ, "MYSQL_PWD": mariadb.password},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split()[1:] == ["t"]


def test_postgresql_is_there_and_empty(postgresql: Database) -> None:
    where = [f"--host={postgresql.host}", f"--port={postgresql.port}", f"--username={postgresql.user}", postgresql.name]
    done = subprocess.run(
        [
            "psql",
            "--no-psqlrc",
            "--tuples-only",
            "--quiet",
            "--command=create table t (x int)",
            r"--command=\dt",
            *where,
        ],
        env={**os.environ, "PGPASSWORD": postgresql.password},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.count("table") == 1
