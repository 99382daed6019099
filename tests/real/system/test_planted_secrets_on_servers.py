"""The password of the database server, among all other secrets, is never shown to anybody."""

import os
import subprocess
from pathlib import Path

import pytest

from real_services import DatabaseServer, EmptyDatabase
from system_harness.config_server import ConfigServer
from system_harness.planting import DATABASE_PASSWORD, Planted
from system_harness.site import Site

pytestmark = [pytest.mark.system, pytest.mark.real]

USER = "planted"


def judge_a_run(site: Site, engine: str, where: EmptyDatabase) -> None:
    section = {"engine": engine, "host": where.host, "port": where.port, "user": USER, "schema": where.name}
    with ConfigServer() as pool:
        planted = Planted(site, pool, section)
        planted.run_with_trouble()
        planted.judge()


def test_no_secret_is_ever_shown_on_mariadb(
    site: Site, mariadb: EmptyDatabase, mariadb_server: tuple[DatabaseServer, Path]
):
    orders = f"create user {USER}@'%' identified by '{DATABASE_PASSWORD}'; grant all on {mariadb.name}.* to {USER}@'%'"
    command = ["mariadb", "--no-defaults", "--user=root", f"--socket={mariadb_server[1]}", f"--execute={orders}"]
    subprocess.run(command, timeout=60, check=True)
    judge_a_run(site, "mariadb", mariadb)


def test_no_secret_is_ever_shown_on_postgresql(site: Site, postgresql: EmptyDatabase):
    where = [f"--host={postgresql.host}", f"--port={postgresql.port}", f"--username={postgresql.user}"]
    order = f"create role {USER} login superuser password '{DATABASE_PASSWORD}'"
    command = ["psql", "--no-psqlrc", "--quiet", *where, "--dbname=postgres", f"--command={order}"]
    subprocess.run(command, env={**os.environ, "PGPASSWORD": postgresql.password}, timeout=60, check=True)
    judge_a_run(site, "postgresql", postgresql)
