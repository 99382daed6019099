"""Every named point at which a process of the run can be made to die."""

from typing import Final

_AGENTS: Final = (
    "job fetcher",
    "preparator",
    "sizer",
    "submitter",
    "reconciler",
    "monitor",
    "event feeder",
    "feeder",
    "stager",
    "early stager",
    "propagator",
    "worker propagator",
    "killer",
    "sweeper",
)
_OF_EVERY_AGENT: Final = ("before_commit", "in_commit", "after_commit")
_OF_SUBMITTER: Final = ("submitter.before_feed", "submitter.before_submit", "submitter.after_submit")
_OF_FEEDER: Final = ("feeder.before_feed", "feeder.after_feed")

HARVESTER: Final = (
    *_OF_SUBMITTER,
    *_OF_FEEDER,
    *(f"{agent}.{point}" for agent in _AGENTS for point in _OF_EVERY_AGENT),
)
"""The points of Harvester itself."""
BATCH: Final = tuple(f"batch.in_{verb}" for verb in ("submit", "find", "check", "kill", "clean"))
"""Those in the middle of the simulated batch system's verbs."""
POINTS: Final = (*HARVESTER, *BATCH)
RARE: Final = frozenset(
    point
    for point in POINTS
    if point.startswith(("killer", "reconciler", "event feeder", "feeder", "early stager"))
    or point in {"batch.in_kill", "batch.in_find"}
)
"""Those that nobody comes to unless something has gone wrong before, jobs are divided into event ranges, or workers ask
for jobs when they run."""
