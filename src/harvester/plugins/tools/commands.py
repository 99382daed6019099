"""Runs commands: argument lists, a time limit, limited output, results as values."""

import os
import selectors
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_OUTPUT_LIMIT: Final = 256 * 1024 * 1024
_ERROR_LIMIT: Final = 64 * 1024
_CHUNK: Final = 64 * 1024
_TICK: Final = 0.2


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


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The command said that it was refused, and was ended before it could ask again: it has done nothing."""

    reason: str


Result = Ran | NotStarted | CutOff | TurnedAway


def complaint(program: str, result: Result) -> str:
    """What went wrong with a command in one line; empty if nothing did."""
    if not isinstance(result, Ran):
        return result.reason
    if result.exit_code == 0:
        return ""
    words = " ".join((result.err or result.out).split())[:400]
    return f"{program} ended with exit code {result.exit_code}: {words or 'no message'}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a command that keeps asking shows that it was refused.

    Attributes:
        words: what it writes to its error stream.
        pause: seconds that it then lets pass at the least before it asks again.
    """

    words: bytes
    pause: float


class _RefusedError(Exception):
    """The words of a refusal were read; until `quiet_until` the command does not ask again."""

    def __init__(self, words: str, quiet_until: float) -> None:
        super().__init__(words)
        self.quiet_until = quiet_until


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
        refusal: Refusal | None = None,
    ) -> Result:
        """Run a command to its end.

        Args:
            program: the name to count it under and to call it in messages.
            argv: the command with all arguments.
            environment: its whole environment.
            text: its standard input.
            inherit: file descriptors that it keeps open.
            refusal: how it shows that it was refused and would ask again; it is ended then.
        """
        with self._lock:
            self._starts[program] += 1
        try:
            process = _start(argv, environment, text, inherit)
        except OSError as error:
            reason = f"{program} cannot be started: {argv[0]}: {error.strerror}"
            return NotStarted(reason, missing=isinstance(error, FileNotFoundError))
        with process:
            return self._watch(program, process, refusal)

    def _watch(self, program: str, process: subprocess.Popen[bytes], refusal: Refusal | None) -> Result:
        deadline = time.monotonic() + self._timeout
        try:
            out, err = _drain(process, deadline, refusal)
            exit_code = process.wait(max(deadline - time.monotonic(), 0.0))
        except _RefusedError as refused:
            return _turned_away(program, process, refused)
        except (TimeoutError, subprocess.TimeoutExpired):
            return CutOff(f"{program} did not answer within {self._timeout:g} s")
        except OverflowError:
            return CutOff(f"{program} printed more than {_OUTPUT_LIMIT} bytes")
        finally:
            _end_group(process)
        return Ran(exit_code, out, err)


def _turned_away(program: str, process: subprocess.Popen[bytes], refused: _RefusedError) -> TurnedAway | CutOff:
    _end_group(process)
    words = f"{program}: {' '.join(str(refused).split())[:400]}"
    if time.monotonic() < refused.quiet_until:
        return TurnedAway(words)
    return CutOff(f"{words} (it may have asked again before it was ended)")


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


def _drain(process: subprocess.Popen[bytes], deadline: float, refusal: Refusal | None) -> tuple[str, str]:
    """Everything printed until both streams are closed; of the error stream the first part only."""
    assert process.stdout is not None  # noqa: S101 - both are pipes, as asked for in Popen
    assert process.stderr is not None  # noqa: S101
    out, err = bytearray(), bytearray()
    silent = time.monotonic()  # nothing that has not been read yet was printed before
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError
            ready = selector.select(min(_TICK, deadline - now))
            for key, _ in ready:
                _read(selector, key)
            if len(out) > _OUTPUT_LIMIT:
                raise OverflowError
            del err[_ERROR_LIMIT:]
            silent = silent if ready else now
            if refusal is not None and refusal.words in err:
                raise _RefusedError(_text(err), silent + refusal.pause)
    return _text(out), _text(err)


def _read(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    """Move what a stream holds to its sink; a closed one is not watched any more."""
    sink: bytearray = key.data
    chunk = os.read(key.fd, _CHUNK)
    sink.extend(chunk)
    if not chunk:
        selector.unregister(key.fileobj)


def _text(printed: bytearray) -> str:
    return printed.decode("utf-8", "replace")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command that was not waited for, with its children; one of another account ends by itself."""
    if process.returncode is None:
        with suppress(PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
