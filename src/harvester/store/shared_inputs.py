"""Input files that several jobs need, in the database."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, case, func, select, update

from harvester.core.files import File, FileKind, FileStatus
from harvester.core.records import record_type
from harvester.store.files import COLUMNS, number_of_name
from harvester.store.leases import JOB_WORK, UNCLAIMED
from harvester.store.schema import OPEN_JOB_PHASES, JobPhase, files, jobs
from harvester.store.sets import one_of, unindexed


@record_type
class InputState:
    """How one input stands in the jobs of one queue; keys of files, None for no such file.

    Attributes:
        ready: it is there, of a job that has not ended.
        moving: the first whose transfer was started.
        waiting: the first whose transfer was not.
    """

    lfn: str
    scope: str | None
    endpoint: str | None
    queue: str
    ready: int | None
    moving: int | None
    waiting: int | None


def states_of(connection: Connection, lfns: Collection[str]) -> list[InputState]:
    """How inputs of these names stand, wherever they are needed."""
    preparing = unindexed(jobs.c.phase) == JobPhase.PREPARE
    is_open = unindexed(jobs.c.phase).in_(OPEN_JOB_PHASES)
    named = (files.c.lfn, files.c.scope, files.c.endpoint, jobs.c.queue)
    query = select(
        *named,
        _first(and_(files.c.status == FileStatus.READY, is_open)),
        _first(and_(files.c.status == FileStatus.TRIGGERED, preparing)),
        _first(and_(files.c.status.in_([FileStatus.TO_PREPARE, FileStatus.PREPARING]), preparing)),
    )
    wanted = one_of(connection, files.c.name_key, {number_of_name(each) for each in lfns})
    joined = query.join_from(files, jobs, files.c.job_id == jobs.c.job_id)
    rows = connection.execute(joined.where(wanted, files.c.kind == FileKind.INPUT).group_by(*named))
    return [InputState(*row) for row in rows]


def _first(condition: ColumnElement[bool]) -> ColumnElement[int | None]:
    return func.min(case((condition, files.c.file_id)))


def find(connection: Connection, file_ids: Collection[int]) -> dict[int, File]:
    """Files by key."""
    rows = connection.execute(select(*COLUMNS).where(one_of(connection, files.c.file_id, file_ids)))
    return {row[0]: File(*row) for row in rows}


def needed(connection: Connection, lfns: Collection[str]) -> frozenset[str]:
    """Those of the names that are inputs of jobs that have not ended."""
    wanted = one_of(connection, files.c.name_key, {number_of_name(each) for each in lfns})
    query = select(files.c.lfn).join_from(files, jobs, files.c.job_id == jobs.c.job_id).distinct()
    return frozenset(connection.scalars(query.where(wanted, unindexed(jobs.c.phase).in_(OPEN_JOB_PHASES))))


def call_waiting(connection: Connection, lfns: Collection[str], now: datetime) -> None:
    """Jobs that wait for inputs of these names to be brought by others look again now."""
    wanted = one_of(connection, files.c.name_key, {number_of_name(each) for each in lfns})
    waiting = select(files.c.job_id).where(wanted, files.c.status == FileStatus.PREPARING).distinct()
    found: Sequence[int] = connection.scalars(waiting).all()
    if found:
        phase = unindexed(jobs.c.phase) == JobPhase.PREPARE
        mine = update(jobs).where(one_of(connection, jobs.c.job_id, found), phase, JOB_WORK.fence == UNCLAIMED)
        connection.execute(mine.values(due=now))
