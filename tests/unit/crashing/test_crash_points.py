"""The crash benchmark knows every point at which a process can be made to die."""

import re
from collections.abc import Iterator
from pathlib import Path

import harvester
from crashing.points import BATCH, HARVESTER
from harvester.service import _AGENTS

_REACH = re.compile(r'reach\(f?"([^"]+)"\)')


def points_in(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for point in _REACH.findall(path.read_text()):
            if "{self.agent.name}" in point:
                yield from (point.replace("{self.agent.name}", agent.name) for agent in _AGENTS)
            else:
                yield point


def test_all_points_of_harvester():
    assert sorted(points_in(Path(harvester.__file__).parent)) == sorted(HARVESTER)


def test_nothing_is_there_twice():
    assert len({*HARVESTER, *BATCH}) == len(HARVESTER) + len(BATCH)
