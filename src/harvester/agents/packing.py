"""Has output files packed into few before they are taken away: which ones, and by whom."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.outputs import megabytes_of
from harvester.agents.transfers import PackOutcome, TransferUnit
from harvester.core.files import TO_PACK, File, FileStatus
from harvester.core.held import Held
from harvester.core.jobs import Job
from harvester.core.packing import parcels
from harvester.plugins.api import Done, Failed, Later, Packed, Parcel
from harvester.store import files, jobs, workers

_MADE_OF_OTHERS: Final = TO_PACK | {FileStatus.PENDING}


def arrange(instance: Instance, connection: Connection, unit: TransferUnit, *, ended: bool) -> TransferUnit:
    """Decide which files are packed together, where some wait for that; the claim on their jobs is ours.

    Args:
        instance: whose queues say how large packed files may be.
        connection: the transaction of the claim.
        unit: jobs of any queues.
        ended: whether they have ended.
    """
    concerned = [job for job in unit.jobs if any(each.status in _MADE_OF_OTHERS for each in unit.files[job.job_id])]
    if not concerned:
        return unit
    every = [each for job in concerned for each in unit.files[job.job_id]]
    writers = {each.worker_id for each in every if each.worker_id is not None and each.status in _MADE_OF_OTHERS}
    held = workers.find(connection, sorted(writers))
    made = files.pack(connection, _parcels(instance, connection, concerned, unit.files, _working(held), ended=ended))
    access_points = {each.worker.worker_id: each.worker.access_point for each in held}
    return replace(unit, files=_with(unit.files, made), access_points=access_points)


def _working(held: Sequence[Held]) -> frozenset[int]:
    return frozenset(each.worker.worker_id for each in held if not each.worker.status.is_final)


def _parcels(
    instance: Instance,
    connection: Connection,
    concerned: Sequence[Job],
    of_jobs: Mapping[int, Sequence[File]],
    working: Collection[int],
    *,
    ended: bool,
) -> list[tuple[File, ...]]:
    waiting = [(job, [each for each in of_jobs[job.job_id] if each.status is FileStatus.PENDING]) for job in concerned]
    pending = [(job, some) for job, some in waiting if some]
    params = jobs.params_of(connection, [job.job_id for job, _ in pending]) if pending else {}
    return [
        parcel
        for job, some in pending
        for parcel in parcels(
            some,
            megabytes=megabytes_of(instance, job.queue, params.get(job.job_id, {})) or 0,
            ended=ended,
            working=working,
        )
    ]


def _with(of_jobs: Mapping[int, Sequence[File]], made: Sequence[File]) -> Mapping[int, Sequence[File]]:
    """The files by job, these as they are now and the new ones among them."""
    known = {each.file_id: each for some in of_jobs.values() for each in some}
    by_job: dict[int, list[File]] = {job: [] for job in of_jobs}
    for each in {**known, **{each.file_id: each for each in made}}.values():
        by_job[each.job_id].append(each)
    return by_job


def pack(instance: Instance, unit: TransferUnit) -> dict[int, PackOutcome]:
    """Have made what is to be made of others, by file id; what could not be asked for has no answer."""
    settings = instance.settings.zipper
    wanted = [each for job in unit.jobs for each in islice(_parcels_of(job, unit), settings.max_files_per_job_to_zip)]
    if not wanted:
        return {}
    zipper = instance.plugins.zipper(unit.about)
    fresh = [each for each in wanted if settings.use_post_zipping and each.file.status is FileStatus.ZIPPING]
    begun = dict(zip((each.file.file_id for each in fresh), instance.call(zipper.begin, fresh, str), strict=True))
    ready = [each for each in wanted if each.file.file_id not in begun]
    packed = zip((each.file.file_id for each in ready), instance.call(zipper.pack, ready, str), strict=True)
    return {file_id: answer for file_id, answer in {**begun, **dict(packed)}.items() if not isinstance(answer, str)}


def _parcels_of(job: Job, unit: TransferUnit) -> Iterator[Parcel]:
    """What is to be made for a job; what was tried least goes first."""
    members: dict[int | None, list[File]] = defaultdict(list)
    for each in unit.files[job.job_id]:
        members[each.packed_in].append(each)
    to_pack = (each for each in unit.files[job.job_id] if each.status in TO_PACK)
    for file in sorted(to_pack, key=lambda each: each.attempts):
        yield Parcel(file, members[file.file_id], unit.access_points.get(file.worker_id or 0))


def after_packing(file: File, outcome: PackOutcome) -> File:
    """The file as it stands when a zipper has said that of it."""
    match outcome:
        case Packed(path, size, checksum):
            return replace(file, status=FileStatus.DEFINED, path=path, size=size, checksum=checksum, attempts=0)
        case Done():
            return replace(file, status=FileStatus.POST_ZIPPING)
        case Failed():
            return replace(file, status=FileStatus.FAILED)
        case Later():
            return replace(file, attempts=file.attempts + 1)
