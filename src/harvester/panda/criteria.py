"""A queue's `getJobCriteria` as arguments of `pilot/acquire_jobs`.

Old configurations use the names of the legacy server, and all values are texts; the current server refuses the whole
request for an unknown name or a wrong type.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in {"true", "false", "1", "0"}:
        raise ValueError(text)
    return word in {"true", "1"}


_CONVERTERS: dict[str, Callable[[str], JsonValue]] = {
    "memory": int,
    "disk_space": int,
    "prod_source_label": str,
    "node": str,
    "computing_element": str,
    "prod_user_id": str,
    "get_proxy_key": str,
    "task_id": int,
    "background": _flag,
    "resource_type": str,
    "job_type": str,
    "via_topic": _flag,
    "remaining_time": int,
    "timeout": int,
}
_LEGACY_NAMES = {
    "mem": "memory",
    "diskSpace": "disk_space",
    "prodSourceLabel": "prod_source_label",
    "computingElement": "computing_element",
    "prodUserID": "prod_user_id",
    "getProxyKey": "get_proxy_key",
    "taskID": "task_id",
    "resourceType": "resource_type",
    "jobType": "job_type",
    "viaTopic": "via_topic",
}


def criteria_to_wire(criteria: Mapping[str, str]) -> dict[str, JsonValue]:
    """Rename and convert each criterion.

    Raises:
        ValueError: the server has no such argument, or the value is not of its type; a criterion is never dropped,
            since without it the queue would be given jobs it cannot run.
    """
    wire: dict[str, JsonValue] = {}
    for name, text in criteria.items():
        current = _LEGACY_NAMES.get(name, name)
        if current not in _CONVERTERS:
            known = ", ".join(_CONVERTERS)
            raise ValueError(f"getJobCriteria: the server knows no {name!r}; write one of {known}")
        try:
            wire[current] = _CONVERTERS[current](text)
        except ValueError:
            raise ValueError(f"getJobCriteria: {name!r} cannot be {text!r}") from None
    return wire
