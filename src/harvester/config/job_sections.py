"""The sections of the agents that treat jobs and their files, core reference §1.8.

Each `sleepTime`, `checkInterval` and the like is a ceiling: work that is known to be there starts at once. Each
`lockInterval` is the length of a lease, half a minute at the least, which is renewed while its work goes on.
"""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, JsonValue

from harvester.config.effects import ALL_AT_ONCE
from harvester.config.fields import Count, Flag, Kind, Positive, Seconds, Section

_WHOLE_NUMBER = re.compile(r"-?\d{1,18}")


def _unless_unlimited(value: object) -> object:
    """The number as it is, None for 0 and less."""
    number = int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value
    return None if isinstance(number, int) and not isinstance(number, bool) and number <= 0 else number


FileLimit = Annotated[
    Annotated[int, Field(strict=True)] | None,
    BeforeValidator(_unless_unlimited),
    Kind("a whole number; None, 0 or less for no limit", sample="digits only, or None"),
]


_MOST_IN_A_CALL = 100
"""What the client puts into one call to the server."""


def _fitting(value: object) -> object:
    return _MOST_IN_A_CALL if isinstance(value, int) and value > _MOST_IN_A_CALL else value


def _better_bulk(value: JsonValue) -> str | None:
    return str(_MOST_IN_A_CALL) if _fitting(value) != value else None


Bulk = Annotated[
    Positive, BeforeValidator(_fitting), Kind("a whole number, 1 or more", sample="digits only", better=_better_bulk)
]


class CommandManager(Section):
    """`[commandmanager]`: fetches the server's commands to this instance."""

    commands_bulk_size: Annotated[Positive, Field(alias="commands_bulk_size")] = 20
    """Commands per request."""
    sleep_time: Seconds = 5
    """Pause between requests."""


class JobFetcher(Section):
    """`[jobfetcher]`: gets jobs for the queues that need some."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    n_queues: Annotated[Positive, ALL_AT_ONCE] = 5
    """Queues treated per cycle."""
    max_jobs: Positive = 500
    """Jobs per request at most."""
    lookup_time: Seconds = 60
    """A queue is looked at again after this time."""
    sleep_time: Seconds = 60
    """Pause between cycles."""


class Propagator(Section):
    """`[propagator]`: reports jobs and workers to the server."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_jobs: Annotated[Positive, ALL_AT_ONCE] = 100
    """Jobs per cycle."""
    n_jobs_in_bulk: Bulk = 100
    """Jobs per request. At most 100 go into one; a larger number counts as 100."""
    max_workers: Annotated[Positive, ALL_AT_ONCE] = 100
    """Workers per cycle."""
    n_workers_in_bulk: Bulk = 100
    """Workers per request. At most 100 go into one; a larger number counts as 100."""
    max_dialogs: Count = 50
    """Dialog messages per cycle."""
    min_message_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    """Log lines from this level on are sent as dialog messages, if they are logged at all."""
    lock_interval: Seconds = 600
    """Lease on jobs and dialog messages."""
    update_interval: Seconds = 1800
    """Heartbeat period of jobs and workers."""
    sleep_time: Seconds = 60
    """Pause between cycles."""


class Preparator(Section):
    """`[preparator]`: brings input files to the resource."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_jobs_to_check: Positive = 100
    """Jobs of a queue whose transfers are asked for in one call of its plugin; others have calls of their own."""
    max_jobs_to_trigger: Positive = 100
    """Jobs of a queue whose transfers are started in one call of its plugin; others have calls of their own."""
    max_files_per_job_to_check: FileLimit = None
    """Files per job and check."""
    max_files_per_job_to_prepare: FileLimit = None
    """Files per job and start; the next ones follow at once."""
    lock_interval: Seconds = 600
    """Lease on jobs."""
    check_interval: Seconds = 180
    """A transfer is checked again after this time, or after 5 seconds if that is sooner."""
    trigger_interval: Seconds = 180
    """Starting transfers is tried again after this time, or after 5 seconds if that is sooner."""
    sleep_time: Seconds = 60
    """Pause between cycles."""


class Stager(Section):
    """`[stager]`: takes output files away from the resource."""

    unused: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("maxJobsToZip", "maxFilesPerJobToZip", "zipInterval", "usePostZipping", "nThreadsForZip"),
        "belongs to `[zipper]`; read from here when there is no such section",
    )

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_jobs_to_check: Positive = 100
    """Jobs of a queue whose transfers are asked for in one call of its plugin; others have calls of their own."""
    max_jobs_to_trigger: Positive = 100
    """Jobs of a queue whose transfers are started in one call of its plugin; others have calls of their own."""
    max_files_per_job_to_check: FileLimit = None
    """Files per job and check."""
    max_files_per_job_to_trigger: FileLimit = None
    """Files per job and start; the next ones follow at once."""
    lock_interval: Seconds = 600
    """Lease on jobs."""
    check_interval: Seconds = 180
    """A transfer is checked again after this time, or after 5 seconds if that is sooner."""
    trigger_interval: Seconds = 180
    """Starting transfers is tried again after this time, or after 5 seconds if that is sooner."""
    sleep_time: Seconds = 60
    """Pause between cycles."""


class Zipper(Section):
    """`[zipper]`: packs many output files into few."""

    unused: ClassVar[Mapping[str, str]] = {"triggerInterval": "stands for `zipInterval` when that is not set"}

    max_jobs_to_zip: Positive = 100
    """Jobs of a queue whose files are packed in one call of its plugin; others have calls of their own."""
    max_files_per_job_to_zip: FileLimit = None
    """Packed files that are made per job and call; the next ones follow at once."""
    lock_interval: Seconds = 600
    """Lease on jobs; the longer one of this and `[stager] lockInterval` counts."""
    zip_interval: Seconds = 180
    """Packing is tried again after this time, or after 5 seconds if that is sooner."""
    use_post_zipping: Flag = False
    """Packing has a second step."""
    n_threads_for_zip: Positive | None = None
    """Threads of a packing plugin; one per CPU when not set."""


class EventFeeder(Section):
    """`[eventfeeder]`: gives event ranges to workers."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_workers: Positive = 500
    """Workers per cycle."""
    lock_interval: Seconds = 600
    """Lease on workers."""
    sleep_time: Seconds = 60
    """Pause between cycles."""
