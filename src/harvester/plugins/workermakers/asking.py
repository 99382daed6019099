"""What jobs ask for, and what kind of worker serves them, for all worker makers (core reference §4.9, §4.10)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pydantic import Field, JsonValue

from harvester.core.jobs import Job
from harvester.core.kinds import said
from harvester.core.labels import pilot_type_of
from harvester.core.resource_types import MULTI_CORE, SINGLE_CORE
from harvester.plugins.api import GroupToServe, PluginSettings, WorkerPlan

_LARGEST: Final = 2**63


class KindSettings(PluginSettings):
    """What every worker maker may be told.

    Attributes:
        label: what kind of jobs workers without a job of their own are for.
        job_type: `jobType` of such workers.
        resource_type: resource type of such workers; `ANY` or none derives it from the cores.
    """

    label: str = Field(default="managed", alias="prodSourceLabel")
    job_type: str | None = Field(default=None, alias="jobType")
    resource_type: str | None = Field(default=None, alias="resourceType")


def with_kind(size: WorkerPlan, group: GroupToServe, settings: KindSettings) -> WorkerPlan:
    """The plan of a worker of that size with what it is for: the jobs say it, else the order, else the settings."""
    kind, slot = group.kind, group.slot
    label, resource_type = (group.jobs[0].label, group.jobs[0].resource_type) if group.jobs else (None, None)
    by_cores = SINGLE_CORE if size.cores == 1 else MULTI_CORE
    fitting = slot.resource_type if slot and slot.cores == size.cores else by_cores
    return replace(
        size,
        job_type=label or _job_type(group, settings),
        resource_type=said(resource_type) or said(kind.resource_type) or said(settings.resource_type) or fitting,
        pilot_type=pilot_type_of(label or kind.label or settings.label),
    )


def _job_type(group: GroupToServe, settings: KindSettings) -> str:
    """What the server or the queue's own block says, else the information system, else the label."""
    slot, ordered = group.slot, group.kind.job_type
    own = None if ordered else settings.job_type
    return own or (slot and slot.job_type) or ordered or settings.label


def asked_by(jobs: Iterable[Job], group: GroupToServe, name: str) -> list[int]:
    """What each of these jobs asks for by the server's dictionary; 0 for those that do not say."""
    return [_number(group.job_params.get(job.job_id, {}).get(name)) for job in jobs]


def cores_of(job: Job, group: GroupToServe) -> int:
    """The cores of a job, 1 at the least."""
    (asked,) = asked_by([job], group, "coreCount")
    return asked or max(job.cores, 1)


def _number(value: JsonValue) -> int:
    """A count as the server writes it; what is unset (`"NULL"`) or negative counts as nothing."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return int(value) if isinstance(value, int | float) and 0 < value < _LARGEST else 0
