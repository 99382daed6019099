"""`harvester demo`."""

from __future__ import annotations

import enum
import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harvester.cli.operators import JsonOption, fail, warn

if TYPE_CHECKING:
    from harvester.cli.demo.show import Result


class _Mode(enum.StrEnum):
    PUSH = "push"
    PULL = "pull"


class _Resource(enum.StrEnum):
    LOCAL = "local"
    SLURM = "slurm"


def demo(
    jobs: Annotated[int, typer.Option(min=1, help="how many jobs")] = 20,
    mode: Annotated[
        _Mode, typer.Option(help="who fetches the jobs: Harvester (push) or the pilots (pull)")
    ] = _Mode.PUSH,
    resource: Annotated[_Resource, typer.Option(help="where the workers run")] = _Resource.LOCAL,
    *,
    as_json: JsonOption = False,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="work in this new directory and keep it (Slurm: a shared one)")
    ] = None,
) -> None:
    """Run real jobs through a development server, a Harvester and a resource, and verify their outputs."""
    from harvester.cli.demo.plan import Mode, Plan, ResourceKind
    from harvester.cli.demo.show import perform

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = _directory(keep, open_to_all=resource is _Resource.SLURM)
    needed = True
    try:
        result = perform(Plan(jobs, Mode(mode), ResourceKind(resource), directory))
        _report(result, as_json=as_json)
        needed = not result.is_good
    except KeyboardInterrupt:
        needed = False
        raise
    finally:
        if needed or keep is not None:
            warn(f"files, logs and the database are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    if not result.is_good:
        raise typer.Exit(1)


def _directory(keep: Path | None, *, open_to_all: bool) -> Path:
    if keep is None:
        directory = Path(tempfile.mkdtemp(prefix="harvester-demo-"))
    else:
        directory = keep.absolute()
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            fail(f"{directory} is not empty; name a new directory with --keep")
    if open_to_all:
        directory.chmod(0o755)
    return directory


def _report(result: Result, *, as_json: bool) -> None:
    from rich.console import Console

    for problem in result.problems:
        warn(problem)
    if as_json:
        typer.echo(json.dumps(result.summary.to_json()))
    else:
        Console().print(result.summary.to_table())
        typer.echo(result.summary.caption())
