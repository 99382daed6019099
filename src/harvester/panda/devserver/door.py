"""The development server's own door under `/dev/`: put jobs in, read results, switch faults.

It is not part of PanDA and asks nobody who he is; it is there because the server listens on this machine only.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, field_validator

from harvester.panda.devserver.answers import HttpFailure
from harvester.panda.devserver.faults import EVERY_METHOD, Fault, FaultKind, Faults
from harvester.panda.devserver.methods import METHODS
from harvester.panda.devserver.records import Job
from harvester.panda.devserver.state import State

_PAGE = 1000
_NEIGHBOURS = ("idds", "cache")
"""What faults call that which stands beside the API."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _JobQuery(_Strict):
    status: str | None = None
    site: str | None = None
    job_id: int | None = None
    after: int = 0
    limit: int = _PAGE


class _JournalQuery(_Strict):
    after: int = 0
    limit: int = 10 * _PAGE


class _NewJobs(_Strict):
    jobs: list[dict[str, JsonValue]]


class _NewRanges(_Strict):
    job_id: int
    event_ranges: int | list[dict[str, JsonValue]]


class _NewPoints(_Strict):
    task_id: int
    hp_points: list[int]


class _RangeQuery(_Strict):
    job_id: int


class _PointQuery(_Strict):
    task_id: int


class _JobIds(_Strict):
    job_ids: list[int]


class _NewCommand(_Strict):
    harvester_id: str
    command: str
    params: JsonValue = None
    ack_requested: int = 0


class _NewFault(_Strict):
    kind: FaultKind
    method: str = EVERY_METHOD
    count: int | None = Field(default=None, ge=1)
    seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False)

    @field_validator("method")
    @classmethod
    def _is_served(cls, method: str) -> str:
        known = [*METHODS, *_NEIGHBOURS]
        if method == EVERY_METHOD or method in known:
            return method
        near = get_close_matches(method, known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"write pilot/acquire_jobs, say, or {EVERY_METHOD} for all"
        raise ValueError(f"{method} is not served; {advice}")


@dataclass(frozen=True, slots=True)
class Door:
    """The handlers of `/dev/`, by verb and name."""

    state: State
    faults: Faults

    def answer(self, verb: str, name: str, arguments: Mapping[str, JsonValue]) -> JsonValue:
        """Do what is asked.

        Raises:
            HttpFailure: there is no such thing, or the arguments are wrong; says what is.
        """
        handlers: dict[tuple[str, str], Callable[[Mapping[str, JsonValue]], JsonValue]] = {
            ("POST", "jobs"): self._add_jobs,
            ("GET", "jobs"): self._jobs,
            ("GET", "events"): self._events,
            ("GET", "points"): self._points,
            ("POST", "kill"): self._kill,
            ("GET", "summary"): self._summary,
            ("GET", "workers"): self._workers,
            ("GET", "instances"): self._instances,
            ("POST", "commands"): self._order,
            ("GET", "commands"): self._commands,
            ("POST", "faults"): self._switch_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "journal"): self._journal,
        }
        handler = handlers.get((verb, name))
        if handler is None:
            known = ", ".join(f"{verb} /dev/{name}" for verb, name in handlers)
            raise HttpFailure("404 Not Found", f"no {verb} /dev/{name}; there are {known}")
        try:
            return handler(arguments)
        except ValidationError as error:
            raise HttpFailure("400 Bad Request", _words(error)) from None

    def _add_jobs(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        jobs = _NewJobs.model_validate(arguments).jobs
        with self.state.turn() as now:
            try:
                ids = self.state.jobs.add(jobs, now)
            except ValueError as error:
                raise HttpFailure("400 Bad Request", str(error)) from None
            for job_id, job in zip(ids, jobs, strict=True):
                self._divide(job_id, job.get("event_ranges"), now)
                self._search(job_id, job.get("hp_points"), now)
            return list(ids)

    def _divide(self, job_id: int, ranges: JsonValue, now: float) -> None:
        job = self.state.jobs.get(job_id)
        if ranges is not None and job is not None:
            wanted = _NewRanges.model_validate({"job_id": job_id, "event_ranges": ranges}).event_ranges
            self.state.events.add(job_id, job.params["taskID"], wanted, now)

    def _search(self, job_id: int, points: JsonValue, now: float) -> None:
        """A job that tries points has a range for each of them."""
        job = self.state.jobs.get(job_id)
        if points is not None and job is not None:
            new = _NewPoints.model_validate({"task_id": job.params["taskID"], "hp_points": points})
            self.state.searches.add(new.task_id, new.hp_points)
            ranges = [{"eventRangeID": f"{new.task_id}-{job_id}-1-{point}-1"} for point in new.hp_points]
            self.state.events.add(job_id, new.task_id, ranges, now)

    def _points(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        query = _PointQuery.model_validate(arguments)
        with self.state.turn():
            return [each.to_record() for each in self.state.searches.of_task(query.task_id)]

    def _events(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        query = _RangeQuery.model_validate(arguments)
        with self.state.turn():
            return [each.to_record() for each in self.state.events.of_job(query.job_id)]

    def _jobs(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        query = _JobQuery.model_validate(arguments)
        with self.state.turn():
            if query.job_id is not None:
                job = self.state.jobs.get(query.job_id)
                return [_shown(job)] if job else []
            fitting = (
                job
                for job in self.state.jobs.all()
                if job.job_id > query.after and query.status in {None, job.status} and query.site in {None, job.site}
            )
            return [_shown(job) for job in islice(fitting, query.limit)]

    def _kill(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        ids = _JobIds.model_validate(arguments).job_ids
        with self.state.turn() as now:
            return [self.state.jobs.kill(job_id, now) for job_id in ids]

    def _summary(self, _: Mapping[str, JsonValue]) -> JsonValue:
        with self.state.turn():
            jobs: Counter[str] = Counter()
            for (_site, _kind, _label, status), n in self.state.jobs.counts.items():
                if n:
                    jobs[status] += n
            workers = Counter(worker.status for worker in self.state.workers.all())
            return {"jobs": dict(jobs), "workers": dict(workers), "journal": len(self.state.memory.journal)}

    def _workers(self, _: Mapping[str, JsonValue]) -> JsonValue:
        with self.state.turn():
            return [worker.to_record() for worker in self.state.workers.all()]

    def _instances(self, _: Mapping[str, JsonValue]) -> JsonValue:
        with self.state.turn():
            return [instance.to_record() for instance in self.state.instances.all()]

    def _order(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        order = _NewCommand.model_validate(arguments)
        with self.state.turn() as now:
            return self.state.commands.order(order.harvester_id, order.command, order.params, order.ack_requested, now)

    def _commands(self, _: Mapping[str, JsonValue]) -> JsonValue:
        with self.state.turn():
            return [each.to_record() for each in self.state.commands.all()]

    def _switch_fault(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        fault = _NewFault.model_validate(arguments)
        self.faults.add(Fault(fault.kind, fault.method, fault.count, fault.seconds))
        return True

    def _clear_faults(self, _: Mapping[str, JsonValue]) -> JsonValue:
        self.faults.clear()
        return True

    def _journal(self, arguments: Mapping[str, JsonValue]) -> JsonValue:
        query = _JournalQuery.model_validate(arguments)
        with self.state.turn():
            return [note.to_wire() for note in self.state.memory.journal[query.after : query.after + query.limit]]


def _words(error: ValidationError) -> str:
    """What is wrong with the arguments, one line for each."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    return "\n".join(f"{'.'.join(map(str, each['loc']))}: {_problem(each['type'], each['msg'])}" for each in details)


def _problem(kind: str, message: str) -> str:
    known = {"extra_forbidden": "there is no such argument", "missing": "it is missing"}
    return known.get(kind) or message.removeprefix("Value error, ").replace("Input should be", "it has to be")


def _shown(job: Job) -> dict[str, JsonValue]:
    return {**job.to_record(), "params": job.params}
