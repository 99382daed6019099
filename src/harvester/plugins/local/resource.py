"""The local resource: workers as processes of this machine that outlive Harvester.

Submitting a worker is entering it in the ledger (`ledger.py`), which refuses to hold a marker twice; keepers
(`keeper.py`) run what the ledger holds. No verb needs a process per worker: submitting starts at most one, and checking
starts none as long as the keepers do their work.
"""

import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from signal import SIGTERM
from typing import ClassVar, Final

from pydantic import JsonValue

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    CheckOutcome,
    Done,
    Failed,
    Gone,
    Grade,
    Later,
    PluginContext,
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
from harvester.plugins.local import ledger as book
from harvester.plugins.local.ledger import Ending, Entry, Ledger, LedgerError, Line, Task
from harvester.plugins.local.processes import Process, is_alive, kill_orphans, orphans_of, send_signal
from harvester.plugins.local.rendering import (
    Values,
    fill_command,
    fill_script,
    script_of,
    stderr_of,
    stdout_of,
    values_for,
)
from harvester.plugins.local.settings import LocalSettings
from harvester.plugins.tools.atomic_files import replacement
from harvester.plugins.tools.harmless import HARMLESS_PAYLOAD

_STATUS: Final[Mapping[str, WorkerStatus]] = {
    book.QUEUED: WorkerStatus.SUBMITTED,
    book.RUNNING: WorkerStatus.RUNNING,
    book.FINISHED: WorkerStatus.FINISHED,
    book.FAILED: WorkerStatus.FAILED,
    book.CANCELLED: WorkerStatus.CANCELLED,
}
_INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER")
"""Variables that workers get from Harvester's own environment; the rest may hold secrets."""

_START_TIMEOUT: Final = 60.0


class LocalResource(Resource[LocalSettings]):
    """Runs workers on this machine."""

    Settings: ClassVar[type[PluginSettings]] = LocalSettings
    grade = Grade.IDEMPOTENT
    poll_seconds = 0.3
    settle_seconds = 0.0

    def __init__(self, settings: LocalSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._directory = settings.directory or context.state_dir / "local"
        self._ledger = Ledger(self._directory)
        self.process_starts: Counter[str] = Counter()
        """How often a command was started, by its name."""

    @property
    def endpoint(self) -> str:
        """The ledger's place."""
        return f"local:{self._directory}"

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Enter the workers in the ledger, in one transaction, and start those that find free cores."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            known = self._ledger.lines(worker.marker for worker in workers)
        except (LedgerError, OSError) as error:
            return [Unclear(self._trouble(error))] * len(workers)
        drafts = [self._submitted(w) if w.marker in known else self._draft(w) for w in workers]
        try:
            self._ledger.enter(draft for draft in drafts if isinstance(draft, Entry))
        except LedgerError as error:
            unclear = Unclear(self._trouble(error))
            return [unclear if isinstance(draft, Entry) else draft for draft in drafts]
        self._wake()
        pairs = zip(workers, drafts, strict=True)
        return [self._submitted(worker) if isinstance(draft, Entry) else draft for worker, draft in pairs]

    def find(self, workers: Sequence[Worker]) -> Search:
        """Look the markers up; the ledger is complete by nature, and a worker that it does not hold never was."""
        try:
            held = self._ledger.lines(worker.marker for worker in workers) if self._directory.exists() else {}
        except (LedgerError, OSError) as error:
            return Search(found={}, complete=False, reason=self._trouble(error))
        return Search(
            {worker.marker: self._submitted(worker) for worker in workers if worker.marker in held}, complete=True
        )

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Read the ledger once; a worker whose keeper was killed runs on and is given up when nothing of it is left."""
        try:
            lines = self._lines([worker.marker for worker in workers]) if self._directory.exists() else {}
            trouble = self._wake_if_idle(lines.values())
        except (LedgerError, OSError) as error:
            return [Unknown(self._trouble(error))] * len(workers)
        return [self._outcome(worker, lines.get(worker.marker), trouble) for worker in workers]

    def changed(self, within: timedelta) -> Sequence[str]:
        """Workers that were started or have ended in this time."""
        if not self._directory.exists():
            return []
        return self._ledger.changed_since((self.context.file_time() - within).timestamp())

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Cancel what is queued and tell the keepers of the rest; a keeper allows its worker `killGrace` seconds."""
        markers = [worker.marker for worker in workers if self._is_ours(worker)]
        try:
            if markers and self._directory.exists():
                self._ledger.cancel_queued(markers, self.context.clock().timestamp())
                self._stop(self._lines(markers))
        except (LedgerError, OSError) as error:
            return [Later(self._trouble(error))] * len(workers)
        return [Done()] * len(workers)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Strike ended workers out of the ledger."""
        markers = [worker.marker for worker in workers if self._is_ours(worker)]
        try:
            if not markers or not self._directory.exists():
                return [Done()] * len(workers)
            self._ledger.remove_ended(markers)
            alive = self._ledger.lines(markers)
        except (LedgerError, OSError) as error:
            return [Later(self._trouble(error))] * len(workers)
        return [Later("it has not ended yet") if worker.marker in alive else Done() for worker in workers]

    def harmless(self, directory: Path) -> Mapping[str, JsonValue]:  # noqa: ARG002 (no file is needed)
        """Another command."""
        return {"command": ["/bin/sh", "-c", HARMLESS_PAYLOAD], "templateFile": None}

    # ---- submitting

    def _draft(self, worker: Worker) -> Entry | Refused:
        if not self.settings.command and self.settings.template_file is None:
            return Refused(f"queue {worker.queue} has nothing to run; add 'command' to its submitter block")
        limit = self.settings.cores
        if not 1 <= worker.cores <= limit:
            return Refused(
                f"the worker asks for {worker.cores} cores, queue {worker.queue} has {limit} on this machine; "
                "give the worker fewer or raise 'cores' of the submitter block",
                permanent=True,
            )
        if not Path(worker.access_point).is_dir():
            return Refused(f"the access point {worker.access_point!r} is not a directory; see the messenger's block")
        try:
            return Entry(worker.marker, self._task(worker), worker.cores, limit)
        except (OSError, UnicodeError) as error:
            return Refused(f"the script of worker {worker.worker_id} cannot be made: {error}")

    def _task(self, worker: Worker) -> Task:
        values = values_for(worker, self.context.instance, self.settings.cores, self.settings.panda_queue_name)
        return Task(
            argv=self._argv(worker, values),
            directory=worker.access_point,
            environment=self._environment(worker, values),
            stdout=stdout_of(worker),
            stderr=stderr_of(worker),
            kill_grace=self.settings.kill_grace,
        )

    def _argv(self, worker: Worker, values: Values) -> tuple[str, ...]:
        if self.settings.template_file is None:
            return fill_command(self.settings.command, values)
        script = script_of(worker)
        text = fill_script(self.settings.template_file.read_text(encoding="utf-8"), values)
        with replacement(script, 0o700) as file:
            file.write(text.encode())
        return (script,)

    def _environment(self, worker: Worker, values: Values) -> dict[str, str]:
        names, texts = self.settings.environment.keys(), tuple(self.settings.environment.values())
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HARVESTER_ID": self.context.instance,
            "HARVESTER_WORKER_ID": str(worker.worker_id),
            "PANDA_JSID": f"harvester-{self.context.instance}",
            "GTAG": stdout_of(worker),
            **worker.variables,
            **dict(zip(names, fill_command(texts, values), strict=True)),
        }

    def _submitted(self, worker: Worker) -> Submitted:
        return Submitted(
            batch_id=worker.marker,
            batch_queue="local",
            log_urls={"stdOut": stdout_of(worker), "stdErr": stderr_of(worker)},
        )

    # ---- looking after the keepers

    def _lines(self, markers: Iterable[str]) -> Mapping[str, Line]:
        """The ledger's lines, after those that lost both keeper and payload were given up.

        A keeper seen dead writes nothing any more: what the ledger says after that is final.
        """
        lines = self._ledger.lines(markers)
        dead = _dead_keepers(lines)
        alive_without = orphans_of(dead.values())
        lost = {marker: keeper for marker, keeper in dead.items() if keeper not in alive_without}
        if not lost:
            return lines
        self._end(lost, book.FAILED, "how it ended is not known")
        return lines | self._ledger.lines(lost)

    def _stop(self, lines: Mapping[str, Line]) -> None:
        """Stop running workers: their keepers do it in good order; without one, the payload is killed."""
        dead = _dead_keepers(lines)
        kill_orphans(dead.values())
        self._end(dead, book.CANCELLED, "killed on request")
        for marker, line in lines.items():
            if line.state == book.RUNNING and line.keeper is not None and marker not in dead:
                send_signal(line.keeper, SIGTERM)

    def _end(self, lost: Mapping[str, Process], state: str, how: str) -> None:
        """Write down how workers ended whose keepers have died, unless these had done so."""
        endings = [Ending(marker, keeper, state, None, _remark(keeper, how)) for marker, keeper in lost.items()]
        if endings:
            self._ledger.end(endings, self.context.clock().timestamp())

    def _wake_if_idle(self, lines: Iterable[Line]) -> str:
        """Queued workers that could run but do not have lost the process that was to start them."""
        if any(line.state == book.QUEUED for line in lines) and self._ledger.startable():
            return self._wake()
        return ""

    def _wake(self) -> str:
        """Start queued workers; returns what went wrong. They stay queued then, and the next check tries again."""
        log = self._directory / "keepers.log"
        command = [sys.executable, "-P", "-m", "harvester.plugins.local.keeper", str(self._directory)]
        self.process_starts["keeper"] += 1
        try:
            with log.open("ab") as stderr:
                ended = subprocess.run(  # noqa: S603 - our own keeper
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                    start_new_session=True,
                    timeout=_START_TIMEOUT,
                    check=False,
                )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"waiting: the keepers cannot be started: {error}"
        return "" if ended.returncode == 0 else f"waiting: the keepers cannot be started, see {log}"

    # ---- answering

    def _outcome(self, worker: Worker, line: Line | None, trouble: str) -> CheckOutcome:
        if line is None or not self._is_ours(worker):
            return Gone(f"the ledger in {self._directory} holds no batch job {worker.batch_id or worker.marker}")
        return Seen(
            status=_STATUS[line.state],
            native_status=line.state,
            exit_code=line.exit_code,
            diagnostics=trouble if line.state == book.QUEUED else line.remark,
            node=platform.node() if line.started_at is not None else None,
            started_at=_moment(line.started_at),
            ended_at=_moment(line.ended_at),
        )

    def _is_ours(self, worker: Worker) -> bool:
        """Batch ids are markers; a worker with another batch id runs somewhere else."""
        return worker.batch_id in {None, worker.marker}

    def _trouble(self, error: Exception) -> str:
        return f"the ledger of local workers in {self._directory} cannot be used: {error}"


def _dead_keepers(lines: Mapping[str, Line]) -> dict[str, Process]:
    """The keepers of running workers that have died, by marker."""
    keepers = {marker: line.keeper for marker, line in lines.items() if line.state == book.RUNNING}
    return {marker: keeper for marker, keeper in keepers.items() if keeper is not None and not is_alive(keeper)}


def _remark(keeper: Process, how: str) -> str:
    return f"its keeper, process {keeper.pid}, was killed or the machine restarted; {how}"


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
