"""Whoever types what `docs/install.md` says, on a bare tree, has a Harvester that runs."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopback import free_port
from system_harness.newcomer import MAKES_WHEEL, Newcomer
from system_harness.pages import commands

pytestmark = pytest.mark.system

PAGE = "install.md"
PORT = "25080"
"""Of the development server, as the page has it."""


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    with Newcomer(tmp_path) as made:
        yield made


def test_what_the_page_says_works(newcomer: Newcomer):
    port, home = str(free_port()), newcomer.place / "harvester"
    said: dict[str, str] = {}
    for line in commands(PAGE, "Installation procedures"):
        if line.startswith(MAKES_WHEEL):
            continue
        said[line] = newcomer.types(line.replace(PORT, port))
        if " -m venv " in line:
            newcomer.enters_environment()
        elif line.startswith("harvester dev-server"):
            newcomer.types(f"until curl -s 127.0.0.1:{port} >/dev/null; do sleep 0.1; done")
        elif line == "harvester run &":
            newcomer.types("until grep -qs ' started ' var/log/panda/panda-master.log; do sleep 0.1; done")
        elif line == "kill %2":
            newcomer.types("wait %2")
    init = next(line for line in said if line.startswith("harvester init"))
    assert "nothing to complain about" in said[init]
    assert "MY_QUEUE" in said["harvester status"]
    assert "stopped" in (home / "var/log/panda/panda-master.log").read_text()
    assert stat.S_IMODE((home / "etc/panda/door.key").stat().st_mode) == 0o600
    for line in commands(PAGE, "Setup and system configuration files"):
        newcomer.types(line)
    assert "files are there already, left as they are" in newcomer.types("harvester init")
    for line in commands(PAGE, "init.d script"):
        newcomer.types(line)
