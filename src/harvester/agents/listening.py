"""Asks the messengers about workers that run or have ended, one queue apart from the other."""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import structlog

from harvester.agents.base import Instance
from harvester.core.errors import HarvesterError
from harvester.core.judging import Observation
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
        self._lock = threading.Lock()
        self._late: set[str] = set()
        """Queues to be listened to apart."""
        self._turns: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._latest: dict[str, Observation] = {}
        """The first of what was seen by the round that has listened last, by queue; changed in turn."""

    def is_late(self, queue: str) -> bool:
        """Whether the queue has to have a round of its own."""
        with self._lock:
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
        turns = Turns[str, Sequence[Observation]](lambda queue: self._of_one_of_many(queue, by_queue[queue]), _PATIENCE)
        heard = turns.run(by_queue)
        self._note_late(turns.late)
        return [each for queue in by_queue if queue in heard for each in heard[queue]]

    def acknowledge(self, seen: Sequence[Observation]) -> None:
        """What these workers have said is safe: the messengers need not tell it again.

        Args:
            seen: all that `listen` gave for some of the round's queues.
        """
        by_queue = {queue: some for queue, some in _by_queue(seen).items() if any(map(_has_news, some))}
        if by_queue:
            turns = Turns[str, None](lambda queue: self._acknowledge_one(queue, by_queue[queue]), _PATIENCE)
            turns.run(by_queue)
            self._note_late(turns.late)

    def _acknowledge_one(self, queue: str, seen: Sequence[Observation]) -> None:
        """A messenger takes this for a word on its latest news; if others were collected since, it tells both again."""
        messenger = self._instance.plugins.messenger(queue)
        with self._in_turn(queue):
            if self._latest[queue].held is seen[0].held:
                self._instance.call.tell(messenger.acknowledge, [each.held.worker for each in seen if _has_news(each)])

    def _of_one(self, queue: str, seen: Sequence[Observation]) -> Sequence[Observation]:
        """Wait as long as it takes, also for the call that made the queue late."""
        with self._in_turn(queue):
            began = self._instance.tick()
            heard = self._of_queue(queue, seen)
            is_quick = self._instance.tick() - began < _PATIENCE
        if is_quick:
            with self._lock:
                self._late.discard(queue)
        return heard

    def _of_one_of_many(self, queue: str, seen: Sequence[Observation]) -> Sequence[Observation]:
        with self._in_turn(queue):
            return self._of_queue(queue, seen)

    @contextmanager
    def _in_turn(self, queue: str) -> Iterator[None]:
        """No messenger is called twice at once, whatever a hanging call belongs to."""
        with self._lock:
            turn = self._turns[queue]
        with turn:
            yield

    def _note_late(self, late: Collection[str]) -> None:
        if not late:
            return
        with self._lock:
            self._late.update(late)
        problem = f"its messenger has not answered for {_PATIENCE:g} s; look at the disk or service that it uses"
        notes = {queue: {"text": "its workers are listened to apart from others", "problem": problem} for queue in late}
        for queue in late:
            log.warning("a messenger takes long, other queues go on without it", queue=queue, problem=problem)
        with self._instance.db.write() as connection:
            queues.note(connection, "monitor", notes, self._instance.clock())

    def _of_queue(self, queue: str, seen: Sequence[Observation]) -> Sequence[Observation]:
        started: list[Observation] = []
        others: list[Observation] = []
        for each in seen:
            (started if each.has_started else others).append(each)
        heard = [*self._of_started(queue, started), *others] if started else others
        self._latest[queue] = heard[0]
        return heard

    def _of_started(self, queue: str, started: Sequence[Observation]) -> Sequence[Observation]:
        try:
            messenger = self._instance.plugins.messenger(queue)
        except HarvesterError as error:
            return [_unheard(each, str(error)) for each in started]
        return self._finish(messenger, self._collect(messenger, started))

    def _collect(self, messenger: AnyMessenger, seen: Sequence[Observation]) -> list[Observation]:
        told = self._instance.call(messenger.collect, [each.held.worker for each in seen], _Unheard)
        return [_with_answer(each, answer) for each, answer in zip(seen, told, strict=True)]

    def _finish(self, messenger: AnyMessenger, seen: Sequence[Observation]) -> list[Observation]:
        """Have logs and left-over outputs of ended workers gathered, and take what that adds to the news."""
        ended: list[Observation] = []
        others: list[Observation] = []
        for each in seen:
            (ended if each.has_pushed_jobs and each.has_ended else others).append(each)
        others = self._finish_jobs(messenger, others)
        if not ended:
            return others
        told = self._with_untaken(messenger, ended)
        left = [each for each in told if not self._is_gathered(each)]
        ended = [each for each in told if self._is_gathered(each)]
        if not ended:
            return [*others, *left]
        answers = self._instance.call(messenger.finish, self._assignments(list(map(_as_taken, ended))), Later)
        finished = [replace(each, finished=answer) for each, answer in zip(ended, answers, strict=True)]
        return [*others, *left, *self._collect(messenger, finished)]

    def _is_gathered(self, ended: Observation) -> bool:
        """Whether logs and outputs of an ended worker are gathered now, and not left to its pilot."""
        if not ended.has_ended or isinstance(ended.finished, Later):
            return False
        queue = self._instance.plugins.queues.get(ended.held.worker.queue)
        return queue is None or queue.gathers_outputs(ended.end.value)

    def _with_untaken(self, messenger: AnyMessenger, ended: list[Observation]) -> list[Observation]:
        """Tell which jobs that they were given while they ran these workers have never taken up."""
        late = [each for each in ended if each.held.worker.late_binding]
        if not late:
            return ended
        told = self._instance.call(messenger.untaken, [each.held.worker for each in late], _Unheard)
        known = [_with_untaken(each, answer) for each, answer in zip(late, told, strict=True)]
        return [*(each for each in ended if not each.held.worker.late_binding), *known]

    def _finish_jobs(self, messenger: AnyMessenger, seen: list[Observation]) -> list[Observation]:
        """The same for jobs that have ended while their worker goes on."""
        ending = {each.held.worker.worker_id: each for each in seen if each.jobs_that_end}
        if not ending:
            return seen
        alone = [
            replace(each, held=replace(each.held, worker=replace(each.held.worker, job_ids=(job,))))
            for each in ending.values()
            for job in each.jobs_that_end
        ]
        answers = self._instance.call(messenger.finish, self._assignments(alone), Later)
        gathered: dict[int, list[int]] = defaultdict(list)
        unsettled: set[int] = set()
        for each, answer in zip(alone, answers, strict=True):
            if isinstance(answer, Later):
                unsettled.add(each.held.worker.worker_id)
            else:
                gathered[each.held.worker.worker_id].extend(each.held.worker.job_ids)
        told = [
            replace(each, ended_alone=tuple(gathered[number]), unsettled=number in unsettled)
            for number, each in ending.items()
        ]
        others = [each for each in seen if each.held.worker.worker_id not in ending]
        return [*others, *self._collect(messenger, told)]

    def _assignments(self, ended: Sequence[Observation]) -> list[Assignment]:
        workers = [each.held.worker for each in ended]
        job_ids = [job for worker in workers for job in worker.job_ids]
        if not job_ids:
            return [Assignment(worker) for worker in workers]
        with self._instance.db.read() as connection:
            params = jobs.params_of(connection, job_ids)
        return [Assignment(worker, {job: params[job] for job in worker.job_ids if job in params}) for worker in workers]


def _with_untaken(ended: Observation, answer: Collection[int] | Later | _Unheard) -> Observation:
    """As long as nobody knows what the worker has taken up, its end says nothing of its jobs."""
    match answer:
        case Later():
            return replace(ended, finished=answer)
        case _Unheard(reason):
            return _unheard(ended, reason)
    return replace(ended, untaken=tuple(answer))


def _as_taken(seen: Observation) -> Observation:
    """The worker with the jobs only that it may have run."""
    if not seen.untaken:
        return seen
    taken = tuple(job for job in seen.held.worker.job_ids if job not in seen.untaken)
    return replace(seen, held=replace(seen.held, worker=replace(seen.held.worker, job_ids=taken)))


def _by_queue(seen: Iterable[Observation]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = defaultdict(list)
    for each in seen:
        found[each.held.worker.queue].append(each)
    return found


def _has_news(seen: Observation) -> bool:
    """Whether there is something to acknowledge: what a job waits with has to be told again."""
    return bool(seen.news.attributes or seen.news.files or seen.news.events) and not seen.unsettled


def _with_answer(seen: Observation, answer: object) -> Observation:
    """What the messenger said of the worker; an answer that the contract does not know concerns this worker alone."""
    match answer:
        case News():
            return _heard(seen, answer)
        case _Unheard(reason):
            return _unheard(seen, reason)
    return _unheard(seen, f"its messenger gave an answer that the contract does not know: {answer!r}"[:300])


def _unheard(seen: Observation, reason: str) -> Observation:
    """An end is not believed before the worker's word on it was heard."""
    outcome = Unknown(reason) if seen.has_ended else seen.outcome
    return replace(seen, outcome=outcome, news=replace(seen.news, problem=reason))


def _heard(seen: Observation, news: News) -> Observation:
    known = seen.news
    told = news if known is NO_NEWS else _joined(known, news)
    return replace(seen, news=told)


def _joined(first: News, more: News) -> News:
    files = {(each.job_id, each.lfn): each for each in (*first.files, *more.files)}
    events = {(each.job_id, each.range_id): each for each in (*first.events, *more.events)}
    return replace(
        more,
        attributes={**first.attributes, **more.attributes},
        files=tuple(files.values()),
        events=tuple(events.values()),
        problem=first.problem or more.problem,
    )
