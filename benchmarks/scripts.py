"""Benchmarks as processes: each ends in order when it is told to, and one reads the figures that another has told."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pydantic import JsonValue, TypeAdapter

_HERE = Path(__file__).parent
_FIGURES = TypeAdapter(dict[str, JsonValue])
_STOP_SECONDS = 60


def start(main: Callable[[], int | None]) -> NoReturn:
    """Do what a script does, and exit; SIGTERM ends it like an error, so that it stops and removes what it has made."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    sys.exit(main())


def figures_of(script: str, arguments: Sequence[str], *, seconds: float) -> Mapping[str, JsonValue]:
    """Run a benchmark in a session of its own, of which nothing is left afterwards, and read its last line.

    Raises:
        subprocess.SubprocessError: it failed, or took more than so many seconds.
    """
    command = [sys.executable, str(_HERE / script), *arguments, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            told, _ = process.communicate(timeout=seconds)
        finally:
            _end(process)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return _FIGURES.validate_python(json.loads(told.splitlines()[-1]))


def _end(process: subprocess.Popen[str]) -> None:
    """Let the script itself stop what it has started, as long as that takes no minute; then kill the whole session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
