"""Tells a pilot factory monitor about workers (panda-protocol §15). It is a spectator: its failures hurt nobody.

What it is told comes from the history, a minute after it has happened and in a round of its own, so that no agent ever
waits for it; what it did not take is not told again, nor what happens while it is away.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Final, TypeVar

import httpx2
import structlog

from harvester.agents.base import Instance
from harvester.core.workers import Worker, WorkerStatus
from harvester.store import marks, workers

log = structlog.get_logger(__name__)

T = TypeVar("T")

_EVENTS_AT_ONCE: Final = 1000
_LONGEST_TRANSACTION: Final = timedelta(minutes=1)
"""A younger event may have a larger number than one that is not committed yet: read now, that one would be passed."""
_PER_CALL: Final = 20
_REGISTERED_FOR: Final = timedelta(hours=1)
_CREATING, _UPDATING, _REGISTERING = 0.5, 0.2, 1.0
"""Seconds that calls may take unless `worker_timeout` says otherwise."""
_REFUSED: Final = 400
_STATES: Final[Mapping[WorkerStatus, str]] = {
    WorkerStatus.SUBMITTED: "created",
    WorkerStatus.RUNNING: "running",
    WorkerStatus.IDLE: "running",
    WorkerStatus.FINISHED: "done",
    WorkerStatus.MISSED: "fault",
    WorkerStatus.FAILED: "fault",
    WorkerStatus.CANCELLED: "fault",
}


class ApfMonitor:
    """One report of the workers that have changed."""

    name: Final = "apfmon"
    period: Final = 60.0

    def __init__(self, instance: Instance, transport: httpx2.BaseTransport | None = None) -> None:
        self._instance = instance
        self._http = httpx2.Client(transport=transport)
        self._registered: dict[str, datetime] = {}

    def round(self) -> None:
        """Register this factory once an hour, and tell of workers until all is told or the time of a round is over.

        Raises:
            StoreUnavailableError: the database is away.
        """
        end = self._instance.tick() + self.period
        try:
            while self._tell_some() and self._instance.tick() < end:
                continue
        except httpx2.HTTPError as error:
            log.warning("the pilot factory monitor was not told", error=str(error) or repr(error))
            with self._instance.db.write() as connection:
                marks.skip(connection, self.name)

    def _tell_some(self) -> bool:
        """Tell of the next workers that have changed; whether there may be more of them."""
        with self._instance.db.write() as connection:
            before = marks.place(connection, self.name)
            settled = self._instance.clock() - _LONGEST_TRANSACTION
            news = marks.changed_workers(connection, before, _EVENTS_AT_ONCE, settled)
            changed = [each.worker for each in workers.find(connection, sorted(news.became))]
            if news.last > before:
                marks.move(connection, self.name, news.last)
        new = {worker for worker, words in news.became.items() if WorkerStatus.SUBMITTED in words}
        self._register()
        self._tell([each for each in changed if each.batch_id and each.status in _STATES], new)
        return news.is_cut

    def _register(self) -> None:
        if self._is_due("factory"):
            factory = {"url": "", "email": "", "version": version("harvester")}
            self._put(f"factories/{self._instance.id}", factory, _REGISTERING)
            self._registered["factory"] = self._instance.clock()

    def _tell(self, changed: Sequence[Worker], new: Collection[int]) -> None:
        """Make known those that are new, whatever has become of them since, and say how each stands."""
        self._put_labels({_label(each): each for each in changed})
        for part in _parts([self._entry(each) for each in changed if each.worker_id in new]):
            self._put("jobs", part, _CREATING)
        answers = Counter(self._post_state(each) for each in changed)  # it has no call for several of them
        refusals = {status: number for status, number in answers.items() if status >= _REFUSED}
        if refusals:
            log.warning("the pilot factory monitor does not take all news", workers_by_http_status=refusals)

    def _post_state(self, worker: Worker) -> int:
        """The HTTP status of the answer: what it does not want to hear of one worker does not concern the others."""
        ids = ",".join(map(str, worker.job_ids)) if worker.status.is_final else ""
        form = {"state": _STATES[worker.status], **({"ids": ids} if ids else {})}
        url = self._url(f"jobs/{self._instance.id}:{worker.batch_id}")
        return self._http.post(url, data=form, timeout=self._timeout(_UPDATING)).status_code

    def _put_labels(self, by_label: Mapping[str, Worker]) -> None:
        due = {label: worker for label, worker in by_label.items() if self._is_due(label)}
        entries = [
            {"name": label, "wmsqueue": each.queue, "ce_queue_id": each.computing_element, "factory": self._instance.id}
            for label, each in due.items()
        ]
        for part in _parts(entries):
            self._put("labels", part, _REGISTERING)
        self._registered |= dict.fromkeys(due, self._instance.clock())

    def _is_due(self, what: str) -> bool:
        last = self._registered.get(what)
        return last is None or self._instance.clock() - last >= _REGISTERED_FOR

    def _entry(self, worker: Worker) -> dict[str, object]:
        urls = {key: worker.log_urls.get(name) for key, name in _URLS.items()}
        return {
            "cid": worker.batch_id,
            "factory": self._instance.id,
            "harvesterid": self._instance.id,
            "workerid": worker.worker_id,
            "computingsite": worker.queue,
            "computingelement": worker.computing_element,
            "label": _label(worker),
            **urls,
        }

    def _put(self, path: str, content: object, usual: float) -> None:
        text = json.dumps(content)
        self._http.put(self._url(path), content=text, timeout=self._timeout(usual)).raise_for_status()

    def _url(self, path: str) -> str:
        return f"{self._instance.settings.apfmon.base_url.rstrip('/')}/{path}"

    def _timeout(self, usual: float) -> float:
        return self._instance.settings.apfmon.worker_timeout or usual


_URLS: Final = {"jdlurl": "jdl", "stdouturl": "stdOut", "stderrurl": "stdErr", "logurl": "batchLog"}


def _label(worker: Worker) -> str:
    """The queue with the short name of its computing element."""
    short = (worker.computing_element or "").partition(":")[0].partition(".")[0]
    return f"{worker.queue}-{short}" if short else worker.queue


def _parts(entries: Iterable[T]) -> Iterator[list[T]]:
    all_of_them = list(entries)
    return (all_of_them[start : start + _PER_CALL] for start in range(0, len(all_of_them), _PER_CALL))
