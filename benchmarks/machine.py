"""What a benchmark ran on: the machine and the versions, without names of hosts or people."""

import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_PROGRAMS = {
    "MariaDB": ("mariadbd", "--version"),
    "PostgreSQL": ("psql", "--version"),
    "Slurm": ("slurmctld", "-V"),  # sbatch says its version only where there is a cluster
}
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def facts() -> Iterator[tuple[str, str]]:
    """Name and value of each fact."""
    yield "date", datetime.now(UTC).date().isoformat()
    yield "CPU", f"{_first_of('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"
    yield "memory", f"{int(_first_of('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB"
    yield "kernel", platform.release().partition("-")[0]
    yield "file system of the database", _file_system(Path(tempfile.gettempdir()))
    yield "Python", platform.python_version()
    yield "SQLite", sqlite3.sqlite_version
    yield "SQLAlchemy", version("sqlalchemy")
    for name, (program, option) in _PROGRAMS.items():
        yield name, _version_of(program, option)


def _first_of(file: str, key: str) -> str:
    lines = (line.partition(":") for line in Path(file).read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "unknown")


def _file_system(place: Path) -> str:
    """The type of the file system that holds a place: that of the longest mount point above it."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [(len(point), kind) for point, kind in mounts if place.resolve().is_relative_to(point)]
    return max(above)[1]


def _version_of(program: str, option: str) -> str:
    found = shutil.which(program, path=_PATH)
    if found is None:
        return "not installed"
    done = subprocess.run([found, option], stdout=subprocess.PIPE, text=True, timeout=30, check=False)
    return done.stdout.strip().removeprefix(found).strip()
