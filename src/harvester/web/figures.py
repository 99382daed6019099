"""The figures of an instance: what the database knows of it, and what each of its processes tells of itself.

Any process answers for all. It reads a fixed number of statements, whatever the number of queues; of itself it knows
more than the database does, and goes on telling that while the database is away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from harvester.agents.facts import REMOTE_QUEUES
from harvester.config.queues import QueueConfig
from harvester.core.holds import hold_of
from harvester.core.process_report import ProcessReport
from harvester.store import backlogs, cache, credentials, holds, jobs, leases, measurements, queues, worker_counts
from harvester.web import families
from harvester.web.families import Family

Sample = tuple[Family, tuple[str, ...], float]

_LIMITS = (
    ("maxWorkers", "max_workers"),
    ("nQueueLimitWorker", "n_queue_limit_worker"),
    ("nQueueLimitJob", "n_queue_limit_job"),
)
_VOLUME = ("volume_", "_pc")


@dataclass(frozen=True, slots=True)
class ProcessName:
    """How a process is told from others."""

    host: str
    pid: int

    @property
    def labels(self) -> tuple[str, str]:
        """For its metrics."""
        return self.host, str(self.pid)


def of_instance(connection: Connection, configured: Mapping[str, QueueConfig], now: datetime) -> Iterator[Sample]:
    """What the database tells, and the limits of the queues that are served.

    Args:
        connection: to the database.
        configured: the queues as this process has them.
        now: what time it is.
    """
    yield from _of_queues(connection, configured, now)
    for name, by_worker in worker_counts.by_queue_and_status(connection).items():
        yield from ((families.WORKERS, (name, status.value), number) for status, number in by_worker.items())
    for name, by_job in jobs.count_by_queue_and_status(connection).items():
        yield from ((families.JOBS, (name, job_status.value), number) for job_status, number in by_job.items())
    for each in backlogs.backlogs(connection, now):
        yield families.BACKLOG, (each.work,), each.number
        waited = (now - each.oldest).total_seconds() if each.oldest else 0.0
        yield families.BACKLOG_OLDEST, (each.work,), max(waited, 0.0)
    yield from _of_credentials(connection, now)
    yield from _of_documents(connection, now)
    yield from _of_volumes(connection)


def _of_queues(connection: Connection, configured: Mapping[str, QueueConfig], now: datetime) -> Iterator[Sample]:
    held = holds.present(connection)
    for name in queues.active(connection):
        yield families.QUEUE_SERVED, (name,), float(hold_of(name, held, now) is None)
        config = configured.get(name)
        for label, attribute in _LIMITS if config else ():
            limit = getattr(config, attribute)
            if limit is not None:
                yield families.QUEUE_LIMIT, (name, label), limit
    for hold in held:
        if hold_of(hold.queue, [hold], now):
            yield families.QUEUE_HELD, (hold.queue, hold.mode.value), 1


def _of_credentials(connection: Connection, now: datetime) -> Iterator[Sample]:
    for each in credentials.of_hosts(connection):
        labels = (each.host, each.name, each.setup)
        yield families.CREDENTIAL_FAILING, labels, float(bool(each.problem))
        if each.valid_until is not None:
            yield families.CREDENTIAL_LEFT, labels, (each.valid_until - now).total_seconds()


def _of_documents(connection: Connection, now: datetime) -> Iterator[Sample]:
    for each in cache.states(connection):
        labels = (str(each.key),)
        yield families.DOCUMENT_FAILING, labels, float(bool(each.problem))
        if each.refreshed_at is None:
            continue
        age = max((now - each.refreshed_at).total_seconds(), 0.0)
        yield families.DOCUMENT_AGE, labels, age
        if each.key == REMOTE_QUEUES:
            yield families.QUEUE_CONFIGURATION_AGE, (), age


def _of_volumes(connection: Connection) -> Iterator[Sample]:
    for each in measurements.latest(connection):
        for name, value in each.metrics.items():
            if name.startswith(_VOLUME[0]) and name.endswith(_VOLUME[1]) and isinstance(value, int | float):
                yield families.VOLUME, (each.host, name[len(_VOLUME[0]) : -len(_VOLUME[1])]), value


def others(connection: Connection, me: ProcessName, now: datetime) -> dict[ProcessName, ProcessReport]:
    """What the other living processes told last."""
    told = leases.list_reports(connection)
    named = {ProcessName(owner.host, owner.pid): report for owner, report in told if owner.expires_at > now}
    return {name: report for name, report in named.items() if name != me}


def of_process(name: ProcessName, report: ProcessReport, now: datetime) -> Iterator[Sample]:
    """What a process tells of itself."""
    at = name.labels
    if report.began_at is not None:
        yield families.PROCESS_START, at, report.began_at.timestamp()
    yield families.PROCESS_MEMORY, at, report.rss
    yield families.PROCESS_CPU, at, report.cpu_seconds
    for part, figures in report.parts.items():
        labels = (*at, part)
        yield families.ROUNDS, labels, figures.rounds
        yield families.WORK, (*labels, "done"), figures.done
        yield families.WORK, (*labels, "failed"), figures.failed
        yield families.WORK_SECONDS, labels, figures.seconds
        yield families.IN_HAND, labels, figures.in_hand
        yield families.RESTING, labels, figures.resting
        yield families.STUCK, labels, float(part in report.stuck)
    for method, outcomes in report.calls.items():
        yield from ((families.CALLS, (*at, method, outcome), number) for outcome, number in outcomes.items())
    for method, seconds in report.call_seconds.items():
        yield families.CALL_SECONDS, (*at, method), seconds
    if report.server_silence is not None:
        yield families.SERVER_SILENCE, at, report.server_silence
    for agent in report.held_off:
        yield families.CIRCUIT_OPEN, (*at, agent), 1
    for kind in ("unavailable", "contended"):
        yield families.DATABASE_TROUBLES, (*at, kind), report.database.get(kind, 0)
    if report.origin is not None:
        yield families.INSTANCE_CONFIGURATION_AGE, at, (now - report.origin.fetched_at).total_seconds()
        yield families.INSTANCE_CONFIGURATION_STALE, at, float(bool(report.origin.problem))
