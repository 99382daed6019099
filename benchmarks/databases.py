"""Databases for benchmarks: a file, or a server of its own that syncs every commit as a site's does."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ENGINES = ("sqlite", "mariadb", "postgresql")
_SCRIPTS = Path(__file__).parents[1] / "tests" / "real" / "services"
_DURABLE = {"MARIADB_FLUSH_LOG_AT_COMMIT": "1", "POSTGRESQL_FSYNC": "on"}
_START_SECONDS = 120

Section = Mapping[str, str]
"""The `[db]` section of panda_harvester.cfg."""


@contextmanager
def running_database(engine: str, folder: Path) -> Iterator[Section]:
    """An empty database of the engine; a server is started for it and stopped afterwards.

    Raises:
        SystemExit: the server is not installed or does not start; its script has said why.
    """
    if engine == "sqlite":
        yield {"engine": engine, "database_filename": f"{folder}/harvester.db"}
        return
    script = _SCRIPTS / f"{engine}.sh"
    place = Path(tempfile.mkdtemp(prefix=f"harvester-{engine}-"))
    try:
        started = subprocess.run(
            [script, "start", place], env={**os.environ, **_DURABLE}, timeout=_START_SECONDS, check=False
        )
        if started.returncode:
            raise SystemExit(f"the {engine} server for this benchmark did not start")
        facts = dict(line.split("=", 1) for line in (place / "env").read_text().splitlines())
        _make_schema(engine, facts, place)
        yield {
            "engine": engine,
            "host": facts["HOST"],
            "port": facts["PORT"],
            "user": facts["USER"],
            "password": facts["PASSWORD"],
            "schema": "harvester",
        }
    finally:
        subprocess.run([script, "stop", place], timeout=_START_SECONDS, check=False)
        shutil.rmtree(place, ignore_errors=True)


def _make_schema(engine: str, facts: Mapping[str, str], place: Path) -> None:
    sql = "create database harvester"
    if engine == "mariadb":
        command = ["mariadb", "--no-defaults", "--user=root", f"--socket={place}/socket", f"--execute={sql}"]
    else:
        where = [f"--host={facts['HOST']}", f"--port={facts['PORT']}", f"--username={facts['USER']}"]
        command = ["psql", "--no-psqlrc", "--quiet", *where, "--dbname=postgres", f"--command={sql}"]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": facts["PASSWORD"]}, timeout=_START_SECONDS, check=True)
