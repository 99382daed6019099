from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.slurm.partitions import spread
from harvester.plugins.slurm.placeholders import fill, values_for
from harvester.plugins.slurm.settings import SlurmSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WORKER = Worker(
    42,
    "SITE",
    WorkerStatus.PENDING,
    "test-42",
    cores=4,
    ram_mb=8000,
    disk_mb=10,
    walltime_s=3700,
    resource_type="MCORE",
    pilot_type="PR",
    access_point="/ap/42",
)


def _values(worker: Worker = WORKER, **settings: object) -> dict[str, object]:
    block = SlurmSettings.model_validate(settings)
    return values_for(worker, block, instance="test", partition="long", log_url="http://l/42.out", now=NOW)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nCoreTotal", 8), ("nCorePerNode", 2), ("nNode", 4), ("nCoreFactor", 2),
        ("requestRam", 16000), ("requestRamBytes", 16000 * 1024 * 1024), ("requestRamPerCore", 2000),
        ("requestRamBytesPerCore", 2000 * 1024 * 1024), ("requestDisk", 10240),
        ("requestWalltime", 3700), ("requestWalltimeMinute", 62), ("requestWalltimeHour", 2),
        ("requestCputime", 29600), ("requestCputimeMinute", 494),
        ("accessPoint", "/ap/42"), ("harvesterID", "test"), ("workerID", 42),
        ("computingSite", "SITE"), ("pandaQueueName", "SITE"), ("localQueueName", "grid"), ("ceQueueName", "grid"),
        ("logDir", "/logs"), ("logSubDir", "/logs/26-03-01_12"), ("gtag", "http://l/42.out"), ("partition", "long"),
        ("jobType", ""), ("pilotType", "PR"), ("resourceType", "MCORE"),
        ("pilotResourceTypeOption", "--resource-type MCORE"), ("tokenDir", "/tokens"),
    ],
)  # fmt: skip
def test_placeholders(name: str, value: object) -> None:
    assert _values(nCorePerNode="2", nCoreFactor=2, logDir="/logs", tokenDir="/tokens")[name] == value


def test_every_placeholder_is_documented() -> None:
    page = (Path(__file__).parents[4] / "docs" / "slurm.md").read_text()
    tokens = dict.fromkeys(("tokenDir", "tokenName", "tokenOrigin", "submitMode"), "x")
    assert not [name for name in _values(**tokens) if f"`{name}`" not in page]


@pytest.mark.parametrize("key", ["nCore", "nNode", "nCoreFactor", "localQueueName", "partitions", "checkPartition"])
@pytest.mark.parametrize("empty", [None, ""])
def test_a_key_without_a_value_is_as_good_as_none(key: str, empty: object) -> None:
    assert _values(**{key: empty}) == _values()


@pytest.mark.parametrize("falsy", [None, "", 0, False])
def test_no_cores_per_node_mean_the_workers_cores(falsy: object) -> None:
    assert _values(nCorePerNode=falsy)["nCorePerNode"] == WORKER.cores


@pytest.mark.parametrize("cores", [0, -1, "-1"])
def test_no_cores_mean_the_workers_cores(cores: object) -> None:
    assert _values(nCore=cores)["nCoreTotal"] == WORKER.cores


def test_a_worker_that_asks_for_nothing_gets_the_least() -> None:
    values = _values(Worker(1, "SITE", WorkerStatus.PENDING, "test-1"))
    names = ("nCoreTotal", "nNode", "requestRam", "requestDisk", "requestWalltime", "requestCputime")
    assert [values[name] for name in names] == [1, 1, 1, 1, 1, 1]


@pytest.mark.shows("block submitter.nCorePerNode")
def test_the_queue_overrides_the_workers_cores() -> None:
    values = _values(nCore=16, nCorePerNode=0)
    assert (values["nCoreTotal"], values["nCorePerNode"], values["nNode"]) == (16, 16, 1)


def test_tokens_are_placeholders_only_where_they_are_configured() -> None:
    assert fill("{tokenName} {workerID}", _values()) == "{tokenName} 42"


def test_the_shell_keeps_its_variables() -> None:
    assert fill("${HOME} {unknown} {{x}} {accessPoint}", _values()) == "${HOME} {unknown} {x} /ap/42"


@pytest.mark.parametrize("text", ["${X:-y}", "{", "}", "{}", "{0}", "{workerID.real.x}", "{workerID[0]}"])
def test_braces_that_mean_nothing_are_explained(text: str) -> None:
    with pytest.raises(ValueError, match="brace"):
        fill(text, _values())


def test_workers_go_where_the_fewest_wait() -> None:
    chosen = spread(7, ("a", "b"), {"a": 3, "b": 0}, 2)
    assert chosen == ["b", "b", "b", "b", "a", "a", "b"]
