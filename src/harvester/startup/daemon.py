"""Going on as a daemon: whoever started it waits for its first word, and gets an exit code that tells the truth."""

import os
import signal
import sys
from pathlib import Path
from typing import Final

from harvester.startup.orders import SIGNALS
from harvester.startup.states import State

_FIRST_WORDS: Final = frozenset({State.READY, State.WAITING})


class Daemon:
    """A daemon, and the line to the process that was started by hand.

    Args:
        line: the pipe on which that process waits.
        output: file for what is written to standard output and error when it waits no longer.
    """

    def __init__(self, line: int, output: Path) -> None:
        self._line: int | None = line
        self._output = output

    def tell(self, state: State) -> None:
        """With the first word that it runs let the waiting process end well; without one it ends with exit code 1."""
        if self._line is not None and state in _FIRST_WORDS:
            for number in (1, 2):
                _redirect(self._output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, number)
            os.write(self._line, state.value)
            os.close(self._line)
            self._line = None


def detach(output: Path) -> Daemon:
    """Leave the terminal; returns in the daemon only. Errors reach the terminal until it has said its first word."""
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        _await_the_daemon(reader)
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.chdir("/")
    _redirect(os.devnull, os.O_RDONLY, 0)
    return Daemon(writer, output)


def _await_the_daemon(reader: int) -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    word = os.read(reader, 1)
    if word == State.WAITING.value:
        sys.stderr.write("harvester: the database is away; the service starts as soon as it is back\n")
        sys.stderr.flush()
    os._exit(0 if word else 1)


def _redirect(file: str | Path, flags: int, number: int) -> None:
    handle = os.open(file, flags, 0o640)
    os.dup2(handle, number)
    os.close(handle)
