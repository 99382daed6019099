"""Files of jobs in the database."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, select

from harvester.core.files import AT_REST, INPUT_KINDS, File, FileKind, FileStatus
from harvester.core.packing import packed_file
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
    "url",
    "worker_id",
    "provenance",
    "packed_in",
    "group_id",
    "group_status",
    "grouped_at",
    "objstore_id",
    "path_convention",
)
COLUMNS: Final = tuple(files.c[name] for name in _FIELDS)
"""What a file is made of, in its order."""
_NEW: Final = attrgetter(*_FIELDS[1:])
_TRAVELLED: Final = (
    "file_id",
    "status",
    "path",
    "size",
    "checksum",
    "guid",
    "attempts",
    "group_id",
    "group_status",
    "grouped_at",
    "objstore_id",
    "path_convention",
)
"""What a transfer may change."""


def insert_new(connection: Connection, new: Sequence[File]) -> None:
    """Store files that are not there yet; a file is known by its job, kind and name."""
    if not new:
        return
    ids = {each.job_id for each in new}
    query = select(files.c.job_id, files.c.kind, files.c.lfn).where(one_of(connection, files.c.job_id, ids))
    known = {tuple(row) for row in connection.execute(query)}
    unique = {(each.job_id, each.kind, each.lfn): each for each in new}
    rows = [(*_NEW(each), _name_key(each)) for key, each in unique.items() if key not in known]
    insert_rows(connection, files, (*_FIELDS[1:], "name_key"), rows)


def _name_key(file: File) -> int | None:
    return number_of_name(file.lfn) if file.kind in INPUT_KINDS else None


def number_of_name(lfn: str) -> int:
    """The number under which inputs of this name are found."""
    return int.from_bytes(hashlib.sha256(lfn.encode(errors="surrogatepass")).digest()[:8]) >> 1


def of_jobs(connection: Connection, job_ids: Collection[int], kinds: Collection[FileKind]) -> dict[int, list[File]]:
    """Files of the given kinds by job; a job without any has an empty list."""
    wanted = (one_of(connection, files.c.job_id, job_ids), files.c.kind.in_(kinds))
    found: dict[int, list[File]] = {job: [] for job in job_ids}
    for row in connection.execute(select(*COLUMNS).where(*wanted).order_by(files.c.file_id)):
        found[row[1]].append(File(*row))
    return found


def jobs_with_open_outputs(
    connection: Connection, job_ids: Collection[int], kinds: Collection[FileKind]
) -> frozenset[int]:
    """Those of the jobs that have files of these kinds that are to be made or moved."""
    wanted = (one_of(connection, files.c.job_id, job_ids), files.c.kind.in_(kinds), files.c.status.not_in(AT_REST))
    return frozenset(connection.scalars(select(files.c.job_id).where(*wanted).distinct()))


def note_travels(connection: Connection, travelled: Iterable[File]) -> None:
    """Write what transfers have made of files."""
    values_of = attrgetter(*_TRAVELLED)
    rows = [dict(zip(_TRAVELLED, values_of(each), strict=True)) for each in travelled]
    change_rows(connection, files, rows)


def note_groups(connection: Connection, statuses: Mapping[str, str | None], now: datetime) -> None:
    """Write the new word on groups to all of their files, of whatever jobs."""
    rows = [{"group_id": group, "group_status": status} for group, status in statuses.items()]
    change_rows(connection, files, rows, keys=["group_id"], same={"grouped_at": now})


def renew(connection: Connection, written: Sequence[File]) -> None:
    """Checkpoints that were written anew have to be uploaded again."""
    rows = [
        {
            "job_id": each.job_id,
            "lfn": each.lfn,
            "status": FileStatus.RENEWED,
            "path": each.path,
            "size": each.size,
            "checksum": each.checksum,
            "attempts": 0,
        }
        for each in written
    ]
    change_rows(connection, files, rows, files.c.kind == FileKind.CHECKPOINT, keys=["job_id", "lfn"])


def note_uploads(connection: Connection, uploaded: Sequence[File]) -> None:
    """Write what came of bringing checkpoints away; one that was written anew meanwhile has to be brought again."""
    names = ("file_id", "checksum", "size", "status", "attempts")
    values_of = attrgetter(*names)
    rows = [dict(zip(names, values_of(each), strict=True)) for each in uploaded]
    change_rows(connection, files, rows, files.c.status == FileStatus.RENEWED, keys=names[:3])


def drop_checkpoints(connection: Connection, names: Collection[tuple[int, str]]) -> None:
    """These checkpoints, by job and name, need not be brought away any more."""
    rows = [{"job_id": job, "lfn": lfn} for job, lfn in names]
    mine = (files.c.kind == FileKind.CHECKPOINT, files.c.status == FileStatus.RENEWED)
    change_rows(connection, files, rows, *mine, keys=["job_id", "lfn"], same={"status": FileStatus.DONE})


def pack(connection: Connection, parcels: Sequence[Sequence[File]]) -> list[File]:
    """Each parcel becomes a file that is to be made, and its members are in it; returns all of these as they are now.

    Nobody else may change files of these jobs meanwhile.
    """
    if not parcels:
        return []
    new = [packed_file(members) for members in parcels]
    insert_new(connection, new)
    made = _made(connection, {each.job_id for each in new})
    members = [
        replace(each, status=FileStatus.ZIPPED, packed_in=made[parcel.job_id, parcel.lfn].file_id)
        for parcel, some in zip(new, parcels, strict=True)
        for each in some
    ]
    rows = [{"file_id": each.file_id, "status": each.status, "packed_in": each.packed_in} for each in members]
    change_rows(connection, files, rows)
    return [*(made[each.job_id, each.lfn] for each in new), *members]


def _made(connection: Connection, job_ids: Collection[int]) -> dict[tuple[int, str], File]:
    some = of_jobs(connection, job_ids, [FileKind.ZIP_OUTPUT])
    return {(each.job_id, each.lfn): each for found in some.values() for each in found}
