"""The MariaDB section of `docs/install.md`, typed as it stands there, on a real MariaDB."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from real_services import DatabaseServer
from system_harness.newcomer import MAKES_WHEEL, Newcomer
from system_harness.pages import blocks, commands

pytestmark = pytest.mark.real

PAGE, SECTION = "install.md", "MariaDB setup"


@pytest.fixture
def server(mariadb_server: tuple[DatabaseServer, Path]) -> Iterator[tuple[DatabaseServer, list[str]]]:
    """The server, and the command that is `mariadb -u root` there; database and account of the page go again."""
    facts, path = mariadb_server
    root = ["mariadb", "--no-defaults", "--user=root", f"--socket={path}"]
    yield facts, root
    for line in ("DROP DATABASE IF EXISTS HARVESTER", f"DROP USER IF EXISTS 'harvester'@'{facts.host}'"):
        subprocess.run([*root, f"--execute={line}"], timeout=60, check=True)


def test_what_the_page_says_works(tmp_path: Path, server: tuple[DatabaseServer, list[str]]):
    facts, root = server
    for statement in commands(PAGE, SECTION, "MariaDB> "):
        subprocess.run([*root, f"--execute={here(statement, facts)}"], timeout=60, check=True)
    with Newcomer(tmp_path) as newcomer:
        install(newcomer)
        newcomer.types("harvester db upgrade")
        for line in commands(PAGE, SECTION)[1:]:
            if line.startswith("chmod"):
                put_in_place(tmp_path / "harvester/etc/panda/panda_harvester.cfg", facts)
            said = newcomer.types(line)
            if line == "harvester db status":
                assert "mariadb" in said
        assert "0 jobs, 0 workers" in said


def here(text: str, facts: DatabaseServer) -> str:
    """What the page leaves to its reader: a password; and the server of the tests looks up no names."""
    return text.replace("FIXME", "a-password").replace("localhost", facts.host)


def install(newcomer: Newcomer) -> None:
    """What stands before that section."""
    for line in commands(PAGE, "Installation procedures"):
        if line.startswith("harvester init"):
            newcomer.types(line)
            return
        if not line.endswith("&") and not line.startswith(MAKES_WHEEL):
            newcomer.types(line)
        if " -m venv " in line:
            newcomer.enters_environment()


def put_in_place(config: Path, facts: DatabaseServer) -> None:
    """Change the section as the page says; the server of the tests has a port of its own."""
    (block,) = blocks(PAGE, SECTION, "ini")
    section = here(block, facts) + f"\nport = {facts.port}\n"
    config.write_text(re.sub(r"^\[db\]\n.*?(?=^\[)", section, config.read_text(), flags=re.DOTALL | re.MULTILINE))
