"""What an account is told that may not read the files of an instance."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_tools import MAIN, QUEUE

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else"),
]


CLOSE_AND_ASK = """
import os, pwd, sys
from typer.testing import CliRunner
from harvester.cli.main import app
closed, *command = sys.argv[1:]
CliRunner().invoke(app, command)  # nobody may be unable to read the modules that this loads
os.chmod(closed, 0o700)
os.setgroups([])
os.setuid(pwd.getpwnam("nobody").pw_uid)
done = CliRunner().invoke(app, command)
print(done.exit_code, done.output)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """An instance of root, which others may look at: pytest's own directories are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        etc = place / "etc/panda"
        etc.mkdir(parents=True)
        (etc / "panda_harvester.cfg").write_text(MAIN.format(place=place))
        (etc / "panda_queueconfig.json").write_text(f'{{"Q": {QUEUE}}}')
        yield place


def said_to_nobody(home: Path, closed: Path, *command: str) -> str:
    environ = {**os.environ, "PANDA_HOME": str(home), "HOME": "/nonexistent"}
    words = [sys.executable, "-P", "-c", CLOSE_AND_ASK, str(closed), *command]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=False, cwd="/")
    assert done.stdout.startswith("1 "), done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["check", "status"])
def test_a_directory_that_is_closed_is_not_said_to_be_empty(home: Path, command: str):
    etc = home / "etc/panda"
    said = said_to_nobody(home, etc, command)
    assert f"{etc} cannot be read by nobody; run this as the service's account" in said
    assert "found in none of" not in said


def test_a_file_that_is_closed_is_told(home: Path):
    config = home / "etc/panda/panda_harvester.cfg"
    assert f"{config}: error: cannot be read by nobody; run this as the service's account" in said_to_nobody(
        home, config, "check"
    )


@pytest.mark.parametrize("command", [("status",), ("queue", "pause", "Q", "--reason", "R")])
def test_a_database_of_somebody_else_is_told_with_its_owner(home: Path, command: tuple[str, ...]):
    database = home / "harvester.db"
    database.touch()
    said = said_to_nobody(home, database, *command)
    assert f"the database {database} cannot be read and written by nobody; it belongs to root; run this as" in said
