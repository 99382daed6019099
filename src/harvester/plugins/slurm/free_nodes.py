"""Idle nodes of a Slurm cluster, for workers that are made as large as what is free."""

import re
from collections.abc import Sequence
from typing import Final

from pydantic import Field

from harvester.plugins.api import FreeSlot, PluginContext, PluginSettings, SlotFinder, Unknown
from harvester.plugins.slurm.cluster import inherited
from harvester.plugins.tools.command_settings import Command
from harvester.plugins.tools.commands import Commands, Ran, complaint

_LINE: Final = re.compile(r"(\d+)\|([^|\s]+)")
_ENDLESS: Final = "infinite"
_TIME: Final = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)")
_DAY: Final = 24 * 3600


class SlurmSlotsSettings(PluginSettings):
    """Settings of the finder.

    Attributes:
        partition: whose nodes are counted; None for each partition by itself.
        least_nodes: fewer are left alone.
        most_nodes: of one worker; 0 for no such limit.
        longest_s: seconds that workers are made for at the most; the partition's limit counts too.
        sinfo: the command with its first arguments.
        command_timeout: seconds after which it is ended.
        cluster: name of the cluster in a multi-cluster set-up (`--clusters`).
        slurm_conf: configuration of the cluster, if it is not the machine's own (`SLURM_CONF`).
    """

    partition: str | None = None
    least_nodes: int = Field(default=1, ge=1, alias="minNodes")
    most_nodes: int = Field(default=0, ge=0, alias="maxNodes")
    longest_s: int = Field(default=_DAY, ge=1, alias="maxWalltime")
    sinfo: Command = ("sinfo",)
    command_timeout: float = Field(default=60.0, gt=0, alias="commandTimeout")
    cluster: str | None = None
    slurm_conf: str | None = Field(default=None, alias="slurmConf")


class SlurmSlots(SlotFinder[SlurmSlotsSettings]):
    """The idle nodes of a partition as one slot; nodes that Slurm keeps for a waiting job are not idle for it."""

    Settings = SlurmSlotsSettings

    def __init__(self, settings: SlurmSlotsSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(settings.command_timeout)

    def free_slots(self) -> Sequence[FreeSlot] | Unknown:
        """One `sinfo`."""
        settings = self.settings
        which = (f"--clusters={settings.cluster}",) if settings.cluster else ()
        where = (f"--partition={settings.partition}",) if settings.partition else ()
        command = (*settings.sinfo, *which, *where, "--noheader", "--states=idle", "--format=%D|%l")
        result = self._commands.run("sinfo", command, environment=self._environment())
        if problem := complaint("sinfo", result):
            return Unknown(problem)
        text = result.out if isinstance(result, Ran) else ""
        found = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
        slots = (self._slot(int(line[1]), seconds_of(line[2])) for line in found if line)
        return [slot for slot in slots if slot.nodes >= settings.least_nodes]

    def _slot(self, nodes: int, limit_s: int | None) -> FreeSlot:
        settings = self.settings
        walltime_s = min(settings.longest_s, limit_s or settings.longest_s)
        return FreeSlot(min(nodes, settings.most_nodes or nodes), walltime_s)

    def _environment(self) -> dict[str, str]:
        conf = {"SLURM_CONF": self.settings.slurm_conf} if self.settings.slurm_conf else {}
        own = {name: value for name, value in inherited().items() if not name.startswith("SINFO_")}
        return {**own, **conf, "LC_ALL": "C"}


def seconds_of(limit: str) -> int | None:
    """A time limit, `[[days-]hours:]minutes:seconds`; None for none."""
    found = _TIME.fullmatch(limit)
    if found is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
