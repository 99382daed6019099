"""Judges a run by the server's record: every worker and every job came to its end, once."""

from collections.abc import Iterator

from pydantic import JsonValue, TypeAdapter

from harvester.panda.devserver import DevControl
from harvester.panda.devserver.control import Row
from harvester.panda.devserver.records import FINAL_WORKER_STATUSES
from instance import Site

_STATUSES = TypeAdapter(list[str])
_PAIRS = TypeAdapter(list[tuple[str, int]])
_SHOWN = 10


def judge(site: Site, *, workers: int, jobs: int) -> None:
    """Compare the server's record with what there must have been.

    Args:
        site: whose server is asked.
        workers: how many workers the resource has taken.
        jobs: how many jobs there were.

    Raises:
        SystemExit: something was lost or done twice; says what.
    """
    with DevControl(site.server) as control:
        wrong = [*_of_workers(control.workers(), workers), *_of_jobs(list(control.jobs()), jobs)]
    if wrong:
        raise SystemExit("\n".join(["the run does not count:", *wrong[:_SHOWN], f"{len(wrong)} mistakes in all"]))


def _of_workers(known: list[Row], expected: int) -> Iterator[str]:
    if len(known) != expected:
        yield f"the resource has taken {expected} workers, the server knows {len(known)}"
    for worker in known:
        statuses = _STATUSES.validate_python(worker["statuses"])
        ends = [status for status in statuses if status in FINAL_WORKER_STATUSES]
        if ends != ["finished"] or statuses[-1] != "finished":
            yield f"worker {worker['worker_id']} was {', '.join(statuses)}"


def _of_jobs(known: list[Row], expected: int) -> Iterator[str]:
    if len(known) != expected:
        yield f"{expected} jobs were put into the server, it knows {len(known)}"
    for job in known:
        name = f"job {job['job_id']}"
        if not _has_finished(job["closing"], job["status"]):
            yield f"{name} is {job['status']}"
        if job["times_acquired"] != 1:
            yield f"{name} was given out {job['times_acquired']} times"
        if len(pairs := _PAIRS.validate_python(job["workers"])) != 1:
            yield f"{name} had {len(pairs)} workers"


def _has_finished(closing: JsonValue, status: JsonValue) -> bool:
    """Whether the end was told; the server itself takes a moment to close the job."""
    return "finished" in {closing, status}
