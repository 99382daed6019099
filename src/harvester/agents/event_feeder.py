"""Gets event ranges from the server for workers that asked for some, and gives them to these workers.

The two are steps of their own: what the server gave is stored as the worker's before anything is written for it, and it
is fed under a number that stays the same until it is known to have arrived. So a range is given to one worker and
arrives there once, whatever dies on the way. Only an answer of the server that never reached the database is lost: the
server gives such ranges out again when the job has ended.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.lines import Line
from harvester.agents.sample_points import NO_IDDS, PointsTold, describe_points, needs_points, settle_points
from harvester.core.events import EventMode
from harvester.core.samples import POINT
from harvester.panda.errors import PandaError, PandaRefused
from harvester.panda.event_messages import EventJob, OfferedRange, event_job_of
from harvester.plugins.api import Done, EventFeed, Failed, Later
from harvester.store import event_requests, events, jobs, leases, workers
from harvester.store.event_requests import EventRequest
from harvester.store.leases import EVENT_REQUEST, Claim, ClaimTicket

log = structlog.get_logger(__name__)

_FAILURES: Final = 3
"""In a row, that mean that the server is in trouble and not a job."""
_RETRY: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class FeedUnit(Unit):
    """Workers of one queue that wait for ranges.

    Attributes:
        asking: those for which the server is to be asked.
        feeds: what others are to get.
        pointless: what others are to get when iDDS has said what the points in it are.
        jobs: the jobs of the first and the last, as the server knows them.
    """

    asking: Sequence[EventRequest] = ()
    feeds: Sequence[EventFeed] = ()
    pointless: Sequence[EventFeed] = ()
    jobs: Mapping[int, EventJob] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answers:
    """What server and messenger said.

    Attributes:
        offered: ranges by worker and job; a worker of which nothing could be learnt is missing.
        exhausted: jobs for which the server has no more.
        fed: by worker.
        points: what iDDS said.
    """

    offered: dict[int, dict[int, list[OfferedRange]]] = field(default_factory=dict)
    exhausted: set[int] = field(default_factory=set)
    fed: dict[int, Done | Later | Failed] = field(default_factory=dict)
    points: PointsTold = field(default_factory=PointsTold)


class EventFeeder(Agent[FeedUnit, Answers]):
    """See the module."""

    name = "event feeder"
    is_repeatable = False  # the server gives each range out once

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.line: Line = Line(_FAILURES, instance.tick)

    @property
    def pace(self) -> Pace:
        """`[eventfeeder] sleepTime`, `lockInterval` and `nThreads`; a claim outlasts what the server may take."""
        settings = self.instance.settings
        section = settings.eventfeeder
        lease = max(section.lock_interval, 2 * settings.pandacon.timeout + 60)
        return Pace(section.sleep_time, lease, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next request may be looked at."""
        return leases.next_due(connection, EVENT_REQUEST, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[FeedUnit]:
        """Requests of workers that the resource holds, by queue, with what the server has given for them already.

        Those for which iDDS is asked are apart: however slow it is, the others of their queue do not wait for it.
        """
        found = event_requests.claim(connection, ticket, self.instance.settings.eventfeeder.max_workers)
        feeds = self._feeds(connection, [each for each in found if each.delivery is not None])
        pointless = {worker for worker, feed in feeds.items() if needs_points(feed)}
        asking = [each for each in found if each.delivery is None or each.worker_id in pointless]
        together: dict[tuple[str, bool], list[EventRequest]] = defaultdict(list)
        for each in found:
            together[each.queue, each.worker_id in pointless].append(each)
        known = self._jobs(connection, asking)
        return [
            self._unit(queue, some, feeds, known, ticket.fence, lacks_points=lacks_points)
            for (queue, lacks_points), some in together.items()
        ]

    @staticmethod
    def _unit(
        queue: str,
        some: Sequence[EventRequest],
        feeds: Mapping[int, EventFeed],
        known: Mapping[int, EventJob],
        fence: int,
        *,
        lacks_points: bool,
    ) -> FeedUnit:
        claim = Claim(EVENT_REQUEST, _ids(some), fence)
        mine = [feeds[each.worker_id] for each in some if each.worker_id in feeds]
        if lacks_points:
            return FeedUnit(claim, f"points of {queue}", pointless=mine, jobs=known)
        return FeedUnit(claim, queue, [each for each in some if each.delivery is None], mine, jobs=known)

    def _jobs(self, connection: Connection, asking: Sequence[EventRequest]) -> dict[int, EventJob]:
        ids = {job for each in asking for job in each.wanted}
        if not ids:
            return {}
        return {job: event_job_of(job, params) for job, params in jobs.params_of(connection, ids).items()}

    def _feeds(self, connection: Connection, answered: Sequence[EventRequest]) -> dict[int, EventFeed]:
        if not answered:
            return {}
        given = events.of_deliveries(connection, {each.delivery for each in answered if each.delivery is not None})
        held = {each.worker.worker_id: each.worker for each in workers.find(connection, _ids(answered))}
        return {
            each.worker_id: EventFeed(
                held[each.worker_id],
                each.delivery,
                {job: given.get(each.worker_id, {}).get(job, []) for job in each.wanted},
                each.token,
            )
            for each in answered
            if each.delivery is not None and each.worker_id in held
        }

    def act(self, unit: FeedUnit) -> Answers:
        """Feed what there is, then ask the server for the others as long as it answers."""
        if unit.pointless:
            self.line.note_nothing_asked()
            return Answers(points=describe_points(self.instance, unit.pointless, unit.jobs))
        answers = Answers()
        self._feed(unit, answers)
        if not unit.asking:
            self.line.note_nothing_asked()
        for request in unit.asking:
            try:
                with self.line.asking():
                    self._ask(unit, request, answers)
            except PandaError as error:
                log.warning(
                    "no event ranges, they are asked for again",
                    queue=unit.about,
                    worker=request.worker_id,
                    error=str(error),
                )
                if self.line.is_in_trouble:
                    break
        return answers

    def _feed(self, unit: FeedUnit, answers: Answers) -> None:
        if not unit.feeds:
            return
        messenger = self.instance.plugins.messenger(unit.about)
        told = self.instance.call(messenger.feed_events, unit.feeds, Later)
        answers.fed.update({each.worker.worker_id: answer for each, answer in zip(unit.feeds, told, strict=True)})

    def _ask(self, unit: FeedUnit, request: EventRequest, answers: Answers) -> None:
        """What was given before the server failed counts; the worker asks again for the rest."""
        queue = self.instance.plugins.queue(unit.about)
        for job_id, wanted in request.wanted.items():
            job = unit.jobs.get(job_id)
            if job is None:
                answers.offered.setdefault(request.worker_id, {})[job_id] = []
                continue
            if job.mode is EventMode.SAMPLES and self.instance.idds is None:
                raise PandaRefused("[pandacon] iddsURL", NO_IDDS)
            for size in _chunks(wanted, self.instance.settings.pandacon.get_events_chunk_size):
                some = self.instance.panda.acquire_event_ranges(job, size, scattered=bool(queue.scattered_events))
                answers.offered.setdefault(request.worker_id, {}).setdefault(job_id, []).extend(some)
                if len(some) < size:
                    answers.exhausted.add(job_id)
                    break

    def commit(self, connection: Connection, unit: FeedUnit, result: Answers) -> Sequence[str]:
        """Ranges are their workers' from here on; workers that were fed wait for nothing any more."""
        now = self.instance.clock()
        held = event_requests.held_ids(connection, [int(key) for key in unit.claim.keys], unit.claim.fence)
        self._settle_feeds(connection, unit, result, held, now)
        settle_points(connection, unit.pointless, result.points, held, now)
        answered = [each.worker_id for each in unit.asking if each.worker_id in held & result.offered.keys()]
        offered = [
            events.Allotment(job, worker, each.range_id, _kept(each, unit.jobs.get(job)))
            for worker in answered
            for job, some in result.offered[worker].items()
            for each in some
        ]
        new = events.allot(connection, offered, unit.claim.fence)
        if len(new) < len(offered):
            log.warning("the server gave event ranges twice, they are used once", ranges=len(offered) - len(new))
        told = {worker: self._answered(unit, worker, result) for worker in answered}
        event_requests.note_answer(connection, told, unit.claim.fence, now)
        waiting = [each.worker_id for each in unit.asking if each.worker_id in held - result.offered.keys()]
        event_requests.postpone(connection, waiting, now + _RETRY)
        if result.exhausted:
            jobs.note_events_left(connection, dict.fromkeys(result.exhausted, 0))
            jobs.stop_growing(connection, result.exhausted)
        return (self.name,)

    def _answered(self, unit: FeedUnit, worker: int, result: Answers) -> dict[int, int]:
        """The part of a request that was answered: of a job about which the server failed, nothing is told."""
        (wanted,) = [each.wanted for each in unit.asking if each.worker_id == worker]
        return {job: wanted[job] for job in result.offered[worker]}

    def _settle_feeds(
        self, connection: Connection, unit: FeedUnit, result: Answers, held: frozenset[int], now: datetime
    ) -> None:
        told = {worker: answer for worker, answer in result.fed.items() if worker in held}
        later = {worker for worker, answer in told.items() if isinstance(answer, Later)}
        given = {worker for worker, answer in told.items() if isinstance(answer, Done)}
        deliveries = {each.delivery for each in unit.feeds if each.worker.worker_id in given}
        events.note_given(connection, deliveries, given)
        event_requests.note_fulfilled(connection, told.keys() - later)
        event_requests.postpone(connection, later, now + _RETRY)
        for worker, answer in told.items():
            if isinstance(answer, Later | Failed):
                log.warning("event ranges not given", queue=unit.about, worker=worker, reason=answer.reason)


def _kept(offered: OfferedRange, job: EventJob | None) -> events.Range:
    is_point = job is not None and job.mode is EventMode.SAMPLES
    return {**offered.given, POINT: None} if is_point else offered.given


def _chunks(wanted: int, largest: int) -> list[int]:
    whole_ones, rest = divmod(wanted, largest)
    return [largest] * whole_ones + ([rest] if rest else [])


def _ids(requests: Sequence[EventRequest]) -> list[int]:
    return [each.worker_id for each in requests]
