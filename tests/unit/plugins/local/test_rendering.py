"""Placeholders of local workers."""

from hypothesis import given
from hypothesis import strategies as st

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.local.rendering import fill_command, fill_script, values_for

WORKER = Worker(
    worker_id=42,
    queue="SITE",
    status=WorkerStatus.PENDING,
    marker="h-42",
    cores=4,
    ram_mb=8001,
    disk_mb=3,
    walltime_s=3601,
    access_point="/access/42",
)
VALUES = values_for(WORKER, "h", core_limit=16)


def test_units_are_those_of_the_batch_submitters():
    assert VALUES | {
        "nCoreTotal": "4",
        "nNode": "1",
        "requestRam": "8001",
        "requestRamBytes": str(8001 * 1024 * 1024),
        "requestRamPerCore": "2001",
        "requestDisk": str(3 * 1024),
        "requestWalltime": "3601",
        "requestWalltimeMinute": "61",
        "requestWalltimeHour": "2",
        "requestCputime": str(4 * 3601),
        "accessPoint": "/access/42",
        "harvesterID": "h",
        "workerID": "42",
        "computingSite": "SITE",
        "gtag": "/access/42/42.out",
    } == dict(VALUES)


def test_missing_sizes_have_the_least_that_makes_sense():
    values = values_for(Worker(1, "Q", WorkerStatus.PENDING, "h-1", cores=2), "h", core_limit=2, panda_queue="CRIC")
    assert (values["computingSite"], values["pandaQueueName"]) == ("Q", "CRIC")
    assert (values["requestRam"], values["requestDisk"], values["requestWalltime"]) == ("2", "1", "1")


def test_shell_variables_survive_in_scripts():
    script = "cd {accessPoint}; echo ${workerID} ${HOME:-x} {unknown} $workerID\n"
    assert fill_script(script, VALUES) == "cd /access/42; echo ${workerID} ${HOME:-x} {unknown} $workerID\n"


@given(st.lists(st.text(st.characters(exclude_characters="{}"))))
def test_arguments_without_placeholders_are_untouched(arguments: list[str]):
    assert fill_command(arguments, VALUES) == tuple(arguments)


@given(st.text())
def test_values_are_not_filled_again(text: str):
    assert fill_command(["{x}"], {"x": text, "workerID": "1"}) == (text,)
