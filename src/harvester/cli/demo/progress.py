"""Live progress on a terminal, and silence elsewhere."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn

from harvester.cli.demo.watch import View


@contextmanager
def progress(jobs: int) -> Iterator[Callable[[View], None]]:
    """Shows views while the block runs.

    Args:
        jobs: how many there are in all.
    """
    if not sys.stderr.isatty():
        yield lambda _view: None
        return
    with Progress(*_columns(), console=Console(stderr=True)) as bars:
        finished = bars.add_task("jobs finished", total=jobs, states="")
        ended = bars.add_task("workers ended", total=None, states="")
        verified = bars.add_task("outputs verified", total=jobs, states="")

        def show(view: View) -> None:
            workers = sum(view.workers.values())
            bars.update(finished, completed=view.jobs.get("finished", 0), states=_states(view.jobs))
            bars.update(ended, completed=workers - view.open_workers, total=workers, states=_states(view.workers))
            bars.update(verified, completed=view.verified)

        yield show


def _columns() -> Iterator[ProgressColumn]:
    yield TextColumn("{task.description:<17}")
    yield BarColumn()
    yield MofNCompleteColumn()
    yield TimeElapsedColumn()
    yield TextColumn("{task.fields[states]}")


def _states(counts: Mapping[str, int]) -> str:
    return " ".join(f"{status} {number}" for status, number in counts.items() if number)
