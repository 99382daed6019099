"""`pytest tests/simulation/test_simulation.py --seed N` plays one seed.

Without it, all those of CI are played, some in each test.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from simulation_harness.process import Disk

SEEDS = 200
PORTION = 10
_MEMORY = Path("/dev/shm")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, default=None, help="the one seed of the simulation to play")
    parser.addoption("--seeds", type=int, default=SEEDS, help="how many seeds of the simulation to play")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seeds" not in metafunc.fixturenames:
        return
    one = metafunc.config.getoption("seed", None)
    seeds = metafunc.config.getoption("seeds", SEEDS)
    portions = [range(first, first + PORTION) for first in range(0, seeds, PORTION)]
    chosen = portions if one is None else [range(one, one + 1)]
    metafunc.parametrize("seeds", chosen, ids=[f"{each[0]}-{each[-1]}" for each in chosen])


@pytest.fixture(scope="session")
def disk() -> Iterator[Disk]:
    """A place that is quick, with what all runs share."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as directory:
        disk = Disk(Path(directory))
        yield disk
        disk.engine.dispose()
