"""Counts from outside how many processes of Slurm are started: small scripts that note each start, then do it."""

import shlex
import shutil
from pathlib import Path
from typing import Final

from harvester.core.errors import HarvesterError

COMMANDS: Final = ("sbatch", "squeue", "sacct", "scancel")


class NoSlurmError(HarvesterError):
    """Slurm's commands are not on this machine."""


def make_counting_commands(directory: Path) -> dict[str, Path]:
    """Scripts that stand in for Slurm's commands, by name.

    Raises:
        NoSlurmError: a command is not in PATH.
    """
    directory.mkdir()
    return {name: _make(directory, name) for name in COMMANDS}


def count_starts(directory: Path) -> dict[str, int]:
    """How often each command was started."""
    return {name: _size(directory / f"{name}.starts") for name in COMMANDS}


def _make(directory: Path, name: str) -> Path:
    real = shutil.which(name)
    if real is None:
        raise NoSlurmError(f"{name} is not in PATH: install Slurm's commands, or leave out --resource slurm")
    script = directory / name
    starts = shlex.quote(str(directory / f"{name}.starts"))
    script.write_text(f'#!/bin/sh\nprintf . >>{starts}\nexec {shlex.quote(real)} "$@"\n')
    script.chmod(0o755)
    return script


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
