"""Gets event ranges from the server for workers that asked for some, and gives them to these workers.

The two are steps of their own: what the server gave is stored as the worker's before anything is written for it, and it
is fed under a number that stays the same until it is known to have arrived. So a range is given to one worker and
arrives there once, whatever dies on the way. Only an answer of the server that never reached the database is lost: the
server gives such ranges out again when the job has ended.

Ranges that stand for points of a search have a third step between the two: iDDS says what the points are.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
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
_AT_RISK: Final = 5.0
"""Seconds after which what the server gave is stored before it is asked for more: whoever dies before that loses it."""


@dataclass(frozen=True, slots=True)
class RangesUnit(Unit):
    """Workers of one queue that wait for ranges.

    Attributes:
        asking: those for which the server is to be asked.
        feeds: what others are to get.
        undescribed: what others are to get when iDDS has said what the points in it are.
        jobs: the jobs of the first and the last, as the server knows them.
    """

    asking: Sequence[EventRequest] = ()
    feeds: Sequence[EventFeed] = ()
    undescribed: Sequence[EventFeed] = ()
    jobs: Mapping[int, EventJob] = field(default_factory=dict)

    @property
    def waits_for_others(self) -> bool:
        """For a messenger, or for iDDS."""
        return not self.asking


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server gave.

    Attributes:
        ranges: by worker and job; a worker of which nothing could be learnt is missing.
        exhausted: jobs for which the server has no more.
        unasked: workers for which it was not asked yet.
    """

    ranges: dict[int, dict[int, list[OfferedRange]]] = field(default_factory=lambda: defaultdict(dict))
    exhausted: set[int] = field(default_factory=set)
    unasked: set[int] = field(default_factory=set)

    def add(self, worker_id: int, job_id: int, some: Sequence[OfferedRange]) -> None:
        """These are for the worker; an empty list says that there are no more."""
        self.ranges[worker_id].setdefault(job_id, []).extend(some)


@dataclass(frozen=True, slots=True)
class RangesOutcome:
    """What came of a unit: the server's offers, the messenger's answers by worker, what iDDS said of points."""

    offers: Offers = field(default_factory=Offers)
    fed: Mapping[int, Done | Later | Failed] = field(default_factory=dict)
    points: PointsTold = field(default_factory=PointsTold)


class EventFeeder(Agent[RangesUnit, RangesOutcome]):
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

    # ---- claiming ----------------------------------------------------------------------------------------------------

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[RangesUnit]:
        """Requests of workers that the resource holds, by queue, with what the server has given for them already."""
        found = event_requests.claim(connection, ticket, self.instance.settings.eventfeeder.max_workers)
        feeds = self._feeds(connection, [each for each in found if each.delivery is not None])
        unfinished = [each for each in found if each.delivery is None or _lacks_points(each, feeds)]
        known = self._jobs(connection, unfinished)
        by_queue: dict[str, list[EventRequest]] = defaultdict(list)
        for each in found:
            by_queue[each.queue].append(each)
        return [unit for queue, some in by_queue.items() for unit in _units(queue, some, feeds, known, ticket.fence)]

    def _jobs(self, connection: Connection, unfinished: Sequence[EventRequest]) -> dict[int, EventJob]:
        ids = {job for each in unfinished for job in each.wanted}
        if not ids:
            return {}
        return {job: event_job_of(job, params) for job, params in jobs.params_of(connection, ids).items()}

    def _feeds(self, connection: Connection, answered: Sequence[EventRequest]) -> dict[int, EventFeed]:
        """What workers are to get for whom the server has answered."""
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

    # ---- asking and feeding ------------------------------------------------------------------------------------------

    def act(self, unit: RangesUnit) -> RangesOutcome:
        """Feed what there is, then ask the server for the others as long as it answers."""
        if not unit.asking:
            self.line.note_nothing_asked()
        if unit.undescribed:
            return RangesOutcome(points=describe_points(self.instance, unit.undescribed, unit.jobs))
        fed = self._feed(unit)
        return RangesOutcome(self._ask(unit), fed)

    def _feed(self, unit: RangesUnit) -> dict[int, Done | Later | Failed]:
        if not unit.feeds:
            return {}
        messenger = self.instance.plugins.messenger(unit.about)
        told = self.instance.call(messenger.feed_events, unit.feeds, Later)
        return {each.worker.worker_id: answer for each, answer in zip(unit.feeds, told, strict=True)}

    def _ask(self, unit: RangesUnit) -> Offers:
        """What was given before the server failed counts; the worker asks again for the rest."""
        offers = Offers()
        tick = self.instance.tick
        end = tick() + _AT_RISK
        for request in unit.asking:
            if tick() > end:
                offers.unasked.add(request.worker_id)
                continue
            try:
                self._ask_for(request, unit, offers)
            except PandaError as error:
                what = "no event ranges, they are asked for again"
                log.warning(what, queue=unit.about, worker=request.worker_id, error=str(error))
                if self.line.is_in_trouble:
                    break
        return offers

    def _ask_for(self, request: EventRequest, unit: RangesUnit, offers: Offers) -> None:
        """Take as many ranges as the worker wants, or as there are, for each of its jobs.

        Raises:
            PandaError: the server does not give any.
        """
        scattered = bool(self.instance.plugins.queue(unit.about).scattered_events)
        for job_id, wanted in request.wanted.items():
            job = unit.jobs.get(job_id)
            if job is None:
                offers.add(request.worker_id, job_id, ())
                continue
            if job.mode is EventMode.SAMPLES and self.instance.idds is None:
                raise PandaRefused("[pandacon] iddsURL", NO_IDDS)
            for size in _chunks(wanted, self.instance.settings.pandacon.get_events_chunk_size):
                with self.line.asking():
                    some = self.instance.panda.acquire_event_ranges(job, size, scattered=scattered)
                offers.add(request.worker_id, job_id, some)
                if len(some) < size:
                    offers.exhausted.add(job_id)
                    break

    # ---- writing -----------------------------------------------------------------------------------------------------

    def commit(self, connection: Connection, unit: RangesUnit, result: RangesOutcome) -> Sequence[str]:
        """Ranges are their workers' from here on; workers that were fed wait for nothing any more."""
        now = self.instance.clock()
        held = leases.held_keys(connection, EVENT_REQUEST, [int(key) for key in unit.claim.keys], unit.claim.fence)
        self._settle_feeds(connection, unit, result, held, now)
        settle_points(connection, unit.undescribed, result.points, held, now)
        self._settle_offers(connection, unit, result.offers, held, now)
        return (self.name,)

    def _settle_feeds(
        self, connection: Connection, unit: RangesUnit, result: RangesOutcome, held: frozenset[int], now: datetime
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

    def _settle_offers(
        self, connection: Connection, unit: RangesUnit, offers: Offers, held: frozenset[int], now: datetime
    ) -> None:
        """Of a job about which the server failed, the worker is told nothing: it asks again."""
        wanted = {each.worker_id: each.wanted for each in unit.asking if each.worker_id in held}
        answered = {worker: offers.ranges[worker] for worker in wanted if worker in offers.ranges}
        offered = [
            events.Allotment(job, worker, each.range_id, _kept(each, unit.jobs.get(job)))
            for worker, by_job in answered.items()
            for job, some in by_job.items()
            for each in some
        ]
        new = events.allot(connection, offered, unit.claim.fence)
        if len(new) < len(offered):
            log.warning("the server gave event ranges twice, they are used once", ranges=len(offered) - len(new))
        told = {worker: {job: wanted[worker][job] for job in by_job} for worker, by_job in answered.items()}
        event_requests.note_answer(connection, told, unit.claim.fence, now)
        event_requests.postpone(connection, wanted.keys() - answered.keys() - offers.unasked, now + _RETRY)
        event_requests.postpone(connection, wanted.keys() & offers.unasked, now)
        if offers.exhausted:
            jobs.note_events_left(connection, dict.fromkeys(offers.exhausted, 0))
            jobs.stop_growing(connection, offers.exhausted)


def _lacks_points(request: EventRequest, feeds: Mapping[int, EventFeed]) -> bool:
    return request.worker_id in feeds and needs_points(feeds[request.worker_id])


def _units(
    queue: str,
    some: Sequence[EventRequest],
    feeds: Mapping[int, EventFeed],
    known: Mapping[int, EventJob],
    fence: int,
) -> Iterator[RangesUnit]:
    """Those for which iDDS is asked are apart: however slow it is, the others of their queue do not wait for it."""
    apart = [each for each in some if _lacks_points(each, feeds)]
    others = [each for each in some if not _lacks_points(each, feeds)]
    if apart:
        lacking = [feeds[each.worker_id] for each in apart]
        yield RangesUnit(_claim(apart, fence), f"points of {queue}", undescribed=lacking, jobs=known)
    if others:
        asking = [each for each in others if each.delivery is None]
        whole = [feeds[each.worker_id] for each in others if each.worker_id in feeds]
        yield RangesUnit(_claim(others, fence), queue, asking, whole, jobs=known)


def _claim(requests: Sequence[EventRequest], fence: int) -> Claim:
    return Claim(EVENT_REQUEST, _ids(requests), fence)


def _kept(offered: OfferedRange, job: EventJob | None) -> events.Range:
    is_point = job is not None and job.mode is EventMode.SAMPLES
    return {**offered.given, POINT: None} if is_point else offered.given


def _chunks(wanted: int, largest: int) -> list[int]:
    whole_ones, rest = divmod(wanted, largest)
    return [largest] * whole_ones + ([rest] if rest else [])


def _ids(requests: Sequence[EventRequest]) -> list[int]:
    return [each.worker_id for each in requests]
