"""A database server that is away or says no: every command says what to do, and the exit code says that it is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from harvester.config.service import Settings, load_settings
from harvester.service import database_url
from real_services import EmptyDatabase, new_mariadb, new_postgresql, require_mysqlclient

pytestmark = pytest.mark.real

KINDS = ("mariadb", "mysqlclient", "postgresql")


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest) -> tuple[str, EmptyDatabase]:
    """The lines that say how to reach it, and where it is."""
    kind = request.param
    if kind == "postgresql":
        return "engine = postgresql", new_postgresql(request.getfixturevalue("postgresql_server"))
    driver = ""
    if kind == "mysqlclient":
        require_mysqlclient()
        driver = "\nuseMySQLdb = True"
    return f"engine = mariadb{driver}", new_mariadb(*request.getfixturevalue("mariadb_server"))


class Instance:
    """A configuration whose database is at another place than it should be."""

    def __init__(self, place: Path, database: tuple[str, EmptyDatabase], **changed: object) -> None:
        engine, where = database
        keys: dict[str, object] = {
            "host": where.host, "port": where.port, "user": where.user, "password": where.password,
            "schema": where.name, **changed,
        }  # fmt: skip
        self.config = place / "panda_harvester.cfg"
        (place / "panda_queueconfig.json").write_text("{}")
        self.config.write_text(
            f"[master]\nharvester_id = unit\nworkDir = {place}/work\n[db]\n{engine}\n"
            + "".join(f"{key} = {value}\n" for key, value in keys.items())
            + "[pandacon]\nserver_api_url = http://127.0.0.1:9/api/v1\n"
        )

    def call(self, *command: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-P", "-m", "harvester", *command, "--config", str(self.config)]
        return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)

    def refuses(self, *command: str) -> str:
        """What is said; the exit code is 1."""
        done = self.call(*command)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "Traceback" not in said
        assert "very-secret" not in said
        return said


COMMANDS = (("run",), ("status",), ("db", "status"), ("db", "upgrade"))


def test_a_wrong_password(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    instance = Instance(tmp_path, database, password="very-secret")
    for command in COMMANDS:
        assert "correct [db] user and password" in instance.refuses(*command)


def test_an_unknown_account(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    instance = Instance(tmp_path, database, user="nobody-of-this-name", password="very-secret")
    assert "correct [db] user" in instance.refuses("run")


def test_an_unknown_database(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    instance = Instance(tmp_path, database, schema="nowhere")
    for command in COMMANDS:
        said = instance.refuses(*command)
        assert "nowhere" in said
        assert "make the database as docs/install.md says, or correct [db] schema" in said


def test_a_database_that_is_away_is_told_of_by_whoever_looks(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    instance = Instance(tmp_path, database, port=1)
    for command in COMMANDS[1:]:
        assert "try again when it can, or correct [db]" in instance.refuses(*command)


def test_tables_of_somebody_else(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    url = database_url(_usable_settings(Instance(tmp_path, database)))
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE queues (mine INTEGER)"))
    engine.dispose()
    for command in COMMANDS:
        assert "tables of somebody else under the names queues" in Instance(tmp_path, database).refuses(*command)


def test_the_whole_care_of_a_database(tmp_path: Path, database: tuple[str, EmptyDatabase]):
    instance = Instance(tmp_path, database)
    assert instance.call("db", "upgrade").returncode == 0
    made = instance.call("db", "backup")
    assert made.returncode == 0, made.stderr
    assert instance.call("db", "restore", made.stdout.strip(), "--replace", "--yes").returncode == 0
    status = json.loads(instance.call("db", "status", "--json").stdout)
    assert status["tables"] == status["newest"]
    assert status["rows"]["jobs"] == 0
    assert instance.call("db", "dump").returncode == 0


def _usable_settings(instance: Instance) -> Settings:
    loaded = load_settings([instance.config], {})
    assert loaded.settings
    return loaded.settings
