"""The tables.

How work is found and shared: a row that an agent has to look at carries a *due* time (NULL: nothing to do) and a
*fence*, the number of the claim that holds it (0: nobody). Claiming moves `due` to the end of the lease and sets the
fence; whatever the claimer writes later is guarded by its fence, so a result that comes too late changes nothing.
Jobs and workers pass from agent to agent through `phase`; being reported and being killed run beside that with pairs
of their own. All tables stand in this one file, long as it is: a migration is compared with it as a whole.
"""

from enum import StrEnum
from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from harvester.core.events import EventMode, EventState
from harvester.core.files import FileKind, FileStatus
from harvester.core.holds import HoldMode
from harvester.core.jobs import JobStatus, JobSubstatus
from harvester.core.workers import MapType, WorkerStatus
from harvester.store.types import EnumText, Flag, JsonText, Key, Told, UtcTime


class JobPhase(StrEnum):
    """Which agent a job waits for.

    SWEEP: the server knows the end; without a due time the job waits until its workers are swept.
    """

    PREPARE = "prepare"
    SUBMIT = "submit"
    WORK = "work"
    STAGE = "stage"
    REPORT = "report"
    SWEEP = "sweep"


OPEN_JOB_PHASES: Final = (JobPhase.PREPARE, JobPhase.SUBMIT, JobPhase.WORK)
"""Of jobs that have neither ended nor begun to store outputs."""


class WorkerPhase(StrEnum):
    """Which agent a worker waits for.

    SUBMIT: the intent is stored, the resource was not asked. SETTLE: the resource was asked, the answer is not
    recorded; only a search by marker may take it from here. MONITOR: the resource holds it. SWEEP: it has ended.
    """

    SUBMIT = "submit"
    SETTLE = "settle"
    MONITOR = "monitor"
    SWEEP = "sweep"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    }
)

_NAME = String(190)  # the longest that MariaDB indexes in four-byte characters


def _lease(prefix: str) -> tuple[Column[object], Column[object]]:
    return (
        Column(f"{prefix}due", UtcTime, nullable=True),
        Column(f"{prefix}fence", BigInteger, nullable=False, server_default="0"),
    )


def _nudged_lease(prefix: str) -> tuple[Column[object], ...]:
    """A lease on a queue; `again` tells that work came in while it was held, `not_before` how long it rests anyway."""
    again: Column[object] = Column(f"{prefix}again", Integer, nullable=False, server_default="0")
    not_before: Column[object] = Column(f"{prefix}not_before", UtcTime)
    return (*_lease(prefix), again, not_before)


instance = Table(
    "instance",
    metadata,
    Column("only_row", Key, primary_key=True, autoincrement=False),
    Column("harvester_id", _NAME, nullable=False),
)
"""Whom the database belongs to; it has one row at most."""

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

owners = Table(
    "owners",
    metadata,
    Column("owner_id", Key, primary_key=True, autoincrement=True),
    Column("host", _NAME, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("birth", String(80), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("report", JsonText),
    sqlite_autoincrement=True,  # numbers of owners, and with them fences, are never used again
)

queues = Table(
    "queues",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("active", Integer, nullable=False, server_default="0"),
    *_nudged_lease("fetch_"),
    *_nudged_lease("size_"),
    *_nudged_lease("monitor_"),
    Index(None, "fetch_due"),
    Index(None, "size_due"),
    Index(None, "monitor_due"),
)

queue_notes = Table(
    "queue_notes",
    metadata,
    Column("queue", _NAME, primary_key=True),
    Column("agent", String(64), primary_key=True),
    Column("since", UtcTime, nullable=False),
    Column("note", JsonText, nullable=False),
)

queue_versions = Table(
    "queue_versions",
    metadata,
    Column("version", Key, primary_key=True, autoincrement=True),
    Column("queue", _NAME, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("config", JsonText, nullable=False),
    Column("confirmed_at", UtcTime, nullable=False),
    UniqueConstraint("queue", "digest"),
    sqlite_autoincrement=True,  # jobs and workers may still have the number of a version that was deleted
)
"""Configurations of queues that jobs and workers may have been made with, without secrets."""

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Key, primary_key=True, autoincrement=False),
    Column("queue", _NAME, nullable=False),
    Column("status", EnumText(JobStatus), nullable=False),
    Column("substatus", EnumText(JobSubstatus), nullable=False),
    Column("attempt", BigInteger, nullable=False),
    Column("task_id", BigInteger),
    Column("priority", BigInteger, nullable=False),
    Column("cores", BigInteger, nullable=False),
    Column("resource_type", Told(64)),
    Column("label", Told(64)),
    Column("events", EnumText(EventMode)),
    Column("events_left", BigInteger),
    Column("outputs_needed", Integer),
    Column("submission_attempts", Integer, nullable=False, server_default="0"),
    Column("workers_at_once", Integer),
    Column("grows_at", UtcTime),
    Column("attributes", JsonText),
    Column("output_report", JsonText),
    Column("meta_data", Told()),
    Column("fetched_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("config_version", BigInteger),
    Column("phase", EnumText(JobPhase), nullable=False),
    *_lease(""),
    *_lease("report_"),
    Index(None, "phase", "due"),
    Index(None, "queue", "phase", "status"),
    Index(None, "report_due"),
)

job_params = Table(
    "job_params",
    metadata,
    Column("job_id", Key, primary_key=True, autoincrement=False),
    Column("params", JsonText, nullable=False),
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Key, primary_key=True, autoincrement=False),
    Column("queue", _NAME, nullable=False),
    Column("status", EnumText(WorkerStatus), nullable=False),
    Column("marker", _NAME, nullable=False),
    Column("map_type", EnumText(MapType), nullable=False),
    Column("cores", BigInteger, nullable=False),
    Column("ram_mb", BigInteger, nullable=False),
    Column("disk_mb", BigInteger, nullable=False),
    Column("walltime_s", BigInteger, nullable=False),
    Column("job_type", Told(64)),
    Column("resource_type", Told(64)),
    Column("pilot_type", Told(64)),
    Column("access_point", Text, nullable=False),
    Column("batch_id", Told(255)),
    Column("submission_host", Told(255)),
    Column("computing_element", Told(255)),
    Column("batch_queue", Told(255)),
    Column("node", Told(255)),
    Column("native_status", Told(255)),
    Column("exit_code", BigInteger),
    Column("error_code", Integer, nullable=False, server_default="0"),
    Column("diagnostics", Told(500), nullable=False, server_default=""),
    Column("sync_level", Integer),
    Column("log_urls", JsonText),
    Column("created_at", UtcTime, nullable=False),
    Column("submitted_at", UtcTime),
    Column("started_at", UtcTime),
    Column("ended_at", UtcTime),
    Column("unseen_since", UtcTime),
    Column("batch_end", EnumText(WorkerStatus)),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("absences", Integer, nullable=False, server_default="0"),
    Column("kill_error", Integer),
    Column("ends_jobs", Flag, nullable=False, server_default="0"),
    Column("late_binding", Flag, nullable=False, server_default="0"),
    Column("jobs_asked", Integer, nullable=False, server_default="0"),
    Column("config_version", BigInteger),
    Column("phase", EnumText(WorkerPhase), nullable=False),
    *_lease(""),
    *_lease("report_"),
    *_lease("kill_"),
    Index(None, "phase", "due"),
    Index(None, "queue", "phase", "status"),
    Index(None, "report_due"),
    Index(None, "kill_due"),
)

job_workers = Table(
    "job_workers",
    metadata,
    Column("worker_id", Key, primary_key=True, autoincrement=False),
    Column("job_id", Key, primary_key=True, autoincrement=False),
    Column("told", Flag, nullable=False, server_default="1"),
    Index(None, "job_id"),
)
"""Which jobs a worker has; one that runs may not have been told yet of those that it was given last."""

files = Table(
    "files",
    metadata,
    Column("file_id", Key, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, nullable=False),
    Column("lfn", Told(500), nullable=False),
    Column("kind", EnumText(FileKind), nullable=False),
    Column("status", EnumText(FileStatus), nullable=False),
    Column("path", Told()),
    Column("size", BigInteger),
    Column("checksum", Told(80)),
    Column("guid", Told(64)),
    Column("scope", Told(255)),
    Column("dataset", Told(500)),
    Column("endpoint", Told(255)),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("url", Told()),
    Column("worker_id", BigInteger),
    Column("provenance", Told(64)),
    Column("packed_in", BigInteger),
    Column("group_id", Told(190)),
    Column("group_status", Told(64)),
    Column("grouped_at", UtcTime),
    Column("objstore_id", BigInteger),
    Column("path_convention", BigInteger),
    Column("name_key", BigInteger),
    Index(None, "job_id"),
    Index(None, "name_key"),
    Index(None, "group_id"),
)
"""`name_key` is a number made of the LFN of an input, so that jobs with the same inputs find each other."""

events = Table(
    "events",
    metadata,
    Column("event_id", Key, primary_key=True, autoincrement=True),
    Column("job_id", BigInteger, nullable=False),
    Column("worker_id", BigInteger, nullable=False),
    Column("range_id", _NAME, nullable=False),
    Column("state", EnumText(EventState), nullable=False),
    Column("word", Told(32), nullable=False, server_default=""),
    Column("about", JsonText),
    Column("file_id", BigInteger),
    Column("delivery", BigInteger),
    Column("given", JsonText),
    Index(None, "job_id", "range_id"),
    Index(None, "job_id", "state"),
    Index(None, "delivery"),
)
"""Event ranges; `delivery` is the number under which a worker gets it, `given` what it gets, until it has it."""

event_requests = Table(
    "event_requests",
    metadata,
    Column("worker_id", Key, primary_key=True, autoincrement=False),
    Column("queue", _NAME, nullable=False),
    Column("wanted", JsonText, nullable=False),
    Column("token", Told(80), nullable=False, server_default=""),
    Column("delivery", BigInteger),
    *_lease(""),
    Index(None, "due"),
)
"""Workers that wait for event ranges; with a `delivery` the server has answered."""

worker_logs = Table(
    "worker_logs",
    metadata,
    Column("worker_id", Key, primary_key=True, autoincrement=False),
    Column("queue", _NAME, nullable=False),
    Column("paths", JsonText, nullable=False),
    Column("sent", JsonText, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    *_lease(""),
    Index(None, "due"),
)
"""Workers whose logs are brought to the server: where these are, and what of them the server has."""

duties = Table(
    "duties",
    metadata,
    Column("name", String(64), primary_key=True),
    *_lease(""),
)
"""Rounds that one process of the instance does for all."""

ordered_workers = Table(
    "ordered_workers",
    metadata,
    Column("queue", _NAME, primary_key=True),
    Column("job_type", String(64), primary_key=True),
    Column("resource_type", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("ordered_at", UtcTime, nullable=False),
)
"""What the server wants queues in slave mode to get, less what they got since."""

holds = Table(
    "holds",
    metadata,
    Column("queue", _NAME, primary_key=True),
    Column("mode", EnumText(HoldMode), nullable=False),
    Column("reason", Told(500), nullable=False),
    Column("author", Told(190), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("until", UtcTime),
)
"""Queues that people paused or drain; the queue `*` is all of them."""

cache = Table(
    "cache",
    metadata,
    Column("main_key", _NAME, primary_key=True),
    Column("sub_key", _NAME, primary_key=True),
    Column("data", JsonText),
    Column("digest", String(64), nullable=False),
    Column("refreshed_at", UtcTime),
    Column("tried_at", UtcTime, nullable=False),
    Column("problem", Told(500), nullable=False, server_default=""),
)
"""Documents fetched from elsewhere: the last good one of each, and what came of asking for a newer one."""

commands = Table(
    "commands",
    metadata,
    Column("command_id", Key, primary_key=True, autoincrement=False),
    Column("name", Told(64), nullable=False),
    Column("target", Told(190)),
    Column("params", JsonText),
    Column("ack_requested", Integer, nullable=False, server_default="0"),
    Column("received_at", UtcTime, nullable=False),
    Column("done_at", UtcTime),
)

history = Table(
    "history",
    metadata,
    Column("event_id", Key, primary_key=True, autoincrement=True),
    Column("kind", String(8), nullable=False),
    Column("subject", BigInteger, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("was", Told(64)),
    Column("became", Told(64), nullable=False),
    Column("cause", Told(500), nullable=False),
    Column("agent", Told(32), nullable=False),
    Index(None, "kind", "subject"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("host", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("setup", Told(190), nullable=False),
    Column("valid_until", UtcTime),
    Column("checked_at", UtcTime, nullable=False),
    Column("renewed_at", UtcTime),
    Column("problem", Told(500), nullable=False),
)
"""How long the credentials on each host are valid; the credentials themselves are files and nowhere else."""

measurements = Table(
    "measurements",
    metadata,
    Column("measurement_id", Key, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("host", _NAME, nullable=False),
    Column("metrics", JsonText, nullable=False),
    Column("reported", Integer, nullable=False, server_default="0"),
    Index(None, "at"),
)
"""What the service and its hosts were seen to use."""

dialogs = Table(
    "dialogs",
    metadata,
    Column("dialog_id", Key, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("module", Told(100), nullable=False),
    Column("identifier", Told(100), nullable=False),
    Column("level", String(10), nullable=False),
    Column("message", Told(500), nullable=False),
    Index(None, "at"),
    sqlite_autoincrement=True,  # the server replaces a message by a later one of the same number
)
"""Messages that the server has not been told yet."""
