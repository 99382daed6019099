"""The placeholders that all resources have in common, and their values (plugins reference §4.1.1, §4.2.1).

Memory is in MB, scratch space in KB, times are in seconds unless the name says otherwise. Whatever does not divide
evenly is rounded up, so that a worker never gets less than it asks for.
"""

import math
from dataclasses import dataclass

from harvester.core.workers import Worker
from harvester.plugins.worker_door import SHOWN_VARIABLE, URL_VARIABLE

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cores:
    """How the cores of a worker are asked for.

    Attributes:
        number: cores of the worker, the factor not yet applied.
        per_node: cores of one node.
        nodes: nodes of the worker; None computes it from the cores.
        factor: multiplies cores and memory.
    """

    number: int
    per_node: int
    nodes: int | None = None
    factor: int = 1

    @property
    def total(self) -> int:
        """All cores of the worker."""
        return self.number * self.factor


def values_of(
    worker: Worker, cores: Cores, *, instance: str, gtag: str, panda_queue: str | None = None
) -> dict[str, object]:
    """The placeholders that follow from a worker.

    Args:
        worker: whom the command or script is for.
        cores: how its cores are asked for.
        instance: `harvester_id`.
        gtag: where its standard output will be found.
        panda_queue: what CRIC calls its queue, if that has another name there.
    """
    return {
        **_sizes(worker, cores),
        "accessPoint": worker.access_point,
        "computingSite": worker.queue,
        "doorTokenFile": worker.variables.get(SHOWN_VARIABLE, ""),
        "doorUrl": worker.variables.get(URL_VARIABLE, ""),
        "gtag": gtag,
        "harvesterID": instance,
        "jobType": worker.job_type or "",
        "launchScript": worker.launch_script,
        "pandaQueueName": panda_queue or worker.queue,
        "pilotResourceTypeOption": f"--resource-type {worker.resource_type}" if worker.resource_type else "",
        "pilotType": worker.pilot_type or "",
        "resourceType": worker.resource_type or "",
        "workerID": worker.worker_id,
    }


def _sizes(worker: Worker, cores: Cores) -> dict[str, object]:
    """Cores, nodes, memory, scratch space and times; each is at least 1."""
    ram = max(worker.ram_mb, cores.number) * cores.factor
    ram_per_core = math.ceil(ram / cores.total)
    walltime = max(worker.walltime_s, 1)
    return {
        "nCoreFactor": cores.factor,
        "nCorePerNode": cores.per_node,
        "nCoreTotal": cores.total,
        "nNode": cores.nodes or math.ceil(cores.total / cores.per_node),
        "requestCputime": walltime * cores.total,
        "requestCputimeMinute": math.ceil(walltime * cores.total / 60),
        "requestDisk": max(worker.disk_mb * 1024, 1),
        "requestRam": ram,
        "requestRamBytes": ram * _MIB,
        "requestRamBytesPerCore": ram_per_core * _MIB,
        "requestRamPerCore": ram_per_core,
        "requestWalltime": walltime,
        "requestWalltimeHour": math.ceil(walltime / 3600),
        "requestWalltimeMinute": math.ceil(walltime / 60),
    }
