"""How a queue configuration names files and directories."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from harvester.config.findings import Severity, severity_of_missing
from harvester.config.places import is_file, nearest_there
from harvester.config.plugin_blocks import PluginProblem


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(f"{path} is not absolute; write the whole path")
    return path


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
"""A path that means the same wherever the service was started."""


def missing_script(path: Path, key: str, what: str) -> Iterator[PluginProblem]:
    """A script that cannot be read, so that no worker can be submitted; nothing if it can.

    Args:
        path: the file.
        key: the setting that names it.
        what: it is, for the operator.
    """
    if is_file(path) and os.access(path, os.R_OK):
        return
    problem = f"there is no file {path} that can be read, so no worker can be submitted"
    severity = severity_of_missing(path, Severity.ERROR)
    advice = f"put the {what} there, or correct the path"
    yield PluginProblem(problem, advice, key, severity, may_pass=True, elsewhere=severity is Severity.INFO)


def unwritable_directory(path: Path, key: str) -> Iterator[PluginProblem]:
    """A directory that this account cannot make or write; nothing if it can.

    Args:
        path: the directory; names with placeholders in it, and what is below them, are made for each worker.
        key: the setting that names it.
    """
    fixed = Path(*itertools.takewhile(lambda part: "{" not in part, path.parts))
    there = nearest_there(fixed)
    if not there.is_dir():
        yield PluginProblem(f"{fixed} cannot be made: {there} is no directory", "correct the path", key, may_pass=True)
    elif os.access(there, os.W_OK | os.X_OK):
        return
    elif there == fixed:
        problem = f"{fixed} cannot be written by this account"
        yield PluginProblem(problem, "correct its permissions, or the path", key, Severity.WARNING, may_pass=True)
    else:
        problem = f"{fixed} cannot be made by this account in {there}"
        advice = "make it, or correct the path"
        yield PluginProblem(problem, advice, key, Severity.INFO, may_pass=True, elsewhere=True)
