"""Tells iDDS what points of hyper-parameter searches were worth, before the server is told that they are done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from harvester.agents.base import Instance
from harvester.agents.sample_points import FAILURES, idds_of
from harvester.core.events import EventMode, EventState
from harvester.core.samples import SamplePoint, loss_of, point_of_range
from harvester.panda.errors import PandaError, PandaRefused, PandaUnavailable
from harvester.panda.event_messages import EventJob
from harvester.store.events import EndedEvent

log = structlog.get_logger(__name__)

_AT_ONCE: Final = 200
_SECONDS: Final = 30.0
"""Losses that are told, and time that is spent, until the server hears of the first ones."""


@dataclass(slots=True)
class LossesTold:
    """What came of telling losses.

    Attributes:
        ready: ranges of whose ends the server can be told; a point whose loss is not wanted has failed.
        valued: points whose loss iDDS knows, by job and name of their checkpoint.
        silent: servers of checkpoints that do not answer, and are not waited for again.
    """

    ready: list[EndedEvent] = field(default_factory=list)
    valued: set[tuple[int, str]] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)


def tell_losses(instance: Instance, ended: Sequence[EndedEvent], known: Mapping[int, EventJob]) -> LossesTold:
    """Tell losses as long as iDDS listens and time allows; ranges whose loss it has not heard have to wait."""
    told = LossesTold()
    end = instance.tick() + _SECONDS
    asked = failures = 0
    for each in ended:
        if not _has_loss(each, known[each.job_id]):
            told.ready.append(each)
        elif failures < FAILURES and asked < _AT_ONCE and instance.tick() < end:
            asked += 1
            failures = 0 if _tell(instance, each, known[each.job_id], told) else failures + 1
    return told


def _has_loss(event: EndedEvent, job: EventJob) -> bool:
    is_sample = job.mode is EventMode.SAMPLES and event.state is EventState.FINISHED
    return is_sample and event.about.get("loss") is not None


def _tell(instance: Instance, event: EndedEvent, job: EventJob, told: LossesTold) -> bool:
    """Whether iDDS answers."""
    try:
        point = point_of_range(event.range_id)
        idds_of(instance).tell_loss(point, loss_of(event.about))
    except (PandaRefused, ValueError) as error:
        log.warning("a point has failed: its loss is not wanted", job=job.job_id, reason=str(error))
        about = {**event.about, "errorDiag": str(error)}
        told.ready.append(replace(event, state=EventState.FAILED, word="failed", about=about))
        return True
    except PandaUnavailable as error:
        what = "a loss is not told, it is tried again"
        log.warning(what, job=job.job_id, range=event.range_id, error=str(error))
        return False
    told.ready.append(event)
    told.valued.add((job.job_id, point.checkpoint))
    _drop_checkpoint(instance, job, point, told.silent)
    return True


def _drop_checkpoint(instance: Instance, job: EventJob, point: SamplePoint, silent: set[str]) -> None:
    """Nobody goes on with a point that is valued; a checkpoint that stays all the same harms nobody."""
    if job.source_url is None or job.source_url in silent:
        return
    try:
        instance.checkpoints.remove(job.source_url, point)
    except PandaRefused as error:
        log.debug("no checkpoint removed", job=job.job_id, point=point.checkpoint, reason=str(error))
    except PandaError as error:
        silent.add(job.source_url)
        log.warning("a checkpoint stays on its server", job=job.job_id, point=point.checkpoint, error=str(error))
