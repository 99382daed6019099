"""The processes of a demonstration: started here, watched, and always ended."""

import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final, Self

from harvester.core.errors import HarvesterError

_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 30.0


class ChildError(HarvesterError):
    """A process of the demonstration did not start, or has ended before its time."""


class Child:
    """One `harvester …` process; what it says goes to a file."""

    def __init__(self, name: str, arguments: Sequence[str], said: Path) -> None:
        self.name = name
        self._said = said
        with said.open("wb") as error_output:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves, with an argument list
                [sys.executable, "-P", "-m", "harvester", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=error_output,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def first_line(self) -> str:
        """What the process says when it is ready.

        Raises:
            ChildError: it says nothing in time.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._output, selectors.EVENT_READ)
            line = self._output.readline() if selector.select(_START_SECONDS) else b""
        if not line:
            raise ChildError(f"the {self.name} did not start: {self.last_words()}")
        return line.decode().strip()

    def require_running(self) -> None:
        """Do nothing as long as the process lives.

        Raises:
            ChildError: it has ended.
        """
        if (code := self._process.poll()) is not None:
            raise ChildError(f"the {self.name} has ended with exit code {code}: {self.last_words()}")

    def stop(self) -> None:
        """End the process: SIGTERM, then SIGKILL."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._output.close()

    def last_words(self) -> str:
        """The end of what it said."""
        lines = self._said.read_text(errors="replace").strip().splitlines()
        return "\n".join(lines[-5:]) or "it said nothing"

    @property
    def _output(self) -> IO[bytes]:
        if self._process.stdout is None:
            raise AssertionError("the output is a pipe, as asked for")
        return self._process.stdout
