"""Processes of Harvester that are killed and started again.

They are forked from this process, which has imported everything already: a start then costs no second of imports. What
runs in them is `harvester run`, in a session of its own, with its own environment and log.
"""

import faulthandler
import gc
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

_NEEDED: Final = (
    "harvester.cli.main",
    "harvester.plugins.data.dummy",
    "harvester.plugins.messengers.shared_file",
    "harvester.plugins.workermakers.simple",
    "harvester.startup.launch",
)
_DRIVERS: Final = {
    "sqlite": (),
    "mariadb": ("mysql.connector", "sqlalchemy.dialects.mysql.mysqlconnector"),
    "mariadb-mysqldb": ("MySQLdb", "sqlalchemy.dialects.mysql.mysqldb"),
    "postgresql": ("psycopg", "sqlalchemy.dialects.postgresql.psycopg"),
}
_FORK: Final = multiprocessing.get_context("fork")
_STOPS_WITHIN: Final = 40.0
TELLS_WHERE: Final = signal.SIGUSR1
"""Has a process write where its threads are."""


@dataclass(frozen=True, slots=True)
class Running:
    """A process that was started.

    Attributes:
        trap: the point at which it is to die; empty for none.
        since: when it was started, in seconds of the monotonic clock.
    """

    process: BaseProcess
    trap: str
    since: float = field(default_factory=time.monotonic)

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.since

    @property
    def exit_code(self) -> int | None:
        """None while it runs, negative for a signal."""
        return self.process.exitcode

    def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        self.process.kill()
        self.process.join()

    def order_to_stop(self) -> None:
        """Send SIGTERM."""
        self.process.terminate()

    def has_stopped(self) -> bool:
        """Whether it obeys; one that does not writes into the log where its threads are, and is killed."""
        self.process.join(_STOPS_WITHIN)
        if self.exit_code is not None or self.process.pid is None:
            return True
        os.kill(self.process.pid, TELLS_WHERE)
        self.process.join(1)
        self.kill()
        return False


@dataclass(frozen=True, slots=True)
class Starter:
    """Starts processes of one instance.

    Attributes:
        config: the main configuration file.
        log: the file to which all of them write.
        defect: a module that is imported before Harvester runs, to prove that the benchmark notices.
    """

    config: Path
    log: Path
    defect: str | None = None

    def start(self, trap: str = "", count: int = 1) -> Running:
        """Start one that dies when it comes to the point for the n-th time."""
        process = _FORK.Process(target=self._run, args=(f"{trap}:{count}" if trap else "",))
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        process.start()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return Running(process, trap)

    def _run(self, kill_at: str) -> None:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.environ["HARVESTER_KILL_AT"] = kill_at
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.register(TELLS_WHERE)
        if self.defect:
            import_module(self.defect)
        from harvester.cli.main import app  # noqa: PLC0415 - the defect may have replaced something

        app(["run", "--config", str(self.config)])


def prepare(engine: str) -> None:
    """Import what processes need, once for all."""
    for module in (*_NEEDED, *_DRIVERS[engine]):
        import_module(module)
    gc.collect()
    gc.freeze()
