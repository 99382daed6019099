"""Runs Slurm's commands: argument lists, a time limit, limited output, results as values."""

import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

_OUTPUT_LIMIT: Final = 256 * 1024 * 1024
_ERROR_LIMIT: Final = 64 * 1024
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ran:
    """The command ended by itself; a negative exit code is the signal that ended it."""

    exit_code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """The command could not be started, so it has done nothing; `missing` if there is no such program."""

    reason: str
    missing: bool = False


@dataclass(frozen=True, slots=True)
class CutOff:
    """The command was ended by us, having taken too long or printed too much; what it did is not known."""

    reason: str


Result = Ran | NotStarted | CutOff


class Commands:
    """Starts commands and counts them; safe to use from several threads.

    Args:
        timeout: seconds that a command may take.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._starts: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def starts(self) -> Mapping[str, int]:
        """How many processes were started, by program name."""
        with self._lock:
            return dict(self._starts)

    def run(
        self,
        program: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        text: str = "",
        inherit: Sequence[int] = (),
    ) -> Result:
        """Run a command to its end.

        Args:
            program: the name to count it under and to call it in messages.
            argv: the command with all arguments.
            environment: its whole environment.
            text: its standard input.
            inherit: file descriptors that it keeps open.
        """
        with self._lock:
            self._starts[program] += 1
        try:
            process = _start(argv, environment, text, inherit)
        except OSError as error:
            reason = f"{program} cannot be started: {argv[0]}: {error.strerror}"
            return NotStarted(reason, missing=isinstance(error, FileNotFoundError))
        with process:
            return self._watch(program, process)

    def _watch(self, program: str, process: subprocess.Popen[bytes]) -> Result:
        deadline = time.monotonic() + self._timeout
        try:
            out, err = _drain(process, deadline)
            exit_code = process.wait(max(deadline - time.monotonic(), 0.0))
        except (TimeoutError, subprocess.TimeoutExpired):
            return CutOff(f"{program} did not answer within {self._timeout:g} s")
        except OverflowError:
            return CutOff(f"{program} printed more than {_OUTPUT_LIMIT} bytes")
        finally:
            _end_group(process)
        return Ran(exit_code, out, err)


def _start(
    argv: Sequence[str], environment: Mapping[str, str], text: str, inherit: Sequence[int]
) -> subprocess.Popen[bytes]:
    with tempfile.TemporaryFile() as stdin:
        stdin.write(text.encode("utf-8", "surrogateescape"))
        stdin.seek(0)
        return subprocess.Popen(  # noqa: S603 - an argument list, no shell
            argv,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
            pass_fds=tuple(inherit),
        )


def _drain(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, str]:
    """Everything printed until both streams are closed; of the error stream the first part only."""
    assert process.stdout is not None  # noqa: S101 - both are pipes, as asked for in Popen
    assert process.stderr is not None  # noqa: S101
    out, err = bytearray(), bytearray()
    sinks: dict[IO[bytes], tuple[bytearray, int]] = {
        process.stdout: (out, _OUTPUT_LIMIT),
        process.stderr: (err, _ERROR_LIMIT),
    }
    with selectors.DefaultSelector() as selector:
        for stream in sinks:
            selector.register(stream, selectors.EVENT_READ, stream)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0.0))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                stream = key.data
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(stream)
                sink, limit = sinks[stream]
                if stream is process.stdout and len(sink) + len(chunk) > limit:
                    raise OverflowError
                sink.extend(chunk[: limit - len(sink)])
    return out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command that was not waited for, with its children."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
