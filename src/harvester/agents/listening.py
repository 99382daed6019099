"""Asks the messengers about workers that run or have ended, one queue apart from the other."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harvester.agents.base import Instance
from harvester.agents.judging import Observation
from harvester.core.errors import HarvesterError
from harvester.plugins.api import Assignment, Later, Messenger, News, PluginSettings, Unknown
from harvester.store import jobs

AnyMessenger = Messenger[PluginSettings]


@dataclass(frozen=True, slots=True)
class _Unheard:
    """A worker whose messenger could not be asked."""

    reason: str


class Listener:
    """Adds what workers say to what was seen of them; a messenger that cannot be asked concerns its queue alone."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def listen(self, seen: Sequence[Observation]) -> list[Observation]:
        """The observations with the workers' own words, queue by queue."""
        return [each for queue, some in _by_queue(seen).items() for each in self._of_queue(queue, some)]

    def acknowledge(self, seen: Sequence[Observation]) -> None:
        """What these workers have said is safe: the messengers need not tell it again."""
        said = (each for each in seen if each.news.attributes or each.news.files)
        for queue, some in _by_queue(said).items():
            messenger = self._instance.plugins.messenger(queue)
            self._instance.call.tell(messenger.acknowledge, [each.held.worker for each in some])

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
            _unheard(each, news.reason) if isinstance(news, _Unheard) else replace(each, news=_joined(each.news, news))
            for each, news in zip(seen, told, strict=True)
        ]

    def _finish(self, messenger: AnyMessenger, seen: Sequence[Observation]) -> list[Observation]:
        """Have logs and left-over outputs of ended workers gathered, and take what that adds to the news."""
        ended = [each for each in seen if each.has_ended and each.has_pushed_jobs]
        others = [each for each in seen if not (each.has_ended and each.has_pushed_jobs)]
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


def _joined(first: News, more: News) -> News:
    files = {(each.job_id, each.lfn): each for each in (*first.files, *more.files)}
    return replace(
        more,
        attributes={**first.attributes, **more.attributes},
        files=tuple(files.values()),
        problem=first.problem or more.problem,
    )
