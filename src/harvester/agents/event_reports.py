"""Tells the server how event ranges ended, as a part of reporting their jobs (core reference §3.4).

The end of a job is not told before the server knows the ends of all ranges that its workers have processed; until then
the job is `transferring`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.losses import tell_losses
from harvester.core.events import EventMode, wire_event_status
from harvester.core.files import FileKind
from harvester.core.jobs import Job, JobStatus, JobSubstatus
from harvester.panda.errors import PandaError
from harvester.panda.event_messages import EventJob, EventReport, ZipFile, event_job_of
from harvester.store import event_requests, events, files, jobs
from harvester.store.events import EndedEvent, StoredFile

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 10_000
"""Ranges that are told in one round; the jobs of the others come again at once."""
_FAILURES: Final = 3
"""In a row, that mean that the server is in trouble and not a job."""


@dataclass(frozen=True, slots=True)
class EventsTold:
    """What the server said of the event ranges of a bulk of jobs.

    Attributes:
        known: ids of the ranges whose ends it knows now.
        unsettled: jobs of which it does not know all ends yet.
        left: how many ranges it still has, by job that waits for a worker.
        valued: points whose loss iDDS knows now, by job and name of their checkpoint.
    """

    known: Collection[int] = ()
    unsettled: frozenset[int] = frozenset()
    left: dict[int, int] = field(default_factory=dict)
    valued: Collection[tuple[int, str]] = ()

    @property
    def exhausted(self) -> frozenset[int]:
        """Jobs for which a worker would find nothing to do."""
        return frozenset(job for job, number in self.left.items() if number == 0)


NOTHING_TOLD: Final = EventsTold()


def tell_events(instance: Instance, told: Sequence[Job]) -> EventsTold:
    """Report what has ended of these jobs' ranges, and ask how many ranges are left for jobs that wait for a worker.

    A server that cannot be asked about ranges holds up only the ends of their jobs.
    """
    divided = {job.job_id: job for job in told if job.events}
    if not divided:
        return NOTHING_TOLD
    with instance.db.read() as connection:
        ended = events.ended_of_jobs(connection, divided, _AT_ONCE)
        params = jobs.params_of(connection, divided)
    described = {job_id: event_job_of(job_id, params.get(job_id, {})) for job_id in divided}
    losses = tell_losses(instance, ended, described)
    known = _tell(instance, losses.ready, described)
    unsettled = {each.job_id for each in ended if each.event_id not in known}
    if len(ended) == _AT_ONCE:
        unsettled |= divided.keys()
    left = _ask_left(instance, [described[job.job_id] for job in divided.values() if _waits_for_worker(job)])
    return EventsTold(known, frozenset(unsettled), left, losses.valued)


def _tell(instance: Instance, ended: Sequence[EndedEvent], described: Mapping[int, EventJob]) -> set[int]:
    """The ranges whose ends the server knows now, those included that it refuses: to repeat them would be no use."""
    if not ended:
        return set()
    reports = [_report(each, described[each.job_id].source_url) for each in ended]
    try:
        returns = instance.panda.update_event_ranges(reports)
    except PandaError as error:
        log.warning("ends of event ranges not told, it is tried again", ranges=len(ended), error=str(error))
        return set()
    refused = sum(each is False for each in returns)
    if refused:
        log.warning("the server does not want the ends of some event ranges", ranges=refused)
    return {each.event_id for each, stored in zip(ended, returns, strict=True) if stored is not None}


def _report(event: EndedEvent, source_url: str | None) -> EventReport:
    status = wire_event_status(event.state, event.word)
    file, objstore = event.file, _objstore(event.file)
    if file is not None and file.kind is FileKind.ZIP_OUTPUT:
        zip_file = ZipFile(file.lfn, file.size, file.checksum, objstore)
        return EventReport(event.range_id, status, event.about, zip_file, source_url=source_url)
    return EventReport(event.range_id, status, event.about, objstore=objstore, source_url=source_url)


def _objstore(file: StoredFile | None) -> str | None:
    """Where a file was stored, as the server is told of it (core reference, appendix A: `to_event_data`)."""
    if file is None or file.objstore_id is None:
        return None
    convention = "" if file.path_convention is None else f"/{file.path_convention}"
    return f"{file.objstore_id}{convention}"


def _waits_for_worker(job: Job) -> bool:
    """Whether no worker has the job yet, so that it is not too late to learn that there is nothing to do."""
    starting = job.status is JobStatus.STARTING and job.substatus is not JobSubstatus.SUBMITTED
    return starting and job.events is EventMode.RANGES


def _ask_left(instance: Instance, waiting: Sequence[EventJob]) -> dict[int, int]:
    """How many ranges the server has for each of these jobs, as far as it says so; it has no call for several of them.

    All reports of jobs wait for this, so a server that fails again and again is not asked about the rest.
    """
    left: dict[int, int] = {}
    failures = 0
    for job in waiting:
        try:
            number = instance.panda.available_event_ranges(job)
        except PandaError as error:
            log.warning("the server does not say how many event ranges are left", job=job.job_id, error=str(error))
            failures += 1
        else:
            failures = 0
            left |= {} if number is None else {job.job_id: number}
        if failures == _FAILURES:
            break
    return left


def settle_events(connection: Connection, told: EventsTold, over: Collection[int]) -> None:
    """Write what the server knows now, and forget the ranges of jobs that are over for it."""
    events.note_told(connection, told.known)
    jobs.note_events_left(connection, told.left)
    files.drop_checkpoints(connection, told.valued)
    events.forget(connection, over)
    event_requests.forget_of_jobs(connection, over)
