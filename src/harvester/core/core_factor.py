"""Cores that a worker has per core that its jobs ask for: `nCoreFactor`."""

from collections.abc import Mapping

Factors = int | Mapping[str, Mapping[str, int]]
"""One factor for all, or `{job type or Any: {resource type or Undefined: factor}}` (core reference §4.9)."""


def core_factor(configured: Factors, job_type: str | None, resource_type: str | None) -> int:
    """The factor of a kind of worker: its own types first, then `Any` and `Undefined`; 1 where nothing is said.

    Args:
        configured: what the queue's block says.
        job_type: None if the worker may get any.
        resource_type: None if the worker is of none.
    """
    if isinstance(configured, int):
        return configured or 1
    by_resource = configured.get(job_type or "Any") or configured.get("Any") or {}
    return by_resource.get(resource_type or "Undefined") or by_resource.get("Undefined") or 1
