"""A resource that runs nothing: the state of a worker is the first line of a file in its access point.

For trying out configurations and for tests: whoever writes `running`, `finished` or another status into `status.txt`
plays the batch system (plugins reference §4.9).
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

from pydantic import Field

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    CheckOutcome,
    Done,
    Failed,
    Grade,
    Later,
    PluginSettings,
    Refused,
    Resource,
    Search,
    Seen,
    SubmitOutcome,
    Submitted,
    Unclear,
    Unknown,
)
from harvester.plugins.tools.atomic_files import write_atomically

_STATUS_FILE: Final = "status.txt"
_LONGEST: Final = 100
_TELLABLE: Final = frozenset(
    {
        WorkerStatus.SUBMITTED,
        WorkerStatus.RUNNING,
        WorkerStatus.IDLE,
        WorkerStatus.FINISHED,
        WorkerStatus.FAILED,
        WorkerStatus.CANCELLED,
    }
)


class DummySettings(PluginSettings):
    """Settings of the dummy resource.

    Attributes:
        log_base_url: where the logs of its batch jobs pretend to be.
    """

    log_base_url: str = Field(default="http://localhost/test", alias="logBaseURL")


class DummyResource(Resource[DummySettings]):
    """Submits, checks and kills nothing but a line of text."""

    Settings = DummySettings
    grade: ClassVar[Grade] = Grade.IDEMPOTENT
    poll_seconds = 1.0
    settle_seconds = 0.0

    @property
    def endpoint(self) -> str:
        """All dummies are one."""
        return "dummy"

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Write `submitted` for each worker that has no status yet."""
        return [self._submit(worker) for worker in workers]

    def _submit(self, worker: Worker) -> SubmitOutcome:
        try:
            with _status_file(worker).open("x", encoding="utf-8") as file:
                file.write(f"{WorkerStatus.SUBMITTED}\n")
        except FileExistsError:
            pass  # submitted before, and the answer was lost
        except FileNotFoundError:
            return Refused(f"worker {worker.worker_id}: the access point {worker.access_point!r} does not exist")
        except OSError as error:
            return Unclear(f"worker {worker.worker_id}: {_status_file(worker)} cannot be written: {error.strerror}")
        return self._submitted(worker)

    def _submitted(self, worker: Worker) -> Submitted:
        batch_id = f"batch_ID_{uuid.uuid5(uuid.NAMESPACE_URL, worker.marker).hex}"
        logs = {"batchLog": "log", "stdOut": "out", "stdErr": "err"}
        return Submitted(
            batch_id,
            computing_element="CE_name",
            batch_queue="batch_queue_name",
            log_urls={name: f"{self.settings.log_base_url}/{batch_id}.{end}" for name, end in logs.items()},
        )

    def find(self, workers: Sequence[Worker]) -> Search:
        """A worker with a status was submitted."""
        found: dict[str, Submitted] = {}
        unreadable = []
        for worker in workers:
            try:
                _status_file(worker).stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                unreadable.append(f"{worker.access_point}: {error.strerror}")
            else:
                found[worker.marker] = self._submitted(worker)
        return Search(found, complete=not unreadable, reason="; ".join(unreadable))

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Tell the first line of the status file; a worker without one has finished."""
        return [_check(worker) for worker in workers]

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Write `cancelled` unless the worker has ended."""
        return [_kill(worker) for worker in workers]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Nothing is left outside the access point."""
        return [Done() for _ in workers]


def _status_file(worker: Worker) -> Path:
    return Path(worker.access_point) / _STATUS_FILE


def _check(worker: Worker) -> Seen | Unknown:
    try:
        with _status_file(worker).open(encoding="utf-8") as file:
            line = file.readline(_LONGEST).strip()
    except FileNotFoundError:
        line = WorkerStatus.FINISHED.value
    except (OSError, UnicodeDecodeError) as error:
        return Unknown(f"{_status_file(worker)} cannot be read: {error}")
    if line not in _TELLABLE:
        return Unknown(f"{_status_file(worker)} says {line!r}; write one of {', '.join(sorted(_TELLABLE))}")
    status = WorkerStatus(line)
    if status is WorkerStatus.FINISHED:
        return Seen(status, native_status="done", exit_code=0)
    return Seen(status, native_status=line)


def _kill(worker: Worker) -> Done | Later:
    seen = _check(worker)
    if isinstance(seen, Seen) and seen.status.is_final:
        return Done()
    try:
        write_atomically(str(_status_file(worker)), f"{WorkerStatus.CANCELLED}\n")
    except OSError as error:
        return Later(f"worker {worker.worker_id}: {_status_file(worker)} cannot be written: {error.strerror}")
    return Done()
