"""Placeholders that all resources have in common."""

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.local.rendering import values_for as local_values
from harvester.plugins.placeholders import Cores, values_of
from harvester.plugins.slurm.placeholders import values_for as slurm_values
from harvester.plugins.slurm.settings import SlurmSettings

WORKER = Worker(
    42,
    "SITE",
    WorkerStatus.PENDING,
    "h-42",
    cores=3,
    ram_mb=8000,
    disk_mb=10,
    walltime_s=3601,
    job_type="managed",
    resource_type="MCORE",
    pilot_type="PR",
    access_point="/ap/42",
)
SIZES = ("nCoreTotal", "nNode", "requestRam", "requestRamPerCore", "requestDisk", "requestWalltime", "requestCputime")


def _values(worker: Worker = WORKER, *, per_node: int = 8, factor: int = 1) -> dict[str, object]:
    return values_of(worker, Cores(worker.cores, per_node, factor=factor), instance="h", gtag="/ap/42/42.out")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nCoreTotal", 6), ("nCorePerNode", 4), ("nNode", 2), ("nCoreFactor", 2),
        ("requestRam", 16000), ("requestRamBytes", 16000 * 1024 * 1024), ("requestRamPerCore", 2667),
        ("requestRamBytesPerCore", 2667 * 1024 * 1024), ("requestDisk", 10240),
        ("requestWalltime", 3601), ("requestWalltimeMinute", 61), ("requestWalltimeHour", 2),
        ("requestCputime", 21606), ("requestCputimeMinute", 361),
        ("accessPoint", "/ap/42"), ("computingSite", "SITE"), ("gtag", "/ap/42/42.out"), ("harvesterID", "h"),
        ("jobType", "managed"), ("pandaQueueName", "SITE"), ("pilotResourceTypeOption", "--resource-type MCORE"),
        ("pilotType", "PR"), ("resourceType", "MCORE"), ("workerID", 42),
    ],
)  # fmt: skip
def test_values_and_units(name: str, value: object):
    assert _values(per_node=4, factor=2)[name] == value


def test_the_number_of_nodes_may_be_given():
    assert values_of(WORKER, Cores(8, 1, nodes=2), instance="h", gtag="")["nNode"] == 2


def test_a_worker_that_asks_for_nothing_gets_the_least():
    values = _values(Worker(1, "SITE", WorkerStatus.PENDING, "h-1"))
    assert [values[name] for name in SIZES] == [1] * len(SIZES)
    assert (values["jobType"], values["pilotType"], values["pilotResourceTypeOption"]) == ("", "", "")


@given(cores=st.integers(1, 256), ram=st.integers(0, 10**6), time=st.integers(0, 10**6), factor=st.integers(1, 8))
def test_nothing_is_rounded_below_what_is_asked_for(cores: int, ram: int, time: int, factor: int):
    worker = Worker(1, "Q", WorkerStatus.PENDING, "h-1", cores=cores, ram_mb=ram, walltime_s=time)
    values = _values(worker, factor=factor)
    assert 0 <= values["requestRamPerCore"] - Fraction(values["requestRam"], values["nCoreTotal"]) < 1
    assert 0 <= values["requestWalltimeMinute"] - Fraction(values["requestWalltime"], 60) < 1
    assert 0 <= values["requestWalltimeHour"] - Fraction(values["requestWalltime"], 3600) < 1
    assert 0 <= values["requestCputimeMinute"] - Fraction(values["requestCputime"], 60) < 1
    assert 0 <= values["nNode"] - Fraction(values["nCoreTotal"], values["nCorePerNode"]) < 1


def test_one_name_means_the_same_to_all_resources():
    shared = _values()
    assert local_values(WORKER, "h", core_limit=8) == {name: str(value) for name, value in shared.items()}
    settings = SlurmSettings.model_validate({"nCorePerNode": 8})
    about: dict[str, str] = {"instance": "h", "partition": "", "log_url": "/ap/42/42.out"}
    assert shared.items() <= slurm_values(WORKER, settings, now=datetime(2026, 3, 1, tzinfo=UTC), **about).items()
