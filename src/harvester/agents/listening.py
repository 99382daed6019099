"""Asks the messengers about workers that run or have ended, one queue apart from the other."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from harvester.agents.base import Instance
from harvester.agents.judging import Observation
from harvester.core.errors import HarvesterError
from harvester.plugins.api import NO_NEWS, Assignment, Later, Messenger, News, PluginSettings, Unknown
from harvester.plugins.turns import Turns
from harvester.store import jobs, queues

log = structlog.get_logger(__name__)

AnyMessenger = Messenger[PluginSettings]

_PATIENCE: Final = 5.0
"""Seconds that the other queues of a round wait for a messenger."""


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A worker whose messenger could not be asked."""

    reason: str


class Listener:
    """Adds what workers say to what was seen of them; a messenger that cannot be asked concerns its queue alone.

    So does one that takes long: the others go on without its queue, which is listened to apart from them until its
    messenger is quick again.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._late: dict[str, threading.Event] = {}
        """Queues to be listened to apart, with what tells that the call that made them late has ended."""

    def is_late(self, queue: str) -> bool:
        """Whether the queue has to have a round of its own."""
        return queue in self._late

    def listen(self, seen: Sequence[Observation], *, alone: bool) -> list[Observation]:
        """The observations with the workers' own words, queue by queue; those of late queues are left out.

        Args:
            seen: what was seen of the workers.
            alone: whether nobody waits but the one queue that the round is about.
        """
        by_queue = _by_queue(seen)
        if alone:
            return [each for queue, some in by_queue.items() for each in self._of_one(queue, some)]
        turns = Turns[str, Sequence[Observation]](lambda queue: self._of_queue(queue, by_queue[queue]), _PATIENCE)
        heard = turns.run(by_queue)
        self._note_late(turns.late)
        return [each for queue in by_queue if queue in heard for each in heard[queue]]

    def acknowledge(self, seen: Sequence[Observation]) -> None:
        """What these workers have said is safe: the messengers need not tell it again."""
        by_queue = _by_queue(each for each in seen if each.news.attributes or each.news.files)
        if by_queue:
            turns = Turns[str, None](lambda queue: self._acknowledge_one(queue, by_queue[queue]), _PATIENCE)
            turns.run(by_queue)
            self._note_late(turns.late)

    def _acknowledge_one(self, queue: str, seen: Sequence[Observation]) -> None:
        messenger = self._instance.plugins.messenger(queue)
        self._instance.call.tell(messenger.acknowledge, [each.held.worker for each in seen])

    def _of_one(self, queue: str, seen: Sequence[Observation]) -> Sequence[Observation]:
        """Wait as long as it takes, also for the call that made the queue late: it is not called twice at once."""
        if ended := self._late.get(queue):
            ended.wait()
        began = time.monotonic()
        heard = self._of_queue(queue, seen)
        if time.monotonic() - began < _PATIENCE:
            self._late.pop(queue, None)
        return heard

    def _note_late(self, late: Mapping[str, threading.Event]) -> None:
        if not late:
            return
        self._late.update(late)
        problem = f"its messenger has not answered for {_PATIENCE:g} s; look at the disk or service that it uses"
        notes = {queue: {"text": "its workers are listened to apart from others", "problem": problem} for queue in late}
        for queue in late:
            log.warning("a messenger takes long, other queues go on without it", queue=queue, problem=problem)
        with self._instance.db.write() as connection:
            queues.note(connection, "monitor", notes, self._instance.clock())

    def _of_queue(self, queue: str, seen: Sequence[Observation]) -> Sequence[Observation]:
        started = [each for each in seen if each.has_started]
        if not started:
            return seen
        try:
            messenger = self._instance.plugins.messenger(queue)
        except HarvesterError as error:
            heard = [_unheard(each, str(error)) for each in started]
        else:
            heard = self._finish(messenger, self._collect(messenger, started))
        by_id = {each.held.worker.worker_id: each for each in heard}
        return [by_id.get(each.held.worker.worker_id, each) for each in seen]

    def _collect(self, messenger: AnyMessenger, seen: Sequence[Observation]) -> list[Observation]:
        told = self._instance.call(messenger.collect, [each.held.worker for each in seen], _Unheard)
        return [
            _unheard(each, news.reason) if isinstance(news, _Unheard) else _heard(each, news)
            for each, news in zip(seen, told, strict=True)
        ]

    def _finish(self, messenger: AnyMessenger, seen: Sequence[Observation]) -> list[Observation]:
        """Have logs and left-over outputs of ended workers gathered, and take what that adds to the news."""
        ended: list[Observation] = []
        others: list[Observation] = []
        for each in seen:
            (ended if each.has_pushed_jobs and each.has_ended else others).append(each)
        if not ended:
            return others
        answers = self._instance.call(messenger.finish, self._assignments(ended), Later)
        finished = [replace(each, finished=answer) for each, answer in zip(ended, answers, strict=True)]
        return [*others, *self._collect(messenger, finished)]

    def _assignments(self, ended: Sequence[Observation]) -> list[Assignment]:
        workers = [each.held.worker for each in ended]
        job_ids = [job for worker in workers for job in worker.job_ids]
        if not job_ids:
            return []
        with self._instance.db.read() as connection:
            params = jobs.params_of(connection, job_ids)
        return [Assignment(worker, {job: params[job] for job in worker.job_ids if job in params}) for worker in workers]


def _by_queue(seen: Iterable[Observation]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = defaultdict(list)
    for each in seen:
        found[each.held.worker.queue].append(each)
    return found


def _unheard(seen: Observation, reason: str) -> Observation:
    """An end is not believed before the worker's word on it was heard."""
    outcome = Unknown(reason) if seen.has_ended else seen.outcome
    return replace(seen, outcome=outcome, news=replace(seen.news, problem=reason))


def _heard(seen: Observation, news: News) -> Observation:
    known = seen.news
    return Observation(seen.held, seen.outcome, news if known is NO_NEWS else _joined(known, news), seen.finished)


def _joined(first: News, more: News) -> News:
    files = {(each.job_id, each.lfn): each for each in (*first.files, *more.files)}
    return replace(
        more,
        attributes={**first.attributes, **more.attributes},
        files=tuple(files.values()),
        problem=first.problem or more.problem,
    )
