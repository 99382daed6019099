"""What worker makers are told of the jobs of a new worker besides these: by configuration and information system."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from harvester.agents.base import Instance
from harvester.config.queues import QueueConfig
from harvester.core.kinds import WorkerKind, said
from harvester.core.resource_types import RESOURCE_TYPES, read_resource_types
from harvester.core.slots import Slot, slot_of
from harvester.plugins.api import GroupToServe


def with_terms(queue: QueueConfig, groups: Sequence[GroupToServe]) -> Sequence[GroupToServe]:
    """The groups with what the queue says of its workers, if it says something."""
    per_node, walltime_limit_s = queue.core.submitter.n_core_per_node, queue.walltime_limit
    if not per_node and not walltime_limit_s:
        return groups
    return [replace(group, cores_per_node=per_node or None, walltime_limit_s=walltime_limit_s) for group in groups]


def with_slots(instance: Instance, queue: str, groups: Sequence[GroupToServe]) -> Sequence[GroupToServe]:
    """The groups with what a worker takes by the information system, if that knows the queue."""
    facts = instance.facts.of(queue)
    if facts is None:
        return groups
    types = read_resource_types(instance.facts.document(RESOURCE_TYPES))

    @cache
    def slot(kind: WorkerKind, has_jobs: bool) -> Slot:  # noqa: FBT001 (cached by place)
        return slot_of(facts, kind, types, has_jobs=has_jobs)

    return [replace(group, slot=slot(_kind(group), bool(group.jobs))) for group in groups]


def _kind(group: GroupToServe) -> WorkerKind:
    """What the jobs are, else what is wanted."""
    own = said(group.jobs[0].resource_type) if group.jobs else None
    return replace(group.kind, resource_type=own) if own else group.kind
