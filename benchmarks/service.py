"""The service as a process of its own, as an administrator starts it, and what it costs by the system's word."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from instance import Site

_STOP_SECONDS = 30


class Service:
    """A running `harvester run`."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the process since it was started."""
        self._require_alive()
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def rss_mib(self) -> float:
        """The memory that it holds now."""
        self._require_alive()
        return round(float(self._process.memory_info().rss) / 2**20, 1)

    @property
    def peak_rss_mib(self) -> float:
        """The most memory that it ever held."""
        self._require_alive()
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        return round(int(kib) / 1024, 1)

    def _require_alive(self) -> None:
        if self._process.status() == psutil.STATUS_ZOMBIE:
            raise SystemExit("the service has ended by itself")


def environment() -> dict[str, str]:
    """In which a process of Harvester finds the plugins of the benchmarks."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


@contextmanager
def running_service(site: Site, main: Path, *, log: str = "service.log") -> Iterator[Service]:
    """Start the service on a site's configuration; it is told to stop afterwards.

    Args:
        site: what it serves.
        main: the main configuration file.
        log: name of the file for what it says.
    """
    files = ["--config", str(main), "--queues", str(site.folder / "queues.json")]
    command = [sys.executable, "-m", "harvester", "run", *files]
    with (site.folder / log).open("wb") as said:
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        yield Service(psutil.Process(process.pid))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
