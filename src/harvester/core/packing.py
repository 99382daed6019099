"""Which output files are packed into one, and when (core reference §4.3)."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from harvester.core.files import File, FileKind, FileStatus

_MEGABYTE: Final = 1024 * 1024
_SCOPE: Final = "panda"
_LONGEST_NAME: Final = 255


def parcels(
    pending: Sequence[File], *, megabytes: int, ended: bool, working: Collection[int]
) -> Iterator[tuple[File, ...]]:
    """The files of one job that are packed together now; what is left may still get company.

    Files of different workers or provenance are never packed together, and no file is in two parcels.

    Args:
        pending: files that wait, in the order in which they were written.
        megabytes: no parcel of several files is larger; 0 for one parcel per group, made when the job has ended.
        ended: whether the job has ended, so that nothing more comes.
        working: workers that may still write; the files of the others wait for nobody.
    """
    groups: dict[tuple[str | None, int | None], list[File]] = defaultdict(list)
    for file in pending:
        groups[file.provenance, file.worker_id].append(file)
    for (_, worker), group in groups.items():
        *full, last = _cut(group, megabytes * _MEGABYTE) if megabytes else [tuple(group)]
        yield from full
        if ended or (megabytes and worker not in working):
            yield last


def _cut(group: Sequence[File], limit: int) -> Iterator[tuple[File, ...]]:
    """Pieces in order, each as large as it may be; one file that is too large is a piece of its own."""
    piece: list[File] = []
    size = 0
    for file in group:
        more = file.size or 0
        if piece and size + more > limit:
            yield tuple(piece)
            piece, size = [], 0
        piece.append(file)
        size += more
    yield tuple(piece)


def provenance_of(event_range: str | None) -> str | None:
    """What the outputs of event ranges have in common that may be packed together: the third part of the range's id."""
    parts = (event_range or "").split("-")
    return parts[2] if len(parts) > 2 else None  # noqa: PLR2004 (taskID-PandaID-fileID-…)


def packed_file(members: Sequence[File]) -> File:
    """The file that a parcel becomes, before it is made."""
    first = members[0]
    return File(
        file_id=0,
        job_id=first.job_id,
        lfn=_packed_name(first.lfn),
        kind=FileKind.ZIP_OUTPUT,
        status=FileStatus.ZIPPING,
        scope=_SCOPE,
        worker_id=first.worker_id,
        provenance=first.provenance,
    )


def _packed_name(lfn: str) -> str:
    """`panda.<first lfn>.zip`, as servers know it; a name that no file system can hold is summed up."""
    name = f"panda.{lfn}.zip"
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    return f"panda.{hashlib.sha256(lfn.encode()).hexdigest()}.zip"
