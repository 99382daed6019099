"""What Harvester itself reads from the plugin blocks of a queue, core reference §2.2; the rest is the plugin's."""

import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from harvester.config.effects import CHECKS_IN_DATABASE, Idle
from harvester.config.fields import JsonFlag, Keyed, Kind, Minutes, Seconds, Text, better_number

_QUOTED_NUMBER = re.compile(r'"\d+"(?!\s*:)')


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


def _better_factor(value: JsonValue) -> str | None:
    """Of an object it is told only that it has such numbers."""
    if isinstance(value, dict):
        return "numbers" if _QUOTED_NUMBER.search(json.dumps(value)) else None
    return better_number(value)


_WHOLE = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=0)]

JsonCount = Annotated[_WHOLE, Kind("a whole number, 0 or more", sample="digits only", better=better_number)]
JsonPositive = Annotated[
    _WHOLE, Field(ge=1), Kind("a whole number, 1 or more", sample="digits only", better=better_number)
]
JsonSeconds = Annotated[Seconds, Kind("seconds, 0 or more", sample="60, say", better=better_number)]
JsonMinutes = Annotated[Minutes, Kind("minutes, 0 or more", sample="10, say", better=better_number)]
CoreFactor = Annotated[
    JsonCount | dict[str, dict[str, JsonCount]],
    Kind("a whole number, or such numbers by job and resource type", sample="1, say", better=_better_factor),
]
AccessPoint = Annotated[str, Field(min_length=1), Kind("a path", sample='"/shared/directory/${workerID}"')]
Names = Annotated[tuple[str, ...], Kind("a list of names", sample='["name"]')]


class SubmitterKeys(Keyed):
    """`submitter`."""

    n_core_factor: CoreFactor = 1
    """Cores per core that a job asks for, also as `{job type or Any: {resource type or Undefined: factor}}`."""
    n_core_per_node: JsonCount | None = None
    """Cores of a node."""
    no_pilots_when_no_active_jobs: JsonFlag | None = None
    """`[submitter] noPilotsWhenNoActiveJobs` of this queue."""
    computing_elements: Names = ()
    """Computing elements that workers go to; throttlers may count failed submissions by them."""
    ce_endpoint: Annotated[Text | None, Idle("a pilot factory monitor is told where each worker went")] = None
    """Their address, for a pilot factory monitor."""
    upload_log: JsonFlag = False
    """Upload the logs that workers write, where no web server gives them out; `[pandacon] pandaCacheURL_R` has to be
    set. Only files in the access point or below `logDir` are read."""
    log_dir: Text | None = None
    """Directory of the workers' logs where it is not the access point."""


class MonitorKeys(Keyed):
    """`monitor`."""

    check_timeout: JsonSeconds | None = None
    """`[monitor] checkTimeout` of this queue."""
    fifo_check_interval: Annotated[JsonSeconds | None, CHECKS_IN_DATABASE] = None
    """`[monitor] fifoCheckInterval` of this queue."""


class MessengerKeys(Keyed):
    """`messenger`."""

    access_point: AccessPoint | None = None
    """Directory shared with a worker, with `${workerID}` and other placeholders."""
    heartbeat_minutes: Annotated[JsonMinutes | None, Field(alias="worker_heartbeat")] = None
    """A worker whose heartbeat is older than this is killed."""
    job_spec_file_name: Text | None = None
    """`[payload_interaction] jobSpecFile` of this queue."""
    force_post_processing: JsonFlag = False
    """Gather logs and left-over outputs also where pilots report the ends of jobs themselves: with `truePilot`, or
    where `noHeartbeat` names the end."""


class WorkerMakerKeys(Keyed):
    """`workerMaker`."""

    dynamic_sizing: JsonFlag = False
    """At most as many new workers as resources are ready."""
    static_workers: JsonCount | None = None
    """Workers to keep when no resource is ready, with `dynamicSizing`."""
    skip_on_fail: JsonFlag = False
    """Jobs that no worker could be made for wait instead of failing."""
    n_jobs_per_worker: JsonPositive = 1
    """Jobs per worker, with `ManyToOne`."""
    n_workers_per_job: JsonPositive = 1
    """Workers that a job has at once, with `OneToMany`."""
    n_ready_resources: JsonCount = 1
    """Resources that are ready, with `dynamicSizing`."""
    max_workers_per_job_in_total: JsonCount = 10
    """Workers that a job ever gets, with `OneToMany`; 0 for no such limit."""
    max_workers_per_job_per_cycle: JsonCount | None = None
    """New workers per job and `[submitter] lookupTime`, with `OneToMany`; 0 for no such limit."""


class CoreKeys(BaseModel):
    """The keys of all blocks of one queue, `common` included."""

    model_config = ConfigDict(frozen=True)

    submitter: SubmitterKeys = SubmitterKeys()
    monitor: MonitorKeys = MonitorKeys()
    messenger: MessengerKeys = MessengerKeys()
    worker_maker: WorkerMakerKeys = WorkerMakerKeys()


CORE_KEYS: Mapping[str, type[Keyed]] = {
    "submitter": SubmitterKeys,
    "monitor": MonitorKeys,
    "messenger": MessengerKeys,
    "workerMaker": WorkerMakerKeys,
}
"""The model of each role that has such keys."""
