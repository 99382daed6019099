"""What a local worker runs: the queue's command or template with the worker's values filled in.

Placeholders are those of the batch submitters (plugins reference §4.1.1, §4.2.1), with their units: RAM in MB, disk in
KB, times in seconds. A name in braces that is not a placeholder stays as it is, so shell code survives.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from harvester.core.workers import Worker

Values = Mapping[str, str]

_IN_COMMAND: Final = re.compile(r"\$?\{(\w+)\}")
_IN_SCRIPT: Final = re.compile(r"(?<!\$)\{(\w+)\}")


def values_of(worker: Worker, instance: str, core_limit: int) -> Values:
    """All placeholders of one worker."""
    cores = worker.cores
    walltime = worker.walltime_s
    ram = max(worker.ram_mb, cores)
    values: dict[str, object] = {
        "accessPoint": worker.access_point,
        "computingSite": worker.queue,
        "gtag": stdout_of(worker),
        "harvesterID": instance,
        "jobType": worker.job_type or "",
        "nCoreFactor": 1,
        "nCorePerNode": core_limit,
        "nCoreTotal": cores,
        "nNode": 1,
        "pandaQueueName": worker.queue,
        "pilotType": worker.pilot_type or "",
        "requestCputime": walltime * cores,
        "requestCputimeMinute": math.ceil(walltime * cores / 60),
        "requestDisk": max(worker.disk_mb * 1024, 1),
        "requestRam": ram,
        "requestRamBytes": ram << 20,
        "requestRamPerCore": ram // cores,
        "requestRamBytesPerCore": (ram << 20) // cores,
        "requestWalltime": walltime,
        "requestWalltimeMinute": math.ceil(walltime / 60),
        "resourceType": worker.resource_type or "",
        "workerID": worker.worker_id,
    }
    return {name: str(value) for name, value in values.items()}


def fill_command(command: Sequence[str], values: Values) -> tuple[str, ...]:
    """An argument list with `{name}` and `${name}` filled in; no shell ever sees it."""
    return tuple(_fill(_IN_COMMAND, argument, values) for argument in command)


def fill_script(template: str, values: Values) -> str:
    """A script with `{name}` filled in; `${name}` belongs to the shell."""
    return _fill(_IN_SCRIPT, template, values)


def stdout_of(worker: Worker) -> str:
    """Where the worker's standard output goes."""
    return f"{worker.access_point}/{worker.worker_id}.out"


def stderr_of(worker: Worker) -> str:
    """Where the worker's error output goes."""
    return f"{worker.access_point}/{worker.worker_id}.err"


def script_of(worker: Worker) -> str:
    """Where the rendered template goes."""
    return f"{worker.access_point}/{worker.worker_id}_submit.sh"


def _fill(placeholder: re.Pattern[str], text: str, values: Values) -> str:
    return placeholder.sub(lambda match: values.get(match[1], match[0]), text)
