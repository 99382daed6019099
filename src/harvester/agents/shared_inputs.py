"""Has an input that several jobs need brought once: within a storage endpoint that queues name by `ddmEndpointIn`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.agents.transfers import TransferUnit
from harvester.core.files import INPUT_DONE, File, FileKind, FileStatus
from harvester.core.shared_inputs import Others, Part, part_in
from harvester.store import files, shared_inputs
from harvester.store.shared_inputs import InputState

_Name = tuple[str, str | None, str | None]


def arrange(instance: Instance, connection: Connection, unit: TransferUnit) -> TransferUnit:
    """Decide in the transaction of the claim which inputs are taken from others, waited for or brought."""
    shared = {
        each.file_id: (job.queue, each)
        for job in unit.jobs
        for each in unit.files[job.job_id]
        if is_shared(instance, job.queue, each) and each.status not in INPUT_DONE
    }
    if not shared:
        return unit
    states = shared_inputs.states_of(connection, {each.lfn for _, each in shared.values()})
    known = _by_name(instance, states)
    others = {key: _others(known.get(_name_of(each), ()), queue) for key, (queue, each) in shared.items()}
    ready = {each.ready for each in others.values() if each.ready is not None}
    sources = shared_inputs.find(connection, ready) if ready else {}
    after = {key: _after(each, others[key], sources) for key, (_, each) in shared.items()}
    files.note_travels(connection, [each for key, each in after.items() if each != shared[key][1]])
    arranged = {job: [after.get(each.file_id, each) for each in some] for job, some in unit.files.items()}
    return replace(unit, files=arranged)


def is_shared(instance: Instance, queue: str, file: File) -> bool:
    """Whether other jobs may have the same file brought."""
    endpoint = _endpoint_of(instance, queue)
    return endpoint is not None and file.endpoint == endpoint and file.kind is FileKind.INPUT


def call_waiting(
    instance: Instance, connection: Connection, queue: str, changed: Iterable[File], now: datetime
) -> None:
    """Those who wait for one of these files look again."""
    names = {each.lfn for each in changed if each.status in INPUT_DONE and is_shared(instance, queue, each)}
    if names:
        shared_inputs.call_waiting(connection, names, now)


def _endpoint_of(instance: Instance, queue: str) -> str | None:
    config = instance.plugins.queues.get(queue)
    return config.ddm_endpoint_in if config else None


def _name_of(file: File | InputState) -> _Name:
    return file.lfn, file.scope, file.endpoint


def _by_name(instance: Instance, states: Iterable[InputState]) -> Mapping[_Name, Sequence[InputState]]:
    """The states in queues that bring their inputs to the file's endpoint."""
    found: dict[_Name, list[InputState]] = defaultdict(list)
    for each in states:
        if each.endpoint is not None and each.endpoint == _endpoint_of(instance, each.queue):
            found[_name_of(each)].append(each)
    return found


def _others(states: Sequence[InputState], queue: str) -> Others:
    here = next((each for each in states if each.queue == queue), None)
    elsewhere = [each.moving for each in states if each.queue != queue and each.moving is not None]
    return Others(
        ready=next((each.ready for each in states if each.ready is not None), None),
        moving=here.moving if here else None,
        waiting=here.waiting if here else None,
        moving_elsewhere=min(elsewhere, default=None),
    )


def _after(file: File, others: Others, sources: Mapping[int, File]) -> File:
    match part_in(file, others):
        case Part.TAKE:
            source = sources[others.ready or 0]
            return replace(
                file,
                status=FileStatus.READY,
                path=source.path,
                group_id=source.group_id,
                group_status=source.group_status,
                grouped_at=source.grouped_at,
            )
        case Part.WAIT:
            return replace(file, status=FileStatus.PREPARING, attempts=file.attempts + 1)
        case Part.BRING if file.status is FileStatus.PREPARING:
            return replace(file, status=FileStatus.TO_PREPARE, attempts=0)
        case Part.BRING:
            return file
