"""`harvester db …` on SQLite; `tests/store` shows that the other engines do the same."""

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from cli_tools import NOW, CommandLine
from sqlalchemy import insert, text

from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.plugins.local.processes import birth_of
from harvester.store import jobs, leases, migrate, portable
from harvester.store.engine import Database, sqlite_url
from harvester.store.jobs import NewJob
from harvester.store.schema import cache
from system_harness.accounts import call_without_rights, file_of_another


def add_job(db: Database, **params: object) -> None:
    job = Job(7, "Q", JobStatus.STARTING, JobSubstatus.FETCHED, 1)
    with db.write() as connection:
        jobs.insert_fetched(connection, [NewJob(job, {"PandaID": 7, **params})], NOW)


def register_this_process(db: Database) -> None:
    with db.write() as connection:
        leases.register_owner(
            connection, os.uname().nodename, os.getpid(), birth_of(os.getpid()) or "", now=NOW, expires_at=NOW
        )


class TestStatus:
    def test_for_people(self, call: CommandLine, db: Database):
        add_job(db)
        register_this_process(db)
        said = call("db", "status").stdout
        for words in ("sqlite", str(call.place / "harvester.db"), f"{migrate.newest()}, the newest", "mode 0"):
            assert words in said
        assert f"{os.getpid()} on " in said
        assert "jobs " in said

    def test_for_programs(self, call: CommandLine, db: Database):
        add_job(db)
        told = json.loads(call("db", "status", "--json").stdout)
        assert told["rows"]["jobs"] == 1
        assert told["tables"] == told["newest"] == migrate.newest()
        assert told["processes"] == []
        assert told["size"] > 0

    def test_of_nothing(self, call: CommandLine):
        result = call("db", "status")
        assert result.exit_code == 1
        assert "there is no database" in result.stderr

    def test_of_older_tables(self, call: CommandLine):
        older = Database(sqlite_url(call.place / "harvester.db"))
        with older.write() as connection:
            migrate.bring_to(connection, "0003")
        older.close()
        assert f"`harvester db upgrade` brings them to {migrate.newest()}" in call("db", "status").stdout
        assert "bring them up to date with `harvester db upgrade`" in call("status").stderr


class TestUpgrade:
    def test_says_what_it_would_do_and_does_nothing(self, call: CommandLine):
        result = call("db", "upgrade", "--dry-run")
        assert result.exit_code == 0
        assert "0001" in result.stdout
        assert not (call.place / "harvester.db").exists()

    def test_makes_and_mends_the_tables(self, call: CommandLine):
        assert f"the tables are at {migrate.newest()} now" in call("db", "upgrade").stdout
        assert "nothing to do" in call("db", "upgrade").stdout
        assert call("status").exit_code == 0

    def test_does_nothing_below_a_process_that_works(self, call: CommandLine):
        older = Database(sqlite_url(call.place / "harvester.db"))
        with older.write() as connection:
            migrate.bring_to(connection, "0003")
        register_this_process(older)
        older.close()
        result = call("db", "upgrade")
        assert result.exit_code == 1
        assert f"the service runs: process {os.getpid()}" in result.stderr


class TestDump:
    def test_values_are_those_that_people_read(self, call: CommandLine, db: Database):
        add_job(db, taskID=3)
        lines = [json.loads(line) for line in call("db", "dump").stdout.splitlines()]
        (job,) = [each for each in lines if each["table"] == "jobs"]
        assert (job["job_id"], job["status"], job["fetched_at"]) == (7, "starting", "2026-03-01T12:00:00Z")
        (params,) = [each for each in lines if each["table"] == "job_params"]
        assert params["params"]["taskID"] == 3

    def test_no_secret_is_in_it(self, call: CommandLine, db: Database):
        secrets = {"key": "HUSH", "path": "/HUSH", "word": "$HUSH", "pins": [4711]}
        add_job(db, secrets=secrets, jobPars="--token=HUSH", proxy=["https://me:HUSH@host"])
        with db.write() as connection:
            row = {"main_key": "my_secret", "sub_key": "", "data": "HUSH", "digest": "", "tried_at": NOW}
            connection.execute(insert(cache).values(row))
        said = call("db", "dump").stdout
        assert "PandaID" in said
        assert "HUSH" not in said
        assert "4711" not in said

    def test_single_tables(self, call: CommandLine, db: Database):
        add_job(db)
        lines = call("db", "dump", "--table", "jobs", "--table", "workers").stdout.splitlines()
        assert [json.loads(line)["table"] for line in lines] == ["jobs"]
        result = call("db", "dump", "--table", "job")
        assert result.exit_code == 1
        assert "there is no table job; there are" in result.stderr


class TestBackupAndRestore:
    def test_a_backup_comes_back(self, call: CommandLine, db: Database):
        add_job(db)
        made = call("db", "backup")
        path = Path(made.stdout.strip())
        assert path.parent == call.place / "work" / "backups"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        db.close()
        (call.place / "harvester.db").unlink()
        result = call("db", "restore", str(path))
        assert "among them 1 job, 0 workers" in result.stdout
        assert "Nobody gets their numbers" in result.stderr
        assert json.loads(call("job", "ls", "--json").stdout)[0]["job_id"] == 7

    def test_the_newest_are_kept(self, call: CommandLine, db: Database):
        add_job(db)
        place = call.place / "elsewhere"
        place.mkdir()
        for day in range(10, 15):
            (place / f"unit-202601{day}T000000.sqlite").touch()
        result = call("db", "backup", "--to", str(place), "--keep", "3")
        assert "3 older backups removed" in result.stderr
        assert len(list(place.iterdir())) == 3

    @pytest.mark.system
    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another account")
    def test_a_draft_that_another_account_has_left_hinders_none(self, call: CommandLine, db: Database):
        add_job(db)
        place = call.place / "tmp"
        draft = file_of_another(place, ".unit-20260101T000000.sqlite.77")
        made = call_without_rights("db", "backup", "--config", call.config, "--to", place, home=call.place)
        assert made.returncode == 0, made.stderr
        assert set(place.iterdir()) == {draft, Path(made.stdout.strip())}

    def test_rows_are_not_lost_by_mistake(self, call: CommandLine, db: Database):
        add_job(db)
        path = call("db", "backup").stdout.strip()
        result = call("db", "restore", path)
        assert result.exit_code == 1
        assert "the database has rows already" in result.stderr
        assert call("db", "restore", path, "--replace", "--yes").exit_code == 0

    def test_rows_go_only_if_that_is_meant(self, call: CommandLine, db: Database):
        path = call("db", "backup").stdout.strip()
        add_job(db)
        result = call("db", "restore", path, "--replace", says="n\n")
        assert result.exit_code == 1
        assert "remove all rows of job_params, jobs" in result.stderr
        assert len(json.loads(call("job", "ls", "--json").stdout)) == 1
        assert call("db", "restore", path, "--replace", says="y\n").exit_code == 0
        assert json.loads(call("job", "ls", "--json").stdout) == []

    @pytest.mark.parametrize("options", [[], ["--replace"]])
    def test_nothing_is_brought_back_below_a_process_that_works(
        self, call: CommandLine, db: Database, options: list[str]
    ):
        add_job(db)
        path = call("db", "backup").stdout.strip()
        register_this_process(db)
        result = call("db", "restore", path, *options)
        assert result.exit_code == 1
        assert f"the service runs: process {os.getpid()}" in result.stderr
        assert "stop it first" in result.stderr

    def test_a_backup_that_is_not_there(self, call: CommandLine):
        result = call("db", "restore", "/no/such/file")
        assert result.exit_code == 1
        assert "/no/such/file: No such file or directory" in result.stderr

    @pytest.mark.parametrize("options", [[], ["--replace", "--yes"]])
    def test_a_backup_that_is_refused_leaves_no_database(self, call: CommandLine, options: list[str]):
        path = call.place / "newer.jsonl.gz"
        with path.open("wb") as file:
            portable.write(file, portable.Heading("9999", {}, "now"), [])
        refused = call("db", "restore", str(path), *options)
        assert refused.exit_code == 1
        assert "which this Harvester does not know" in refused.stderr
        assert not (call.place / "harvester.db").exists()
        assert "there is no database" in call("status").stderr

    def test_a_backup_of_nothing(self, call: CommandLine):
        (call.place / "harvester.db").touch()
        result = call("db", "backup")
        assert result.exit_code == 1
        assert "nothing to keep" in result.stderr


def test_foreign_tables_are_told_of_by_every_command(call: CommandLine):
    foreign = Database(sqlite_url(call.place / "harvester.db"))
    with foreign.write() as connection:
        connection.execute(text("CREATE TABLE queues (mine INTEGER)"))
    foreign.close()
    for command in (["run"], ["status"], ["db", "status"], ["db", "upgrade"], ["db", "backup"]):
        result = call(*command)
        assert result.exit_code == 1, command
        assert "tables of somebody else under the names queues" in result.stderr, command


def test_newer_tables_are_told_of_by_every_command(call: CommandLine, db: Database):
    with db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (["run"], ["status"], ["db", "status"], ["db", "upgrade"], ["db", "backup"]):
        result = call(*command)
        assert result.exit_code == 1, command
        assert "are at 9999, which is newer than" in result.stderr, command


class TestOfAnotherInstance:
    """The database was first used by the instance `unit`, and the configuration names another one."""

    @pytest.fixture(autouse=True)
    def used_by_another(self, call: CommandLine) -> Path:
        """A backup that `unit` has made of its database."""
        assert call("db", "upgrade").exit_code == 0
        made = Path(call("db", "backup").stdout.strip())
        name_it(call, "other")
        return made

    @pytest.mark.parametrize("command", ["run", "status", "queue ls", "db upgrade", "db backup", "db dump"])
    def test_no_command_takes_it_for_its_own(self, call: CommandLine, command: str):
        result = call(*command.split())
        assert result.exit_code == 1
        for words in ("harvester.db belongs to instance unit, not other", "correct [db] or [master] harvester_id"):
            assert words in result.stderr

    def test_it_is_told_whose_it_is(self, call: CommandLine):
        assert json.loads(call("db", "status", "--json").stdout)["instance"] == "unit"
        assert "unit" in call("db", "status").stdout

    def test_older_tables_of_it_are_not_changed(self, call: CommandLine):
        db = Database(sqlite_url(call.place / "harvester.db"))
        with db.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0011'"))
        assert "belongs to instance unit" in call("run").stderr
        with db.read() as connection:
            assert migrate.current(connection) == "0011"
        db.close()

    def test_an_instance_that_was_renamed_keeps_it(self, call: CommandLine):
        assert "belong to instance mine, but to instance unit" in call("db", "rename", "mine").stderr
        assert "of instance unit belongs to instance other now" in call("db", "rename", "unit").stdout
        assert call("status").exit_code == 0
        name_it(call, "unit")
        assert "belongs to instance other, not unit" in call("status").stderr

    def test_it_is_not_renamed_below_a_process_that_works(self, call: CommandLine, db: Database):
        register_this_process(db)
        assert "stop it first" in call("db", "rename", "unit").stderr

    def test_its_backup_is_not_brought_back(self, call: CommandLine, used_by_another: Path):
        (call.place / "harvester.db").unlink()
        result = call("db", "restore", str(used_by_another))
        assert result.exit_code == 1
        assert f"{used_by_another} is a backup of instance unit, not of other" in result.stderr
        name_it(call, "unit")
        assert call("db", "restore", str(used_by_another)).exit_code == 0
        assert json.loads(call("db", "status", "--json").stdout)["instance"] == "unit"

    def test_nothing_is_brought_back_into_it(self, call: CommandLine, used_by_another: Path):
        call("db", "rename", "unit")
        name_it(call, "unit")
        assert "belongs to instance other" in call("db", "restore", str(used_by_another), "--replace").stderr


def name_it(call: CommandLine, harvester_id: str) -> None:
    """Change the name of the instance in the configuration."""
    text_now = call.config.read_text()
    (line,) = [each for each in text_now.splitlines() if each.startswith("harvester_id")]
    call.config.write_text(text_now.replace(line, f"harvester_id = {harvester_id}"))


def test_a_database_from_before_belongs_to_whoever_starts_first(call: CommandLine):
    older = Database(sqlite_url(call.place / "harvester.db"))
    with older.write() as connection:
        migrate.bring_to(connection, "0011")
    older.close()
    assert json.loads(call("db", "status", "--json").stdout)["instance"] is None
    call("db", "upgrade")
    assert json.loads(call("db", "status", "--json").stdout)["instance"] == "unit"


@pytest.mark.shows("db.useMySQLdb")
@pytest.mark.parametrize(
    ("keys", "module", "extra"),
    [
        ("engine = mariadb", "mysql.connector", "mariadb"),
        ("engine = mariadb\nuseMySQLdb = True", "MySQLdb", "mysqlclient"),
        ("engine = postgresql\nuseMySQLdb = True", "psycopg", "postgresql"),
    ],
)
def test_the_driver_that_is_asked_for_is_taken(
    call: CommandLine, keys: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, module, None)
    call.config.write_text(call.config.read_text().replace("[db]", f"[db]\n{keys}"))
    for command in (["run"], ["status"], ["db", "status"]):
        result = call(*command)
        assert result.exit_code == 1
        assert f"pip install 'harvester[{extra}]'" in result.stderr
