"""The names of the files that a worker and Harvester exchange (plugins reference §5.2)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import Field, field_validator

from harvester.plugins.api import PluginSettings
from harvester.plugins.tools.names import is_plain_name
from harvester.plugins.worker_door import SHOWN_AT_DOOR

_FIXED_PREFIX: Final = "post_process."
GATHERED_ATTRIBUTES: Final = "post_process_job_attrs.json"
"""What Harvester itself found out about jobs after the batch job had ended; as the worker's attributes in form."""
TASK_POINTER: Final = "task_workdir_path.txt"
"""Where the directory is that jobs of a task share."""
_FIXED: Final = frozenset({GATHERED_ATTRIBUTES, TASK_POINTER, SHOWN_AT_DOOR})


@dataclass(frozen=True, slots=True)
class FileNames:
    """One name for each file of the protocol, all of them directly in the access point.

    Attributes:
        attributes: the worker's word on its jobs.
        job_report: the payload's own report.
        outputs: the list of files that the worker has written.
        job_request: the worker's wish for a job.
        job_spec: the jobs for the worker.
        pool_catalog: catalogue of the input files.
        job_ids: the jobs that the worker runs.
        kill: exists if the worker asks to be killed.
        heartbeat: its modification time says that the worker lives.
        event_request: the worker's wish for event ranges.
        event_ranges: event ranges for the worker.
        event_updates: the worker's word on event ranges that have no file of their own.
    """

    attributes: str
    job_report: str
    outputs: str
    job_request: str
    job_spec: str
    pool_catalog: str
    job_ids: str
    kill: str
    heartbeat: str
    event_request: str
    event_ranges: str
    event_updates: str

    @property
    def gathered(self) -> str:
        """The list of files that Harvester gathered itself after the batch job had ended; as `outputs` in form."""
        return f"{_FIXED_PREFIX}{self.outputs}"

    def is_taken(self, name: str) -> bool:
        """Whether the protocol uses the name itself, so that no input file may have it."""
        ours = _FIXED | {getattr(self, each) for each in self.__slots__}
        return name in ours or name.startswith(_FIXED_PREFIX)


_BY_KEY: Final = {
    "workerAttributesFile": ("attributes", "worker_attributes.json"),
    "jobReportFile": ("job_report", "jobReport.json"),
    "eventStatusDumpJsonFile": ("outputs", "event_status.dump.json"),
    "jobRequestFile": ("job_request", "worker_requestjob.json"),
    "jobSpecFile": ("job_spec", "pandaJobData.out"),
    "xmlPoolCatalogFile": ("pool_catalog", "PoolFileCatalog_H.xml"),
    "pandaIDsFile": ("job_ids", "worker_pandaids.json"),
    "killWorkerFile": ("kill", "kill_worker.json"),
    "heartbeatFile": ("heartbeat", "worker_heartbeat.json"),
    "eventRequestFile": ("event_request", "worker_requestevents.json"),
    "eventRangesFile": ("event_ranges", "JobsEventRanges.json"),
    "updateEventsFile": ("event_updates", "worker_updateevents.json"),
}
"""Key of `[payload_interaction]` → our word for it and the shipped name."""


def plain_name(name: str) -> str:
    """The name of a file that stays in its directory.

    Raises:
        ValueError: it is none.
    """
    if not is_plain_name(name):
        raise ValueError(f"{name!r} is not a plain file name; the file is always directly in its directory")
    return name


class FileNameSettings(PluginSettings):
    """File names that a queue sets for itself, under the names that its messenger block knows."""

    attributes: str | None = Field(default=None, alias="jsonAttrsFileName")
    job_report: str | None = Field(default=None, alias="jsonJobReport")
    outputs: str | None = Field(default=None, alias="jsonOutputsFileName")
    job_request: str | None = Field(default=None, alias="jsonJobRequestFileName")
    job_spec: str | None = Field(default=None, alias="jobSpecFileName")
    pool_catalog: str | None = Field(default=None, alias="xmlPoolCatalogFileName")
    job_ids: str | None = Field(default=None, alias="pandaIDsFile")
    kill: str | None = Field(default=None, alias="killWorkerFile")
    heartbeat: str | None = Field(default=None, alias="heartbeatFile")
    event_request: str | None = Field(default=None, alias="jsonEventsRequestFileName")
    event_ranges: str | None = Field(default=None, alias="jsonEventsFeedFileName")
    event_updates: str | None = Field(default=None, alias="jsonEventsUpdateFileName")

    def resolve(self, instance_names: Mapping[str, str]) -> FileNames:
        """The names in use: the queue's, else the instance's by key of `[payload_interaction]`, else the shipped."""
        return FileNames(
            **{
                field: getattr(self, field) or instance_names.get(key) or shipped
                for key, (field, shipped) in _BY_KEY.items()
            }
        )

    @field_validator(*(field for field, _ in _BY_KEY.values()))
    @classmethod
    def _stays_in_the_access_point(cls, name: str | None) -> str | None:
        return name if name is None else plain_name(name)
