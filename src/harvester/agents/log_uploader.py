"""Brings the logs of workers to the server that keeps files, each time that a worker is reported and its log has grown.

The server replaces a file by a later one of the same name, so a log is always sent as a whole. What cannot be sent now
is tried again at growing distances for as long as the worker is kept, and for its sake that is longer than usual.
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
from harvester.agents.log_files import EMPTY, name_for, open_log, public_url, state_of, to_send
from harvester.core.workers import Worker
from harvester.panda.errors import PandaError
from harvester.plugins.tools.regular_files import NotRegularFileError
from harvester.store import leases, worker_logs, workers
from harvester.store.leases import WORKER_LOG, Claim, ClaimTicket
from harvester.store.worker_logs import WorkerLogs

log = structlog.get_logger(__name__)

STREAMS: Final = ("stdOut", "stdErr", "batchLog")
"""The logs of a worker; its batch script, which may hold secrets, is none."""
_FAILURES: Final = 3
"""In a row, that mean that the server is in trouble and not a log."""
_MOST: Final = 100
_SECONDS: Final = 60.0
"""Workers of one claim, and time that is spent on them, until the server hears where the first logs can be read."""
_SOON: Final = timedelta(seconds=10)
_FIRST_RETRY: Final = 30.0
_LAST_RETRY: Final = 1800.0


@dataclass(frozen=True, slots=True)
class LogsUnit(Unit):
    """Workers of one queue with their logs."""

    logs: Sequence[tuple[WorkerLogs, Worker]]


@dataclass(slots=True)
class Brought:
    """What became of the logs of one worker.

    Attributes:
        sent: what the server has, as in `WorkerLogs`.
        urls: where logs can be read.
        failed: whether one could not be read, or the server did not take it.
    """

    sent: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict)
    failed: bool = False


class LogUploader(Agent[LogsUnit, Mapping[int, Brought]]):
    """See the module."""

    name = "log uploader"

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.line: Line = Line(_FAILURES, instance.tick)

    @property
    def pace(self) -> Pace:
        """`[propagator] sleepTime`, `lockInterval` and `nThreads`."""
        section = self.instance.settings.propagator
        return Pace(section.sleep_time, section.lock_interval, section.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next log may have grown."""
        return leases.next_due(connection, WORKER_LOG, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[LogsUnit]:
        """Workers whose logs may have grown, by queue."""
        found = worker_logs.claim(connection, ticket, _MOST)
        ids = [each.worker_id for each in found]
        known = {each.worker.worker_id: each.worker for each in workers.find(connection, ids)} if ids else {}
        worker_logs.forget(connection, set(ids) - known.keys())
        by_queue: dict[str, list[tuple[WorkerLogs, Worker]]] = defaultdict(list)
        for each in found:
            if each.worker_id in known:
                by_queue[each.queue].append((each, known[each.worker_id]))
        return [
            LogsUnit(Claim(WORKER_LOG, [each.worker_id for each, _ in some], ticket.fence), queue, some)
            for queue, some in by_queue.items()
        ]

    def act(self, unit: LogsUnit) -> Mapping[int, Brought]:
        """Send what has grown; when the server is in trouble or time is up the rest is left for later."""
        results: dict[int, Brought] = {}
        end = self.instance.tick() + _SECONDS
        for logs, worker in unit.logs:
            results[logs.worker_id] = self._bring(logs, worker)
            if self.line.is_in_trouble or self.instance.tick() > end:
                break
        return results

    def _bring(self, logs: WorkerLogs, worker: Worker) -> Brought:
        result = Brought(dict(logs.sent))
        for stream, path in logs.paths.items():
            told = {"queue": worker.queue, "worker": worker.worker_id, "log": path}
            try:
                self._bring_one(stream, path, worker, result)
            except FileNotFoundError:
                continue
            except NotRegularFileError as error:
                log.warning("log never uploaded: no ordinary file where logs may be", **told, error=str(error))
            except (PandaError, OSError) as error:
                result.failed = True
                log.warning("log not uploaded, it is tried again", **told, error=str(error))
        return result

    def _bring_one(self, stream: str, path: str, worker: Worker, result: Brought) -> None:
        files, queue = self.instance.files, self.instance.plugins.queues.get(worker.queue)
        if files is None:
            return
        log_dir = queue.core.submitter.log_dir if queue else None
        with open_log(path, worker.access_point, log_dir) as file:
            state = state_of(file)
            if state in {EMPTY, result.sent.get(stream)}:
                return
            with self.line.asking():
                place = files.upload_log(name_for(self.instance.id, worker.worker_id, path), to_send(file))
        result.sent[stream] = state
        result.urls[stream] = public_url(self.instance.settings.pandacon.panda_cache_url_r or "", place)

    def commit(self, connection: Connection, unit: LogsUnit, result: Mapping[int, Brought]) -> Sequence[str]:
        """The server is told where logs can be read that it was not told of; logs of ended workers are done with.

        What was sent counts also if there was news of its worker meanwhile: only when it is looked at again does not.
        """
        now = self.instance.clock()
        new = _new_urls(connection, {worker: each.urls for worker, each in result.items() if each.urls})
        workers.change_log_urls(connection, new, now)
        held = leases.held_keys(connection, WORKER_LOG, [logs.worker_id for logs, _ in unit.logs], unit.claim.fence)
        mine = [(logs, worker, result.get(logs.worker_id)) for logs, worker in unit.logs if logs.worker_id in held]
        over = {logs.worker_id for logs, worker, got in mine if got and not got.failed and worker.status.is_final}
        worker_logs.forget(connection, over)
        left = [(logs, got) for logs, _, got in mine if logs.worker_id not in over]
        worker_logs.settle(connection, [_change(logs, got, now) for logs, got in left])
        worker_logs.note_sent(connection, {worker: each.sent for worker, each in result.items() if worker not in held})
        return (self.name, "worker propagator") if new else (self.name,)


def _new_urls(connection: Connection, brought: Mapping[int, Mapping[str, str]]) -> dict[int, Mapping[str, str]]:
    """The addresses of all logs of these workers, for those of which the server was not told all."""
    found = [each.worker for each in workers.find(connection, list(brought))] if brought else []
    now = {each.worker_id: {**each.log_urls, **brought[each.worker_id]} for each in found}
    return {each.worker_id: now[each.worker_id] for each in found if now[each.worker_id] != each.log_urls}


def _change(logs: WorkerLogs, brought: Brought | None, now: datetime) -> dict[str, object]:
    """What is written of one worker's logs; those that were not reached are next in line."""
    if brought is None:
        return {"worker_id": logs.worker_id, "sent": logs.sent, "tries": logs.tries, "due": now + _SOON}
    tries = logs.tries + 1 if brought.failed else 0
    due = now + timedelta(seconds=min(_FIRST_RETRY * 2 ** min(tries - 1, 10), _LAST_RETRY)) if tries else None
    return {"worker_id": logs.worker_id, "sent": brought.sent, "tries": tries, "due": due}


def expect_logs(connection: Connection, instance: Instance, reported: Sequence[Worker], now: datetime) -> bool:
    """The server knows these workers, so it may get their logs; whether there are any to look at."""
    some = [each for each in reported if (each.started_at or each.status.is_final) and uploads(instance, each.queue)]
    if not some:
        return False
    expected = [
        WorkerLogs(each.worker_id, each.queue, paths, {}) for each in some if (paths := local_logs(each.log_urls))
    ]
    worker_logs.expect(connection, expected, now)
    worker_logs.hasten(connection, [each.worker_id for each in some], now)
    return True


def uploads(instance: Instance, queue: str) -> bool:
    """Whether the logs of a queue's workers are uploaded."""
    if instance.files is None:
        return False
    config = instance.plugins.queues.get(queue)
    return config is not None and config.core.submitter.upload_log


def local_logs(urls: Mapping[str, str]) -> dict[str, str]:
    """The logs that nobody but this host can read."""
    return {stream: path for stream in STREAMS if (path := urls.get(stream, "")) and not path.startswith("http")}
