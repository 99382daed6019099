"""Files that jobs read and write, and how they travel (core reference §4.3)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from harvester.core.records import record_type


class FileKind(StrEnum):
    """What a file is to its job; the values are those of the shared-file protocol and of extractors."""

    INPUT = "input"
    AUX_INPUT = "aux_input"
    OUTPUT = "output"
    LOG = "log"
    CHECKPOINT = "checkpoint"
    ES_OUTPUT = "es_output"
    ZIP_OUTPUT = "zip_output"


INPUT_KINDS: Final = frozenset({FileKind.INPUT, FileKind.AUX_INPUT})
STAGED_KINDS: Final = frozenset({FileKind.OUTPUT, FileKind.LOG, FileKind.ES_OUTPUT, FileKind.ZIP_OUTPUT})
"""What a stager takes away; checkpoints go to the server."""
EVENT_KINDS: Final = frozenset({FileKind.ES_OUTPUT, FileKind.ZIP_OUTPUT})
"""What a stager takes away while the job still runs: the server waits for the events in them."""
REPORTED_KINDS: Final = frozenset({FileKind.OUTPUT, FileKind.LOG})
"""What the server is told of when the job has ended."""


class FileStatus(StrEnum):
    """Where a file stands.

    Inputs go to_prepare → triggered → ready, or wait as `preparing` while another job has the same file brought.
    Outputs go defined → transferring → finished; those to be packed go pending → zipped, and what they are packed into
    goes zipping (→ post_zipping) → defined. Checkpoints go renewed → done, and back when they are written anew.
    """

    TO_PREPARE = "to_prepare"
    PREPARING = "preparing"
    TRIGGERED = "triggered"
    READY = "ready"
    PENDING = "pending"
    ZIPPED = "zipped"
    ZIPPING = "zipping"
    POST_ZIPPING = "post_zipping"
    DEFINED = "defined"
    TRANSFERRING = "transferring"
    FINISHED = "finished"
    RENEWED = "renewed"
    DONE = "done"
    FAILED = "failed"


INPUT_DONE: Final = frozenset({FileStatus.READY, FileStatus.FAILED})
OUTPUT_DONE: Final = frozenset({FileStatus.FINISHED, FileStatus.FAILED, FileStatus.ZIPPED})
UNMOVED: Final = frozenset({FileStatus.PENDING, FileStatus.ZIPPING, FileStatus.POST_ZIPPING, FileStatus.DEFINED})
"""Outputs whose transfer has not begun."""
AT_REST: Final = OUTPUT_DONE | {FileStatus.PENDING}
"""Outputs that nobody moves: the pending ones wait for company."""
TO_PACK: Final = frozenset({FileStatus.ZIPPING, FileStatus.POST_ZIPPING})


@dataclass(frozen=True, slots=True)
class Course:
    """The statuses of files on their way in one direction.

    Attributes:
        waiting: the transfer was not started.
        moving: the plugin has taken it over, and is asked how it stands.
        arrived: it is where it should be.
        done: nothing more happens to it.
    """

    waiting: FileStatus
    moving: FileStatus
    arrived: FileStatus
    done: frozenset[FileStatus]


INBOUND: Final = Course(FileStatus.TO_PREPARE, FileStatus.TRIGGERED, FileStatus.READY, INPUT_DONE)
OUTBOUND: Final = Course(FileStatus.DEFINED, FileStatus.TRANSFERRING, FileStatus.FINISHED, OUTPUT_DONE)


@record_type
class File:
    """One file of one job.

    Attributes:
        file_id: key in the database; 0 before it is stored.
        lfn: logical file name, unique within its job and kind.
        path: where it is now, None if not known.
        size: bytes.
        checksum: `ad:xxxxxxxx` (adler32) or `md:…` (md5); bare text is adler32.
        attempts: rounds in which it was tried and did not arrive.
        url: where an auxiliary input comes from.
        worker_id: the worker that wrote it.
        provenance: what files have in common that may be packed together.
        packed_in: key of the file that it is packed into.
        group_id: files that travel together have the same, given by the plugin that moves them.
        group_status: that plugin's word on the group, and `grouped_at` when it changed.
        objstore_id: number of the object store that it went to, if it went to one.
        path_convention: how object stores lay it out, as the server numbers it.
    """

    file_id: int
    job_id: int
    lfn: str
    kind: FileKind
    status: FileStatus
    path: str | None = None
    size: int | None = None
    checksum: str | None = None
    guid: str | None = None
    scope: str | None = None
    dataset: str | None = None
    endpoint: str | None = None
    attempts: int = 0
    url: str | None = None
    worker_id: int | None = None
    provenance: str | None = None
    packed_in: int | None = None
    group_id: str | None = None
    group_status: str | None = None
    grouped_at: datetime | None = None
    objstore_id: int | None = None
    path_convention: int | None = None
