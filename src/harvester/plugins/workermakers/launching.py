"""The shell commands that start the jobs of a worker on its nodes (core reference §3.6, plugins reference §4.11)."""

from typing import Annotated, Final

from pydantic import BeforeValidator

from harvester.core.workers import Worker
from harvester.plugins.workermakers.asking import KindSettings

_APRUN: Final = "aprun"
_ACCESS_POINT: Final = "{work_dir}"


def _lines(value: object) -> object:
    """Commands separated by a comma and a space; a comma alone may be part of one."""
    if not isinstance(value, str):
        return value
    return () if value == "NULL" else tuple(line.strip() for line in value.split(", ") if line.strip())


class LaunchSettings(KindSettings):
    """Settings of worker makers that write the commands.

    Attributes:
        env: commands that come first, such as `module load python, export OMP_NUM_THREADS=1`.
        executor: what starts the pilots; `aprun` is told how many and with how many cores.
        pilot: what it starts.
        pilot_params: arguments; `{work_dir}` here and elsewhere stands for the access point.
    """

    env: Annotated[tuple[str, ...], BeforeValidator(_lines)] = ()
    executor: str | None = None
    pilot: str | None = None
    pilot_params: str | None = None


def launch_script(settings: LaunchSettings, worker: Worker, tasks: int, cores_per_task: int) -> str:
    """The commands for one worker; empty if the settings name none.

    Args:
        settings: of the worker maker.
        worker: whose access point is filled in.
        tasks: pilots to be started.
        cores_per_task: cores of each.
    """
    executor = settings.executor
    if executor == _APRUN:
        executor = f"{_APRUN} -n {tasks} -d {cores_per_task}"
    command = " ".join(filter(None, (executor, settings.pilot, settings.pilot_params)))
    return "\n".join(filter(None, (*settings.env, command))).replace(_ACCESS_POINT, worker.access_point)
