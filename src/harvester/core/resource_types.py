"""Resource types, and what a worker of a type asks a queue for (core reference §4.6, panda-protocol §10.3).

Read from a document that nobody vouches for: a type that cannot be used is left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from harvester.core.facts import QueueFacts, whole_number

RESOURCE_TYPES: Final = "resource_types.json"
"""The document that tells them."""
SINGLE_CORE: Final = "SCORE"
MULTI_CORE: Final = "MCORE"
_USUAL_RAM: Final = 2000
"""MB per core from which on a type is one of high memory."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one worker asks for: cores, and MB of memory in all."""

    cores: int
    ram_mb: int


@dataclass(frozen=True, slots=True)
class ResourceType:
    """One type; None is no limit, memory is MB per core."""

    name: str
    min_cores: int = 1
    max_cores: int | None = None
    min_ram: int = 0
    max_ram: int | None = None

    @property
    def is_single_core(self) -> bool:
        """Whether its jobs have one core."""
        return self.min_cores == 1 and self.max_cores == 1

    @property
    def is_high_memory(self) -> bool:
        """Whether its jobs need more memory than usual."""
        return self.name.endswith("_HIMEM") or self.min_ram > _USUAL_RAM

    def fits(self, need: Requirement) -> bool:
        """Whether a job of that size is one of this type; a size of 0 is none."""
        if not need.cores or not need.ram_mb:
            return False
        per_core = need.ram_mb / need.cores
        return self.min_cores <= need.cores <= (self.max_cores or math.inf) and self.min_ram <= per_core <= (
            self.max_ram or math.inf
        )


ResourceTypes = Mapping[str, ResourceType]
"""All types by name, in the order of the server."""


def read_resource_types(document: object) -> dict[str, ResourceType]:
    """The types of `resource_types.json`."""
    entries = document if isinstance(document, Sequence) and not isinstance(document, str) else ()
    types = [_type(entry) for entry in entries if isinstance(entry, Mapping)]
    return {each.name: each for each in types if each is not None}


def _type(entry: Mapping[str, object]) -> ResourceType | None:
    name = entry.get("resource_name")
    if not isinstance(name, str) or not name:
        return None
    return ResourceType(
        name,
        min_cores=whole_number(entry.get("mincore")) or 1,
        max_cores=whole_number(entry.get("maxcore")) or None,
        min_ram=whole_number(entry.get("minrampercore")) or 0,
        max_ram=whole_number(entry.get("maxrampercore")) or None,
    )


def type_of_size(types: ResourceTypes, need: Requirement) -> str:
    """The type of a worker of that size; without the server's types only the cores count."""
    found = next((each.name for each in types.values() if each.fits(need)), None)
    return found or (SINGLE_CORE if need.cores == 1 else MULTI_CORE)


def requirement_of(facts: QueueFacts, resource_type: str | None, types: ResourceTypes) -> Requirement:
    """What a worker of a type asks a queue for.

    A queue that is not unified has slots of one size, whatever the type; so has a unified one for a type that the
    server does not know.
    """
    slot = Requirement(facts.core_count or 1, facts.max_rss or 1)
    kind = types.get(resource_type or "")
    if not facts.is_unified or kind is None:
        return slot
    cores = min(kind.max_cores or slot.cores, slot.cores)
    share = -(-slot.ram_mb * cores // slot.cores)  # rounded up
    return Requirement(cores, min(kind.max_ram * cores, share) if kind.max_ram else share)
