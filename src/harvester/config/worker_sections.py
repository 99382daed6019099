"""The sections of the agents that treat workers, core reference §1.8.

Each `sleepTime`, `checkInterval` and the like is a ceiling: work that is known to be there starts at once. Each
`lockInterval` is the length of a lease, half a minute at the least, which is renewed while its work goes on.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from harvester.config.effects import ALL_AT_ONCE, CHECKS_IN_DATABASE, Idle
from harvester.config.fields import (
    Count,
    FilePath,
    Flag,
    Hours,
    Kind,
    Minutes,
    PluginConfigs,
    Port,
    Positive,
    Seconds,
    Secret,
    Section,
    Text,
)
from harvester.config.problems import KeyProblem
from harvester.config.watermarks import Watermarks
from harvester.core.jobs import JobStatus
from harvester.core.workers import WorkerStatus


def _factor(value: object) -> object:
    return value if value == "auto" else _as_number(value)


def _as_number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


WorkerFactor = Annotated[
    Literal["auto"] | Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)],
    BeforeValidator(_factor),
    Kind("a number or auto", sample="a number, or auto"),
]


_ASKED_ONCE = Idle("the batch system is asked once for all workers of a queue")
_CHECKED_AT_ONCE = Idle("what changed is checked at once, with all workers of its queue")


class Submitter(Section):
    """`[submitter]`: decides how many workers a queue needs and submits them."""

    unused: ClassVar[Mapping[str, str]] = {"nQueues": "each thread takes one queue after the other"}

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    lookup_time: Seconds = 60
    """A queue is looked at again after this time."""
    lock_interval: Seconds = 600
    """Lease on jobs that are being given to workers."""
    queue_lock_interval: Seconds | None = None
    """Lease on a queue; as long as `lockInterval` when not set."""
    check_interval: Seconds = 60
    """A job that found no worker is tried again after this time."""
    min_submission_interval: Seconds = 0
    """Least time between two submissions to one queue."""
    sleep_time: Seconds = 60
    """Pause when no queue is due."""
    respect_sleep_time: Annotated[Flag, Idle("`lookupTime` alone says when a queue is looked at again")] = False
    """Pause after every cycle."""
    max_new_workers: Count | None = None
    """New workers per queue and cycle at most; no limit when not set."""
    activate_worker_factor: WorkerFactor = 1.0
    """Share of the activated jobs that get workers from this instance; `auto` for one over the number of instances.
    Needs the server's statistics of jobs, `job_statistics.json` of the cacher."""
    no_pilots_when_no_active_jobs: Flag = False
    """Pull queues without activated jobs get no workers; else one may wait. Needs the same statistics."""


class Monitor(Section):
    """`[monitor]`: watches workers."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_workers: Annotated[Positive, Idle("all workers of a queue are checked in one go")] = 500
    """Workers per cycle."""
    lock_interval: Seconds = 600
    """Lease on workers."""
    check_interval: Seconds = 300
    """A worker is looked at again after this time."""
    sleep_time: Seconds = 600
    """Pause between cycles."""
    check_timeout: Seconds | None = None
    """A worker that could not be checked for this long is killed; None for never."""
    worker_queue_time_limit: Seconds = 172800
    """A worker that still waits in the batch system after this time is killed."""
    worker_job_time_limit: Seconds = 7200
    """A worker that was submitted without jobs (`useJobLateBinding`) and has got none for this long is killed."""
    post_process_timeout: Minutes = 0
    """Post-processing is tried again for this long, two minutes at the least."""
    fifo_enable: Annotated[Flag, CHECKS_IN_DATABASE] = False
    """Checks go through a queue of their own."""
    fifo_sleep_time_milli: Annotated[Count, Kind("milliseconds, 0 or more", sample="5000, say"), CHECKS_IN_DATABASE] = (
        5000
    )
    """Pause between two cycles of that queue, in milliseconds."""
    fifo_check_interval: Annotated[Seconds | None, CHECKS_IN_DATABASE] = None
    """`checkInterval` with that queue; the same when not set."""
    fifo_check_duration: Annotated[Seconds, CHECKS_IN_DATABASE] = 30
    """Length of one cycle of that queue."""
    fifo_max_workers_per_chunk: Annotated[Positive, CHECKS_IN_DATABASE] = 500
    """Workers per check with that queue."""
    fifo_max_workers_to_populate: Annotated[Count, CHECKS_IN_DATABASE] = 2**32
    """Workers put into that queue at start."""
    fifo_force_enqueue_interval: Annotated[Seconds, CHECKS_IN_DATABASE] = 3600
    """Workers missing from that queue are put in again after this time."""
    fifo_max_preempt_interval: Annotated[Seconds, CHECKS_IN_DATABASE] = 60
    """Longest time for which urgent checks go first."""
    fifo_protective_dequeue: Annotated[Flag, CHECKS_IN_DATABASE] = True
    """A check is taken out of that queue only after it was done."""
    plugin_cache_enable: Annotated[Flag, _ASKED_ONCE] = False
    """Plugins keep the answers of the batch system for a while."""
    plugin_cache_refresh_interval: Annotated[Seconds | None, _ASKED_ONCE] = None
    """How long they keep them; `checkInterval` when not set."""
    event_based_enable: Flag = False
    """Plugins tell which workers changed, and the queues of these are checked at once."""
    event_based_plugins: PluginConfigs = ()
    """The plugins that do."""
    event_based_check_interval: Seconds = 300
    """Period of asking them."""
    event_based_time_window: Seconds = 450
    """How far back they are asked."""
    event_based_check_max_events: Annotated[Positive, _CHECKED_AT_ONCE] = 500
    """Events per cycle."""
    event_based_event_lifetime: Annotated[Seconds, _CHECKED_AT_ONCE] = 1800
    """Older events are dropped."""
    event_based_remove_max_events: Annotated[Positive, _CHECKED_AT_ONCE] = 2000
    """Events dropped per cycle."""
    fifo_module: Annotated[Text | None, CHECKS_IN_DATABASE] = None
    """`[fifo] fifoModule` of the monitor alone."""
    fifo_class: Annotated[Text | None, CHECKS_IN_DATABASE] = None
    """`[fifo] fifoClass` of the monitor alone."""
    database_filename: Annotated[FilePath | None, Field(alias="database_filename"), CHECKS_IN_DATABASE] = None
    """`[fifo] database_filename` of the monitor alone."""
    db_host: Annotated[Text | None, Field(alias="db_host"), CHECKS_IN_DATABASE] = None
    """`[fifo] db_host` of the monitor alone."""
    db_port: Annotated[Port | None, Field(alias="db_port"), CHECKS_IN_DATABASE] = None
    """`[fifo] db_port` of the monitor alone."""
    db_user: Annotated[Text | None, Field(alias="db_user"), CHECKS_IN_DATABASE] = None
    """`[fifo] db_user` of the monitor alone."""
    db_password: Annotated[Secret | None, Field(alias="db_password"), CHECKS_IN_DATABASE] = None
    """`[fifo] db_password` of the monitor alone."""
    db_schema: Annotated[Text | None, Field(alias="db_schema"), CHECKS_IN_DATABASE] = None
    """`[fifo] db_schema` of the monitor alone."""


class Sweeper(Section):
    """`[sweeper]`: kills workers and removes what finished ones leave behind."""

    n_threads: Count = 3
    """Threads; 0 switches the agent off."""
    max_workers: Annotated[Positive, ALL_AT_ONCE] = 500
    """Workers per cycle."""
    check_interval: Seconds = 180
    """Least time between two kills of one worker."""
    sleep_time: Seconds = 60
    """Pause between cycles."""
    keep_finished: Hours = 24
    """How long finished workers are kept."""
    keep_failed: Hours = 72
    """How long failed workers are kept."""
    keep_cancelled: Hours = 72
    """How long cancelled workers are kept."""
    keep_missed: Hours = 24
    """How long missed workers are kept: those that the resource never accepted."""
    keep_pending: Annotated[Hours, Idle("none stays so: they end as missed, and `keepMissed` counts")] = 24
    """How long workers that were never submitted are kept."""
    disk_clean_up_interval: Hours | None = None
    """Period of looking at the directories of `diskHighWatermark`; each host looks at its own."""
    disk_high_watermark: Watermarks = ()
    """`directory|GB,directory|GB`: the oldest files go when a directory holds more, except inputs that jobs still need.
    Needs `diskCleanUpInterval`."""

    def keep_time(self, status: WorkerStatus | JobStatus) -> timedelta:
        """How long a worker or job is kept that has ended so."""
        hours = {"finished": self.keep_finished, "failed": self.keep_failed, "cancelled": self.keep_cancelled}
        return timedelta(hours=hours.get(status.value, self.keep_missed))

    def problems(self) -> Iterator[KeyProblem]:
        """One of the two keys of the disk clean-up without the other."""
        if self.disk_high_watermark and self.disk_clean_up_interval is None:
            problem = "nothing is removed, for diskCleanUpInterval is not set"
            yield KeyProblem("diskHighWatermark", problem, "write diskCleanUpInterval and how many hours")
        if self.disk_clean_up_interval is not None and not self.disk_high_watermark:
            problem = "nothing is removed, for diskHighWatermark names no directory"
            yield KeyProblem("diskCleanUpInterval", problem, "write diskHighWatermark, or remove the key")
