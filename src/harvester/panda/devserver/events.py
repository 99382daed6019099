"""The event table of the development server: the ranges of each job, who got them, and how they ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import Record

_ENDS = {"finished": "finished", "failed": "failed", "fatal": "failed"}
"""What a reported status becomes; others are passed over, and the reporter is to come again."""


@dataclass(slots=True)
class EventRange(Record):
    """One range with its history.

    Attributes:
        given: what a worker gets of it.
        acquired: when it was given out.
        times_given: more than 1 would be a fault of this server.
        told: every end that was reported, in order, and `told_at` when; `about` is the last report.
    """

    range_id: str
    given: dict[str, JsonValue]
    status: str = "ready"
    acquired: float | None = None
    times_given: int = 0
    told: list[JsonValue] = field(default_factory=list)
    told_at: list[JsonValue] = field(default_factory=list)
    about: dict[str, JsonValue] = field(default_factory=dict)
    zip_file: dict[str, JsonValue] | None = None


class Events:
    """All event ranges, by job."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_job: dict[int, dict[str, EventRange]] = {}
        self._jobs: dict[str, int] = {}
        for key, record in memory.records("events"):
            for each in record["ranges"] if isinstance(record["ranges"], list) else ():
                if isinstance(each, dict):
                    self._enter(int(key), EventRange.from_record(each))

    def add(self, job_id: int, task_id: JsonValue, wanted: int | Sequence[Mapping[str, JsonValue]], now: float) -> None:
        """Divide a job into so many ranges, or into those that are given as the server would give them."""
        ranges = [_range(job_id, task_id, place + 1) for place in range(wanted)] if isinstance(wanted, int) else wanted
        for each in ranges:
            self._enter(job_id, EventRange(str(each["eventRangeID"]), dict(each)))
        self._memory.note(now, "job", job_id, "divided", f"{len(ranges)} event ranges")
        self._keep(job_id)

    def _enter(self, job_id: int, entry: EventRange) -> None:
        self._by_job.setdefault(job_id, {})[entry.range_id] = entry
        self._jobs[entry.range_id] = job_id

    def of_job(self, job_id: int) -> list[EventRange]:
        """Give the ranges of a job."""
        return list(self._by_job.get(job_id, {}).values())

    def available(self, job_id: int) -> int:
        """Count the ranges that nobody has yet."""
        return sum(each.status == "ready" for each in self.of_job(job_id))

    def acquire(self, job_id: int, number: int, now: float) -> list[EventRange]:
        """Give ranges out; each goes to nobody else."""
        free = [each for each in self.of_job(job_id) if each.status == "ready"][:number]
        for each in free:
            each.status, each.acquired = "sent", now
            each.times_given += 1
        self._keep(job_id)
        return free

    def report(self, about: Mapping[str, JsonValue], zip_file: JsonValue, now: float) -> bool | None:
        """Store the end of a range; None if it has not ended, False if nobody knows it."""
        status = _ENDS.get(str(about.get("eventStatus")))
        if status is None:
            return None
        job_id = self._jobs.get(str(about.get("eventRangeID")))
        if job_id is None:
            return False
        entry = self._by_job[job_id][str(about["eventRangeID"])]
        entry.status = status
        entry.told.append(about["eventStatus"])
        entry.told_at.append(now)
        entry.about = dict(about)
        entry.zip_file = dict(zip_file) if isinstance(zip_file, dict) else None
        self._memory.note(now, "event", entry.range_id, status)
        self._keep(job_id)
        return True

    def _keep(self, job_id: int) -> None:
        ranges: list[JsonValue] = [each.to_record() for each in self.of_job(job_id)]
        self._memory.keep("events", job_id, {"ranges": ranges})


def _range(job_id: int, task_id: JsonValue, place: int) -> dict[str, JsonValue]:
    return {
        "eventRangeID": f"{task_id}-{job_id}-1-{place}-1",
        "startEvent": place,
        "lastEvent": place,
        "LFN": "EVNT.1._0001.root",
        "GUID": "AAAA-1",
        "scope": "mc23",
    }
