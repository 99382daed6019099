"""Event ranges in the database: allotted to workers, told about by them, reported to the server."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from pydantic import JsonValue
from sqlalchemy import Connection, case, delete, func, or_, select, update

from harvester.core.events import OPEN, REPORTABLE, EventState, state_after_file, state_after_word
from harvester.core.files import EVENT_KINDS, FileKind, FileStatus
from harvester.core.records import record_type
from harvester.store.schema import events, files
from harvester.store.selection import Selection, Values
from harvester.store.sets import change_rows, insert_rows, matching_rows, one_of, unindexed

_KEYS: Final = {"job_id": events.c.job_id, "range_id": events.c.range_id}
_NEW: Final = ("job_id", "worker_id", "range_id", "state", "word", "about", "file_id", "delivery", "given")
_OWN_FIELDS: Final = ("event_id", "job_id", "range_id", "state", "word", "about")
_OWN: Final = len(_OWN_FIELDS)
_OF_FILE: Final = ("file_id", "lfn", "kind", "status", "size", "checksum", "objstore_id", "path_convention")
_PACKS: Final = files.alias("packs")
_DECIDING: Final = {name: func.coalesce(_PACKS.c[name], files.c[name]) for name in _OF_FILE}
"""Of the file that a range's output is packed into, if it is; else of the file that has it."""
_ENDED: Final = Selection([*(events.c[name] for name in _OWN_FIELDS), *_DECIDING.values()])

Range = Mapping[str, JsonValue]
"""A range as the server describes it and the worker gets it."""
RangeKey = tuple[int, str]
"""Job and id of a range."""


@record_type
class Allotment:
    """A range that the server gave for a worker."""

    job_id: int
    worker_id: int
    range_id: str
    given: Range


@record_type
class Word:
    """What a worker says of a range.

    Attributes:
        word: its status.
        lfn: the file with its output, if there is one.
        about: what the server is told besides: `coreCount`, `cpuConsumptionTime`, `loss`, `errorCode`, `errorDiag`.
    """

    job_id: int
    worker_id: int
    range_id: str
    word: str
    lfn: str | None
    about: Mapping[str, JsonValue]


@record_type
class StoredFile:
    """The file that decides about ranges, as far as the server is told of it."""

    file_id: int
    lfn: str
    kind: FileKind
    status: FileStatus
    size: int | None
    checksum: str | None
    objstore_id: int | None
    path_convention: int | None


@record_type
class EndedEvent:
    """A range whose end the server has to be told."""

    event_id: int
    job_id: int
    range_id: str
    state: EventState
    word: str
    about: Mapping[str, JsonValue]
    file: StoredFile | None


def allot(connection: Connection, allotments: Sequence[Allotment], delivery: int) -> list[Allotment]:
    """Store ranges that workers are to get, and return them; one that is known already is not given out again."""
    wanted = list({(each.job_id, each.range_id): each for each in allotments}.values())
    known = _known(connection, [(each.job_id, each.range_id) for each in wanted])
    new = [each for each in wanted if (each.job_id, each.range_id) not in known]
    rows: list[Values] = [
        (each.job_id, each.worker_id, each.range_id, EventState.ALLOTTED, "", {}, None, delivery, each.given)
        for each in new
    ]
    insert_rows(connection, events, _NEW, rows)
    return new


def of_deliveries(connection: Connection, deliveries: Collection[int]) -> dict[int, dict[int, list[Range]]]:
    """What workers are to get, by worker and job, in the order in which the server gave it; the same until given."""
    query = select(events.c.worker_id, events.c.job_id, events.c.given)
    wanted = query.where(one_of(connection, events.c.delivery, deliveries), events.c.given.is_not(None))
    found: dict[int, dict[int, list[Range]]] = defaultdict(lambda: defaultdict(list))
    for worker_id, job_id, given in connection.execute(wanted.order_by(events.c.event_id)):
        found[worker_id][job_id].append(given)
    return found


def note_given(connection: Connection, deliveries: Collection[int], worker_ids: Collection[int]) -> None:
    """These workers have what was allotted to them under these numbers."""
    if not worker_ids:
        return
    mine = one_of(connection, unindexed(events.c.worker_id), worker_ids)
    fed = update(events).where(events.c.delivery.in_(sorted(deliveries)), mine)
    state = case((events.c.state == EventState.ALLOTTED, EventState.GIVEN.value), else_=events.c.state)
    connection.execute(fed.values(state=state, given=None, delivery=None))


def describe(connection: Connection, described: Mapping[RangeKey, Range]) -> None:
    """Workers get these ranges in other words; what they have already stays as it is."""
    rows = [{"job_id": job, "range_id": name, "given": given} for (job, name), given in described.items()]
    change_rows(connection, events, rows, events.c.state == EventState.ALLOTTED, keys=["job_id", "range_id"])


def refuse(connection: Connection, reasons: Mapping[RangeKey, str]) -> None:
    """Ranges that no worker can process have failed before one gets them."""
    rows = [
        {"job_id": job, "range_id": name, "about": {"errorDiag": reason}} for (job, name), reason in reasons.items()
    ]
    failed = {"state": EventState.FAILED, "word": "failed", "given": None, "delivery": None}
    is_open = events.c.state == EventState.ALLOTTED
    change_rows(connection, events, rows, is_open, keys=["job_id", "range_id"], same=failed)


def note_words(connection: Connection, words: Sequence[Word]) -> frozenset[int]:
    """Write what workers say of ranges; returns the jobs of which the server has to be told something.

    The last word on a range counts, but none counts once the range has ended. Ranges that nobody here gave out are
    taken in as they are told of.
    """
    latest = {(each.job_id, each.range_id): each for each in words}
    known = _known(connection, list(latest))
    file_ids = _file_ids(connection, [each for each in latest.values() if each.lfn is not None])
    changed, new, ended = [], [], set()
    for key, each in latest.items():
        was = known.get(key, EventState.GIVEN)
        file_id = file_ids.get((each.job_id, each.lfn)) if each.lfn is not None else None
        state = state_after_word(was, each.word, has_file=file_id is not None)
        if was not in OPEN:
            continue
        values = (each.job_id, each.worker_id, each.range_id, state, each.word, each.about, file_id)
        if key in known:
            changed.append(dict(zip(_NEW, values, strict=False)))
        else:
            new.append((*values, None, None))
        if state in REPORTABLE:
            ended.add(each.job_id)
    change_rows(connection, events, changed, events.c.state.in_(OPEN), keys=["job_id", "range_id"])
    insert_rows(connection, events, _NEW, new)
    return frozenset(ended)


def ended_of_jobs(connection: Connection, job_ids: Collection[int], limit: int) -> list[EndedEvent]:
    """Ranges of these jobs whose end can be told now, the oldest first; those whose file is not stored yet wait."""
    is_settled = _DECIDING["status"].in_([FileStatus.FINISHED, FileStatus.FAILED])
    query = (
        select(*_ENDED.raw)
        .select_from(events)
        .join(files, files.c.file_id == events.c.file_id, isouter=True)
        .join(_PACKS, _PACKS.c.file_id == files.c.packed_in, isouter=True)
        .where(one_of(connection, events.c.job_id, job_ids), events.c.state.in_(REPORTABLE))
        .where(or_(files.c.file_id.is_(None), events.c.state != EventState.TRANSFERRING, is_settled))
        .order_by(events.c.event_id)
    )
    return [_ended(values) for values in _ENDED.convert(connection.execute(query.limit(limit)).all())]


def _ended(values: Values) -> EndedEvent:
    event_id, job_id, range_id, state, word, about = values[:_OWN]
    file = None if values[_OWN] is None else StoredFile(*values[_OWN:])
    settled = state_after_file(state, file.status if file else None)
    return EndedEvent(event_id, job_id, range_id, settled, word, about or {}, file)


def note_told(connection: Connection, event_ids: Collection[int]) -> None:
    """The server knows the ends of these ranges."""
    if event_ids:
        mine = update(events).where(one_of(connection, events.c.event_id, event_ids))
        connection.execute(mine.values(state=EventState.DONE))


def forget(connection: Connection, job_ids: Collection[int]) -> None:
    """Remove all ranges of these jobs, whose ends the server knows."""
    if job_ids:
        connection.execute(delete(events).where(one_of(connection, events.c.job_id, job_ids)))


def _known(connection: Connection, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], EventState]:
    rows = [{"job_id": job, "range_id": name} for job, name in keys]
    columns = (events.c.job_id, events.c.range_id, events.c.state)
    return {(row[0], row[1]): row[2] for row in matching_rows(connection, columns, _KEYS, rows)}


def _file_ids(connection: Connection, words: Sequence[Word]) -> dict[tuple[int, str], int]:
    """The files that ranges are in, by job and name."""
    if not words:
        return {}
    query = select(files.c.job_id, files.c.lfn, files.c.file_id)
    mine = one_of(connection, files.c.job_id, {each.job_id for each in words})
    rows = connection.execute(query.where(mine, files.c.kind.in_(EVENT_KINDS)))
    return {(row[0], row[1]): row[2] for row in rows}
