"""The keepers of local workers: `python -m harvester.plugins.local.keeper DIRECTORY`.

The command starts as many queued workers of the directory's ledger as there are free cores, and returns. Each worker
gets a keeper of its own: a small process in its own session that claims the worker, runs its payload, writes down how
it ended, starts what the freed cores allow, and ends. There is no daemon that could be lost: if a keeper is killed, its
worker runs on; only its exit code is not known then, and whoever asks about it next notices.

Standard library only, so that a keeper is small and starts fast.
"""

import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from harvester.plugins.local.ledger import CANCELLED, FAILED, FINISHED, Ending, Ledger, LedgerError, Task
from harvester.plugins.local.processes import Process, birth_of

_RETRY: Final = 5.0
"""Seconds between attempts to write down the end of a worker (the disk may be full)."""


def main(directory: Path) -> None:
    """Start what can be started. In the keepers that this forks, the call lasts until their worker has ended."""
    ledger = Ledger(directory)
    while (run := _start_queued(ledger, directory)) is not None:
        run.to_its_end(ledger, directory)


class _Run:
    """One worker under this process, from the claim to the end. SIGTERM to the keeper stops the worker."""

    def __init__(self, keeper: Process) -> None:
        self._keeper = keeper
        self._marker = ""
        self._task: Task | None = None
        self._payload: subprocess.Popen[bytes] | None = None
        self._stopping = False
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGALRM, self._kill)

    def claim(self, ledger: Ledger) -> bool:
        """Whether there was a worker for this keeper."""
        claimed = ledger.claim(self._keeper, time.time())
        if claimed is not None:
            self._marker, self._task = claimed
        return claimed is not None

    def to_its_end(self, ledger: Ledger, directory: Path) -> None:
        """Run the worker and write down how it ended, as soon as that is possible."""
        ending = self._run()
        signal.alarm(0)
        ended_at = time.time()
        while directory.exists():
            try:
                ledger.end([ending], ended_at)
            except LedgerError as error:
                sys.stderr.write(f"{self._marker}: its end cannot be written down yet: {error}\n")
                time.sleep(_RETRY)
            else:
                return

    def _run(self) -> Ending:
        if self._task is None or self._stopping:
            return self._ending(CANCELLED, None, "stopped before it was started")
        try:
            code = self._exit_code(self._task)
        except (OSError, ValueError) as error:
            return self._ending(FAILED, None, f"cannot start {self._task.argv[0]} in {self._task.directory}: {error}")
        if self._stopping:
            return self._ending(CANCELLED, code, f"stopped on request, {_in_words(code)}")
        if code == 0:
            return self._ending(FINISHED, 0, "")
        return self._ending(FAILED, code, f"{_in_words(code)}; its error output is in {self._task.stderr}")

    def _ending(self, state: str, exit_code: int | None, remark: str) -> Ending:
        return Ending(self._marker, self._keeper, state, exit_code, remark)

    def _exit_code(self, task: Task) -> int:
        """Run the payload in a process group of its own; what is left of the group when it ends is killed."""
        with Path(task.stdout).open("wb") as stdout, Path(task.stderr).open("wb") as stderr:
            self._payload = subprocess.Popen(  # noqa: S603 - the operator's own argument list
                task.argv,
                cwd=task.directory,
                env=dict(task.environment),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                process_group=0,
            )
        if self._stopping:
            self._ask_to_end()
        code = self._payload.wait()
        self._signal_payload(signal.SIGKILL)
        return code if code >= 0 else 128 - code

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            self._ask_to_end()

    def _ask_to_end(self) -> None:
        if self._task is not None and self._payload is not None:
            self._signal_payload(signal.SIGTERM)
            signal.alarm(max(1, math.ceil(self._task.kill_grace)))

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        self._signal_payload(signal.SIGKILL)

    def _signal_payload(self, number: signal.Signals) -> None:
        if self._payload is not None:
            try:
                os.killpg(self._payload.pid, number)
            except (ProcessLookupError, PermissionError):
                return


def _in_words(code: int) -> str:
    """An exit code as shells give it: 128 + n for signal n."""
    try:
        return f"ended by {signal.Signals(code - 128).name}"
    except ValueError:
        return f"exit code {code}"


def _start_queued(ledger: Ledger, directory: Path) -> _Run | None:
    """Fork a keeper for each worker that the free cores take. Keepers get their run, the caller gets None."""
    with _turn(directory) as my_turn:
        for _ in range(ledger.startable() if my_turn else 0):
            claimed, claiming = os.pipe()
            if os.fork() == 0:
                os.close(claimed)
                return _become_keeper(ledger, claiming)
            os.close(claiming)
            os.read(claimed, 1)  # end of file as soon as the keeper has claimed
            os.close(claimed)
    return None


@contextmanager
def _turn(directory: Path) -> Iterator[bool]:
    """Let one process at a time start workers and one wait; true for these, false for more.

    Who is sent away loses nothing: the one that waits looks at the ledger later than now.
    """
    with (directory / "starting.lock").open("wb") as starting:
        with (directory / "waiting.lock").open("wb") as waiting:
            try:
                fcntl.flock(waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                my_turn = False
            else:
                my_turn = True
                fcntl.flock(starting, fcntl.LOCK_EX)
        yield my_turn


def _become_keeper(ledger: Ledger, claiming: int) -> _Run:
    """The claim of a new keeper; without a worker to claim it ends here."""
    os.setsid()
    pid = os.getpid()
    run = _Run(Process(pid, birth_of(pid) or ""))
    if not run.claim(ledger):
        sys.exit(0)
    os.close(claiming)
    return run


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (LedgerError, OSError) as error:
        sys.exit(f"{sys.argv[1]}: queued workers cannot be started: {error}")
