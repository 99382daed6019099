"""Files that jobs read and write, and how they travel (core reference §4.3)."""

from enum import StrEnum

from harvester.core.records import record_type


class FileKind(StrEnum):
    """What a file is to its job; the values are those of the shared-file protocol."""

    INPUT = "input"
    OUTPUT = "output"
    LOG = "log"
    CHECKPOINT = "checkpoint"
    ES_OUTPUT = "es_output"
    ZIP_OUTPUT = "zip_output"


class FileStatus(StrEnum):
    """Where a file stands: inputs go to_prepare → triggered → ready, outputs defined → transferring → finished."""

    TO_PREPARE = "to_prepare"
    TRIGGERED = "triggered"
    READY = "ready"
    DEFINED = "defined"
    TRANSFERRING = "transferring"
    FINISHED = "finished"
    FAILED = "failed"


INPUT_DONE = frozenset({FileStatus.READY, FileStatus.FAILED})
OUTPUT_DONE = frozenset({FileStatus.FINISHED, FileStatus.FAILED})


@record_type
class File:
    """One file of one job.

    Attributes:
        file_id: key in the database; 0 before it is stored.
        lfn: logical file name, unique within its job and kind.
        path: where it is now, None if not known.
        size: bytes.
        checksum: `ad:xxxxxxxx` (adler32) or `md:…` (md5); bare text is adler32.
        attempts: how often its transfer was tried.
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
