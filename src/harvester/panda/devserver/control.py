"""A client for the development server's own door, for demonstrations and tests."""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

import httpx2
from pydantic import JsonValue, TypeAdapter

from harvester.panda.closing import Closable
from harvester.panda.devserver.faults import EVERY_METHOD, FaultKind

Row = dict[str, JsonValue]
_ROWS = TypeAdapter(list[Row])
_IDS = TypeAdapter(list[int])
_COUNTS = TypeAdapter(dict[str, int])
_PAGE = 1000


class DevControl(Closable):
    """Puts jobs in, reads results and switches faults.

    Args:
        url: the server's address; a path such as `/api/v1` is left out.

    Every method raises httpx2.HTTPError when the server is not there or refuses.
    """

    def __init__(self, url: str, *, verify: bool = True) -> None:
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._http = httpx2.Client(base_url=f"{self._origin}/dev/", verify=verify, trust_env=False, timeout=30.0)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def add_jobs(self, jobs: Sequence[Mapping[str, JsonValue]]) -> list[int]:
        """Put jobs in, given as partial job dictionaries; `site` says where they wait. Gives their ids.

        `event_ranges` divides a job into so many event ranges, or into those that it lists; `hp_points` lists the
        points of its task's search that it tries.
        """
        return _IDS.validate_python(self._post("jobs", {"jobs": [dict(job) for job in jobs]}))

    def jobs(self, *, status: str | None = None, site: str | None = None) -> Iterator[Row]:
        """Give jobs with everything that happened to them."""
        wanted = {name: value for name, value in (("status", status), ("site", site)) if value is not None}
        after = 0
        while page := _ROWS.validate_python(self._get("jobs", **wanted, after=after, limit=_PAGE)):
            yield from page
            after = max(int(str(row["job_id"])) for row in page)

    def job(self, job_id: int) -> Row:
        """Give one job.

        Raises:
            KeyError: there is none.
        """
        found = _ROWS.validate_python(self._get("jobs", job_id=job_id))
        if not found:
            raise KeyError(job_id)
        return found[0]

    def event_ranges(self, job_id: int) -> list[Row]:
        """Give the event ranges of a job, with how often they were given out and what was told of them."""
        return _ROWS.validate_python(self._get("events", job_id=job_id))

    def points(self, task_id: int) -> list[Row]:
        """Give the points of a task's search, with the losses that were told."""
        return _ROWS.validate_python(self._get("points", task_id=task_id))

    def cached(self, path: str) -> bytes | None:
        """Give a file that was uploaded; None if there is none."""
        response = self._http.get(f"{self._origin}/cache/{path}")
        return response.content if response.is_success else None

    def job_counts(self) -> dict[str, int]:
        """Count jobs by status."""
        return _COUNTS.validate_python(self.summary()["jobs"])

    def summary(self) -> Row:
        """Count jobs and workers by status, and lines of the journal."""
        return TypeAdapter(Row).validate_python(self._get("summary"))

    def workers(self) -> list[Row]:
        """Give workers with the fields that were last reported."""
        return _ROWS.validate_python(self._get("workers"))

    def instances(self) -> list[Row]:
        """Give instances with their last metrics and messages."""
        return _ROWS.validate_python(self._get("instances"))

    def kill_jobs(self, job_ids: Sequence[int]) -> None:
        """Order jobs killed."""
        self._post("kill", {"job_ids": list(job_ids)})

    def order(self, harvester_id: str, command: str, params: JsonValue = None, *, ack_requested: int = 0) -> int:
        """Put a command in; gives its id."""
        order: Row = {
            "harvester_id": harvester_id,
            "command": command,
            "params": params,
            "ack_requested": ack_requested,
        }
        return TypeAdapter(int).validate_python(self._post("commands", order))

    def commands(self) -> list[Row]:
        """Give commands with their state."""
        return _ROWS.validate_python(self._get("commands"))

    def fault(
        self, kind: FaultKind | str, method: str = EVERY_METHOD, *, count: int | None = None, seconds: float = 0.0
    ) -> None:
        """Switch a fault on, for `count` calls of `method` or until cleared."""
        self._post("faults", {"kind": str(kind), "method": method, "count": count, "seconds": seconds})

    def clear_faults(self) -> None:
        """Switch all faults off."""
        self._http.delete("faults").raise_for_status()

    def journal(self) -> Iterator[Row]:
        """Give every state change the server saw, oldest first."""
        after = 0
        while page := _ROWS.validate_python(self._get("journal", after=after, limit=10 * _PAGE)):
            yield from page
            after += len(page)

    def _get(self, name: str, **arguments: str | int) -> JsonValue:
        return self._plain(self._http.get(name, params=arguments))

    def _post(self, name: str, arguments: Row) -> JsonValue:
        return self._plain(self._http.post(name, json=arguments))

    @staticmethod
    def _plain(response: httpx2.Response) -> JsonValue:
        response.raise_for_status()
        value: JsonValue = response.json()
        return value
