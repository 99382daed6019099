"""Runs a demonstration from the first file to the last worker."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from harvester.cli.demo.children import Child, ChildError
from harvester.cli.demo.counting import count_starts, make_counting_commands
from harvester.cli.demo.leftovers import end_workers
from harvester.cli.demo.outputs import run_more_than_once
from harvester.cli.demo.plan import Mode, Plan, ResourceKind, take_offline, write_files
from harvester.cli.demo.progress import progress
from harvester.cli.demo.summary import Summary
from harvester.cli.demo.trouble import explain_trouble
from harvester.cli.demo.watch import OutOfTimeError, View, Watcher
from harvester.panda.devserver import DevControl

_PATIENCE: Final = 600.0
"""Seconds after which something must be wrong."""


@dataclass(frozen=True, slots=True)
class Result:
    """How a demonstration went, and what was wrong with it."""

    summary: Summary
    problems: Sequence[str]

    @property
    def is_good(self) -> bool:
        """Whether everything is as it should be."""
        return self.summary.is_good and not self.problems


def perform(plan: Plan) -> Result:
    """Play the whole piece; whatever happens, no process and no worker is left behind.

    Raises:
        HarvesterError: it could not even begin.
        OSError: its directory cannot be written.
    """
    began = time.monotonic()
    on_slurm = plan.resource is ResourceKind.SLURM
    commands = make_counting_commands(plan.directory / "commands") if on_slurm else {}
    with ExitStack() as stack:
        server = stack.enter_context(Child("development server", ["dev-server", "--port", "0"], plan.said_by_server))
        url = server.first_line()
        write_files(plan, url, commands)
        control = stack.enter_context(DevControl(url))
        control.add_jobs(plan.job_dictionaries())
        stack.callback(end_workers, plan)
        view, problems = _watch(plan, server, control, began + _PATIENCE)
    problems += [f"job {job} was run more than once" for job in run_more_than_once(plan)]
    starts = count_starts(plan.directory / "commands") if on_slurm else {}
    return Result(_summarise(plan, view, time.monotonic() - began, starts), problems)


def _watch(plan: Plan, server: Child, control: DevControl, deadline: float) -> tuple[View, list[str]]:
    """The last view, and what went wrong."""
    with progress(plan.jobs) as show:
        watcher = Watcher(plan, control, show, deadline)
        try:
            _wait_for_the_end(plan, server, watcher)
        except (OutOfTimeError, ChildError) as error:
            return watcher.last, [str(error), *watcher.problems, *explain_trouble(plan)]
    failed = watcher.last.jobs.get("finished", 0) < plan.jobs
    return watcher.last, [*watcher.problems, *(explain_trouble(plan) if failed else ())]


def _wait_for_the_end(plan: Plan, server: Child, watcher: Watcher) -> None:
    """Pulling workers are replaced again and again, so in the end their queue has to be taken out of service."""
    arguments = ["run", "--config", str(plan.config), "--queues", str(plan.queues)]
    with Child("Harvester", arguments, plan.said_by_harvester) as harvester:
        children = (server, harvester)
        watcher.until(lambda view: view.open_jobs == 0, children)
        if plan.mode is Mode.PUSH:
            watcher.until(lambda view: view.open_workers == 0, children)
            return
    take_offline(plan)
    with Child("Harvester", arguments, plan.said_by_harvester) as harvester:
        watcher.until(lambda view: view.open_workers == 0, (server, harvester))


def _summarise(plan: Plan, view: View, seconds: float, starts: dict[str, int]) -> Summary:
    return Summary(
        mode=plan.mode,
        resource=plan.resource,
        jobs=plan.jobs,
        finished=view.jobs.get("finished", 0),
        failed=sum(view.jobs.get(status, 0) for status in ("failed", "cancelled", "closed")),
        verified=view.verified,
        workers=sum(view.workers.values()),
        workers_finished=view.workers.get("finished", 0),
        workers_missed=view.workers.get("missed", 0),
        seconds=seconds,
        processes=starts,
    )
