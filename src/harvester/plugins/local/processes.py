"""Processes of this machine, identified so that a reused process id is never mistaken for the old process.

Linux only (`/proc` and process file descriptors); standard library only.
"""

import os
import signal
from pathlib import Path

_PROC = Path("/proc")


def birth_of(pid: int) -> str | None:
    """When a living process was born (boot and clock tick); None if there is none or it is a zombie."""
    fields = _stat(pid)
    if fields is None or fields[0] in "ZX":
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{fields[19]}"


def send_signal(pid: int, birth: str, number: signal.Signals) -> None:
    """Signal exactly this process; nothing happens if it has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        if birth_of(pid) == birth:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


def orphans_of(session: int) -> list[int]:
    """The living processes of a session whose leader, the process `session`, has ended.

    The kernel does not reuse the leader's id while a process of its session lives; so if that id belongs to a living
    process, nothing of the old session is left.
    """
    if birth_of(session) is not None:
        return []
    processes = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    return [pid for pid in processes if (fields := _stat(pid)) and fields[0] not in "ZX" and int(fields[3]) == session]


def kill_orphans(session: int) -> None:
    """Kill what is left of a session whose leader has ended."""
    for pid in orphans_of(session):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _stat(pid: int) -> list[str] | None:
    """The fields of `/proc/<pid>/stat` from the third, the state, on; the second may contain anything."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()
