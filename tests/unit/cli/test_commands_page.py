"""The page on commands names all of them, and what they are told reaches the reader."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.testing import CliRunner

from harvester.cli.main import app

PAGE = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
_ON_EVERY_COMMAND = {"--config", "--json", "--help", "--version"}


def commands(command: object, path: str) -> Iterator[tuple[str, TyperCommand]]:
    if isinstance(command, TyperGroup):
        for name, found in command.commands.items():
            yield from commands(found, f"{path} {name}")
    else:
        assert isinstance(command, TyperCommand)
        yield path, command


ALL = dict(commands(typer.main.get_command(app), "harvester"))


@pytest.mark.parametrize("path", ALL)
def test_every_command_has_a_line(path: str):
    assert re.search(rf"^\| `{path}( [A-Z_]+)?( --[a-z]+ [A-Z]+)*` \|", PAGE, re.MULTILINE)


def test_every_option_is_mentioned():
    shown = [each for command in ALL.values() for each in command.params if not getattr(each, "hidden", False)]
    options = {name for each in shown for name in each.opts if name[:2] == "--"}
    assert {name for name in options - _ON_EVERY_COMMAND if not re.search(rf"[` ]{name}\b", PAGE)} == set()


@pytest.mark.parametrize("path", ALL)
def test_help_says_which_section_is_meant(path: str):
    shown = CliRunner().invoke(app, [*path.split()[1:], "--help"]).stdout
    assert ("--queues" in shown) == ("[qconf]" in shown)
