"""Files of jobs in the database."""

from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, select

from harvester.core.files import File, FileKind
from harvester.store.schema import files
from harvester.store.sets import change_rows, insert_rows, one_of

_FIELDS: Final = (
    "file_id",
    "job_id",
    "lfn",
    "kind",
    "status",
    "path",
    "size",
    "checksum",
    "guid",
    "scope",
    "dataset",
    "endpoint",
    "attempts",
)
_COLUMNS: Final = tuple(files.c[name] for name in _FIELDS)


def insert_new(connection: Connection, new: Sequence[File]) -> None:
    """Store files that are not there yet; a file is known by its job, kind and name."""
    if not new:
        return
    ids = {each.job_id for each in new}
    query = select(files.c.job_id, files.c.kind, files.c.lfn).where(one_of(connection, files.c.job_id, ids))
    known = {tuple(row) for row in connection.execute(query)}
    unique = {(each.job_id, each.kind, each.lfn): each for each in new}
    names = _FIELDS[1:]
    rows = [attrgetter(*names)(each) for key, each in unique.items() if key not in known]
    insert_rows(connection, files, names, rows)


def of_jobs(connection: Connection, job_ids: Collection[int], kinds: Collection[FileKind]) -> dict[int, list[File]]:
    """Files of the given kinds by job; a job without any has an empty list."""
    wanted = (one_of(connection, files.c.job_id, job_ids), files.c.kind.in_(kinds))
    found: dict[int, list[File]] = {job: [] for job in job_ids}
    for row in connection.execute(select(*_COLUMNS).where(*wanted).order_by(files.c.file_id)):
        found[row[1]].append(File(*row))
    return found


def change(connection: Connection, changes: Sequence[Mapping[str, object]]) -> None:
    """Write what became of files, by `file_id`."""
    change_rows(connection, files, changes)
