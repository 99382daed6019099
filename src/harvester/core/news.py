"""What workers say of themselves and of their jobs; messengers read it, and `plugins.api` hands these values on."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime

from pydantic import JsonValue

from harvester.core.files import FileKind
from harvester.core.records import record_type


@record_type
class ReportedFile:
    """A file that a worker says it has written; all of it is the worker's word, checked for shape only."""

    job_id: int
    lfn: str
    kind: FileKind
    path: str
    size: int
    checksum: str
    guid: str
    is_zip: bool | None = None
    """Whether it is packed already or must not be; None if it may be packed with others."""
    event_range: str | None = None
    """The event range that it is the output of."""


@record_type
class ReportedEvent:
    """What a worker says of an event range; checked for shape only.

    Attributes:
        word: `finished`, `failed`, `fatal`, or anything else for a range in work.
        lfn: the file with its output, if there is one: the range has not finished before that is stored.
        about: `coreCount`, `cpuConsumptionTime`, `loss`, `errorCode`, `errorDiag`, as far as the worker told them.
    """

    job_id: int
    range_id: str
    word: str
    lfn: str | None = None
    about: Mapping[str, JsonValue] = field(default_factory=dict)


@record_type
class RangesWanted:
    """A worker asks for event ranges.

    Attributes:
        wanted: how many, by job.
        token: names this request and no later one of the same worker; given back when it is fed.
    """

    wanted: Mapping[int, int]
    token: str


@record_type
class News:
    """What a worker left for Harvester since the last acknowledged look.

    Attributes:
        attributes: job attributes in the server's camelCase names, by job id.
        job_ids: jobs that a pulling worker says it runs.
        events: what became of event ranges.
        ranges_wanted: the worker asks for event ranges; told again until it is fed.
        kill_requested: the worker asks to be killed.
        jobs_wanted: how many jobs, or further jobs, it asks for.
        heartbeat_at: when the worker last said that it lives; None if it never did.
        problem: why a part could not be read (truncated, hostile, unreadable); the readable rest is still there.
    """

    attributes: Mapping[int, Mapping[str, JsonValue]] = field(default_factory=dict)
    files: Sequence[ReportedFile] = ()
    job_ids: Sequence[int] = ()
    events: Sequence[ReportedEvent] = ()
    ranges_wanted: RangesWanted | None = None
    kill_requested: bool = False
    jobs_wanted: int = 0
    heartbeat_at: datetime | None = None
    problem: str = ""


NO_NEWS = News()
"""What most workers have to say in most rounds."""
