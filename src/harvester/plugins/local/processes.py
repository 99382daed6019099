"""Processes of this machine, identified so that a reused process id is never mistaken for the old process.

Linux only (`/proc` and process file descriptors); standard library only.
"""

import os
import signal
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A process, alive or not; `birth` tells it from a later one with the same id."""

    pid: int
    birth: str

    @property
    def boot(self) -> str:
        """Which start of the machine it belongs to."""
        return self.birth.partition(":")[0]


def birth_of(pid: int) -> str | None:
    """When a living process was born (boot and clock tick); None if there is none or it is a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return f"{_boot()}:{fields[19]}"


def is_alive(process: Process) -> bool:
    """Whether it has not ended."""
    return birth_of(process.pid) == process.birth


def send_signal(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens if it has ended."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if is_alive(process):
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def orphans_of(leaders: Collection[Process]) -> dict[Process, list[int]]:
    """The living processes of sessions whose leaders, which were these processes, have ended; only of such sessions.

    The kernel does not reuse a leader's id while a process of its session lives; so if that id belongs to a living
    process, nothing of the old session is left. Nothing at all is left of those that were born before the machine was
    started.
    """
    ended = {leader.pid: leader for leader in leaders if leader.boot == _boot() and birth_of(leader.pid) is None}
    left: dict[Process, list[int]] = {}
    for pid in [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()] if ended else ():
        fields = _stat(pid)
        if fields and fields[0] not in "ZX" and (leader := ended.get(int(fields[3]))):
            left.setdefault(leader, []).append(pid)
    return left


def kill_orphans(leaders: Collection[Process]) -> None:
    """Kill what is left of sessions whose leaders have ended."""
    for pid in chain.from_iterable(orphans_of(leaders).values()):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


@cache
def _boot() -> str:
    """Which start of the machine this is."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/<pid>/stat` from the third, the state, on; the second may contain anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
