"""Has iDDS say what the points are that workers are to try, and fetches what earlier workers have left of them.

The server gives a range for each point; what the point is stands nowhere but in iDDS. It is stored with the range
before the worker gets it, so that whatever dies, what is known is not asked for again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Instance
from harvester.core.samples import CHECKPOINT, POINT, SamplePoint, is_undescribed, point_of_range
from harvester.core.workers import Worker
from harvester.panda.checkpoints import NoCheckpointError
from harvester.panda.errors import PandaError, PandaRefused, PandaUnavailable
from harvester.panda.event_messages import EventJob
from harvester.panda.idds import Idds
from harvester.plugins.api import EventFeed
from harvester.plugins.tools.atomic_files import replacement
from harvester.store import event_requests, events, jobs
from harvester.store.events import Range, RangeKey

log = structlog.get_logger(__name__)

NO_IDDS: Final = "hyper-parameter jobs need it; set it and start again"
FAILURES: Final = 3
"""In a row, that mean that iDDS is in trouble and not a point."""
_AT_ONCE: Final = 200
_SECONDS: Final = 30.0
"""Points that are asked for, and time that is spent, until what is known is stored."""
_RETRY: Final = timedelta(seconds=10)
_DOWNLOADED: Final = "hpo_cp_"


@dataclass(frozen=True, slots=True)
class PointsTold:
    """What iDDS said of ranges: what they stand for, or why they can be given to nobody."""

    described: dict[RangeKey, Range] = field(default_factory=dict)
    refused: dict[RangeKey, str] = field(default_factory=dict)

    def is_known(self, key: RangeKey) -> bool:
        """Whether something was said of the range."""
        return key in self.described or key in self.refused


def needs_points(feed: EventFeed) -> bool:
    """Whether iDDS has to be asked before the worker can be fed."""
    return any(is_undescribed(each) for some in feed.ranges.values() for each in some)


def describe_points(instance: Instance, feeds: Sequence[EventFeed], known: Mapping[int, EventJob]) -> PointsTold:
    """Ask for as many points as time allows, and for none any more once iDDS fails again and again."""
    told = PointsTold()
    end = instance.tick() + _SECONDS
    failures = 0
    for worker, key, given in [(feed.worker, key, given) for feed in feeds for key, given in _undescribed(feed)]:
        if failures == FAILURES or instance.tick() > end or len(told.described) + len(told.refused) >= _AT_ONCE:
            break
        try:
            told.described[key] = _described(instance, worker, known.get(key[0]), given)
            failures = 0
        except PandaRefused as error:
            told.refused[key] = str(error)
            failures = 0
        except PandaUnavailable as error:
            log.warning("a point is not described, iDDS is asked again", job=key[0], range=key[1], error=str(error))
            failures += 1
    return told


def _every(feed: EventFeed) -> Iterator[tuple[RangeKey, Range]]:
    for job_id, some in feed.ranges.items():
        yield from (((job_id, str(each["eventRangeID"])), each) for each in some)


def _undescribed(feed: EventFeed) -> Iterator[tuple[RangeKey, Range]]:
    return ((key, given) for key, given in _every(feed) if is_undescribed(given))


def idds_of(instance: Instance) -> Idds:
    """The iDDS server of the instance.

    Raises:
        PandaUnavailable: there is none.
    """
    if instance.idds is None:
        raise PandaUnavailable("[pandacon] iddsURL", NO_IDDS, reached=False)
    return instance.idds


def _described(instance: Instance, worker: Worker, job: EventJob | None, given: Range) -> Range:
    """The range with its point.

    Raises:
        PandaUnavailable: iDDS does not say.
        PandaRefused: there is no such point.
    """
    point = _point(given)
    described: Range = {**given, POINT: idds_of(instance).point(point)}
    path = _fetched(instance, worker, job.source_url, point) if job and job.source_url else None
    return {**described, CHECKPOINT: path} if path else described


def _point(given: Range) -> SamplePoint:
    try:
        return point_of_range(str(given["eventRangeID"]))
    except ValueError as error:
        raise PandaRefused("event/acquire_event_ranges", str(error)) from None


def _fetched(instance: Instance, worker: Worker, source_url: str, point: SamplePoint) -> str | None:
    """Where the point's checkpoint is now; None if there is none. A worker rather begins anew than waits for it."""
    path = f"{worker.access_point}/{_DOWNLOADED}{point.checkpoint}"
    try:
        with replacement(path) as target:
            instance.checkpoints.fetch(source_url, point, target)
    except NoCheckpointError:
        return None
    except (PandaError, OSError) as error:
        what = "a checkpoint cannot be had, the worker begins its point anew"
        log.warning(what, queue=worker.queue, worker=worker.worker_id, point=point.checkpoint, error=str(error))
        return None
    return path


def settle_points(
    connection: Connection, feeds: Sequence[EventFeed], told: PointsTold, held: frozenset[int], now: datetime
) -> None:
    """Write what iDDS said of ranges whose workers still wait for them; ranges without a point have failed.

    A worker of which all ranges have failed asks for others: an empty list would tell it that there are no more.
    """
    mine = [feed for feed in feeds if feed.worker.worker_id in held]
    keys = {key for feed in mine for key, _ in _undescribed(feed)}
    events.describe(connection, {key: given for key, given in told.described.items() if key in keys})
    refused = {key: reason for key, reason in told.refused.items() if key in keys}
    events.refuse(connection, refused)
    jobs.trigger_reports(connection, {job_id for job_id, _ in refused}, now)
    for (job_id, range_id), reason in refused.items():
        log.warning("a range is given to nobody and reported as failed", job=job_id, range=range_id, reason=reason)
    _settle_requests(connection, mine, told, now)


def _settle_requests(connection: Connection, feeds: Sequence[EventFeed], told: PointsTold, now: datetime) -> None:
    in_vain = {feed.worker.worker_id for feed in feeds if all(key in told.refused for key, _ in _every(feed))}
    untold = {feed.worker.worker_id for feed in feeds if not any(told.is_known(key) for key, _ in _undescribed(feed))}
    event_requests.ask_anew(connection, in_vain, now + _RETRY)
    event_requests.postpone(connection, untold, now + _RETRY)
    event_requests.postpone(connection, {feed.worker.worker_id for feed in feeds} - in_vain - untold, now)
