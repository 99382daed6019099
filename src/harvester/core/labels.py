"""Source labels of jobs, and the types of pilots that run them (core reference §4.9)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

SLOTS: Final = 1000
"""Among which labels are drawn: a weight of one permille is one of them."""


LabelT = TypeVar("LabelT", str, None)


class PilotType(StrEnum):
    """Which version of the pilot a worker starts."""

    PRODUCTION = "PR"
    RELEASE_CANDIDATE = "RC"
    ALRB = "ALRB"
    TEST = "PT"


_PILOTS: Final[Mapping[str, PilotType]] = {
    "rc_test": PilotType.RELEASE_CANDIDATE,
    "rc_test2": PilotType.RELEASE_CANDIDATE,
    "rc_alrb": PilotType.ALRB,
    "ptest": PilotType.TEST,
}
_LABELS: Final[Mapping[PilotType, str]] = {
    PilotType.RELEASE_CANDIDATE: "rc_test2",
    PilotType.ALRB: "rc_alrb",
    PilotType.TEST: "ptest",
}


def pilot_type_of(label: str | None) -> PilotType | None:
    """The pilots that run jobs of a label; None without a label."""
    return _PILOTS.get(label, PilotType.PRODUCTION) if label else None


def label_of_pilots(pilot: PilotType) -> str | None:
    """The label of jobs that need this type of pilot; None where any label will do."""
    return _LABELS.get(pilot)


def draw_label(weights: Mapping[str, int], default: LabelT, slot: int) -> str | LabelT:
    """The label that a slot falls on, by prodSourceLabelRandomWeightsPermille.

    Args:
        weights: slots of each label; more than there are stand for shares of all.
        default: the label of the slots that are left.
        slot: 0 to 999, drawn at random.
    """
    total = sum(weights.values())
    for label, weight in weights.items():
        slot -= weight if total <= SLOTS else weight * SLOTS // total
        if slot < 0:
            return label
    return default
