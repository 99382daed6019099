"""What processes of this host use."""

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import psutil

_MIB: Final = 1024 * 1024


class ProcessMeter:
    """Measures processes with all that they have started in their own session.

    Workers of the local resource have sessions of their own and do not count.

    Args:
        tick: seconds of a clock that never goes back.
        epoch: seconds since 1970 by the system, which dates the birth of processes.
    """

    def __init__(self, tick: Callable[[], float] = time.monotonic, epoch: Callable[[], float] = time.time) -> None:
        self._tick = tick
        self._epoch = epoch
        self._before: tuple[float, dict[tuple[int, float], float]] = (tick(), {})
        """When processes were measured last, and the seconds of CPU time that each had used."""

    def read(self, pids: Iterable[int]) -> dict[str, float]:
        """`rss_mib`, `memory_pc` of the host, and `cpu_pc` of all its cores since the last time."""
        found = {each.pid: each for pid in pids for each in _family(pid)}
        rss, used, since_birth = 0, dict[tuple[int, float], float](), 0.0
        for process in found.values():
            try:
                with process.oneshot():
                    rss += process.memory_info().rss
                    times, born = process.cpu_times(), process.create_time()
            except psutil.NoSuchProcess:
                continue
            used[process.pid, born] = times.user + times.system
            since_birth = max(since_birth, self._epoch() - born)
        return {
            "rss_mib": round(rss / _MIB, 2),
            "memory_pc": round(100 * rss / psutil.virtual_memory().total, 2),
            "cpu_pc": self._cpu(used, since_birth),
        }

    def _cpu(self, used: dict[tuple[int, float], float], since_birth: float) -> float:
        """The first time on the average of the processes' lives."""
        last, before = self._before
        self._before = now, _ = self._tick(), used
        seconds = max(now - last if before else since_birth, 0.001)
        spent = sum(each - before.get(process, 0.0) for process, each in used.items())
        return round(100 * max(spent, 0.0) / seconds / (os.cpu_count() or 1), 2)


def volume_percent(volume: str) -> float | None:
    """How full the volume mounted at `/<name>` is, as `df` counts; None if there is none."""
    try:
        return float(psutil.disk_usage(str(Path("/") / volume.strip("/"))).percent)
    except OSError:
        return None


def _family(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        session = os.getsid(pid)
        return [process, *(each for each in process.children(recursive=True) if _session(each.pid) == session)]
    except (psutil.NoSuchProcess, ProcessLookupError):
        return []


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None
