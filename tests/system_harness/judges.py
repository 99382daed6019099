"""Judges what came of a run by what the server, the resource and the pilots wrote down, never by Harvester's word."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from crashing.judgement import most_at_once
from system_harness.site import Row, Site

_FINAL_WORKERS = {"finished", "failed", "cancelled", "missed"}
_FINAL_JOBS = {"finished", "failed"}


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch job in the resource's own book; times in seconds since 1970."""

    marker: str
    batch_id: str
    ended: bool
    started_at: float | None
    ended_at: float | None


def local_batch_jobs(site: Site, resource: str = "resource") -> list[BatchJob]:
    """The ledger of a local resource."""
    path = site.directory / resource / "workers.db"
    if not path.exists():
        return []
    with closing(sqlite3.connect(path, timeout=30)) as ledger:
        rows = ledger.execute("SELECT marker, state, started_at, ended_at FROM workers").fetchall()
    return [
        BatchJob(marker, marker, state not in {"queued", "running"}, start, end) for marker, state, start, end in rows
    ]


def local_markers(site: Site) -> set[str]:
    """What a local resource has accepted."""
    return {each.marker for each in local_batch_jobs(site)}


def judge(
    site: Site, batch_jobs: Sequence[BatchJob], *, jobs: int, max_workers: int, but: frozenset[int] = frozenset()
) -> None:
    """Everything finished, nothing twice, nothing left behind, no limit broken; `but` are jobs nobody may know of."""
    known = list(site.server.control.jobs())
    assert len(known) == jobs
    judge_jobs(site, (job for job in known if job["job_id"] not in but))
    assert but.isdisjoint(site.executions())
    judge_batch_jobs(site, batch_jobs)
    ran = [(each.started_at, each.ended_at) for each in batch_jobs if each.started_at is not None]
    assert most_at_once(ran) <= max_workers


def judge_jobs(site: Site, jobs: Iterable[Row]) -> None:
    """Every job finished, was run exactly once and given out once, and its end was never contradicted."""
    executions = Counter(site.executions())
    for job in jobs:
        about = f"job {job['job_id']}: {json.dumps(job)}"
        assert job["status"] == "finished", about
        assert executions[int(str(job["job_id"]))] == 1, about
        assert job["times_acquired"] == 1, about
        assert ends_told(job) == {"finished"}, about


def ends_told(job: Row) -> set[str]:
    """The final statuses that the server was ever told of a job."""
    received = job["received"]
    assert isinstance(received, list)
    return {str(each[1]) for each in received if isinstance(each, list) and each[1] in _FINAL_JOBS}


def judge_batch_jobs(site: Site, batch_jobs: Sequence[BatchJob]) -> None:
    """Every batch job has ended and belongs to exactly one worker that Harvester told the server about, to its end."""
    workers = {site.marker(each["worker_id"]): each for each in site.server.control.workers()}
    for worker in workers.values():
        assert worker["status"] in _FINAL_WORKERS, worker
        told = worker["told"]
        assert isinstance(told, list)
        assert len(_FINAL_WORKERS.intersection(told)) == 1, worker
    markers = Counter(each.marker for each in batch_jobs)
    assert [marker for marker, times in markers.items() if times > 1] == []
    assert markers.keys() - workers.keys() == set(), "batch jobs that Harvester does not know"
    assert [each for each in batch_jobs if not each.ended] == []
    for each in batch_jobs:
        fields = workers[each.marker]["fields"]
        assert isinstance(fields, dict)
        assert fields["batchID"] == each.batch_id, workers[each.marker]
