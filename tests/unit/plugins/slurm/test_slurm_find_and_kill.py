import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from fake_slurm import FakeSlurm, Row

from harvester.plugins.api import Done, Later, Submitted
from harvester.plugins.slurm.under_way import Submissions


def test_single_jobs_and_elements_are_found_by_their_markers(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "RUNNING", "test-5"), row("18_2", "PENDING", "test+6"), row("19", "RUNNING", "other-5")])
    search = fake.resource().find([fake.worker(5), fake.worker(8), fake.worker(9)])
    assert {marker: found.batch_id for marker, found in search.found.items()} == {"test-5": "17", "test-8": "18_2"}
    assert search.complete


def test_a_found_job_has_the_logs_that_its_own_script_names(fake: FakeSlurm, row: Row) -> None:
    fake.template.write_text("#!/bin/sh\n#SBATCH -o submitted.out\n")
    fake.resource().submit([fake.worker(5)])
    fake.template.write_text("#!/bin/sh\n#SBATCH -o changed.out\n")
    fake.lists([row("17", "RUNNING", "test-5")])
    search = fake.resource().find([fake.worker(5)])
    assert search.found["test-5"].log_urls["stdOut"] == f"{fake.root}/ap-5/submitted.out"


@pytest.mark.parametrize("content", [None, "", "no script", "#!/bin/sh\n#SBATCH -a 1\n", "#!" + "x" * 5_000_000])
def test_a_job_whose_script_is_lost_is_found_without_logs(fake: FakeSlurm, row: Row, content: str | None) -> None:
    worker = fake.worker(5)
    if content is not None:
        (fake.root / "ap-5" / "5_submit.sh").write_text(content)
    fake.lists([row("17", "RUNNING", "test-5")])
    assert fake.resource().find([worker]).found == {"test-5": Submitted("17")}


@pytest.mark.parametrize("listed", [["17+0", "17+1"], ["17+1"]])
def test_heterogeneous_jobs_are_found_and_killed_as_a_whole(fake: FakeSlurm, row: Row, listed: list[str]) -> None:
    fake.lists([row(batch_id, "RUNNING", "test-5") for batch_id in listed])
    assert fake.resource().find([fake.worker(5)]).found["test-5"].batch_id == "17"
    assert fake.resource().kill([fake.worker(5, "17")]) == [Done()]
    assert fake.calls("scancel") == [["17"]]


def test_the_users_own_filters_do_not_reach_the_cancel(
    fake: FakeSlurm, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SCANCEL_STATE", "SLURM_CLUSTERS", "SBATCH_CLUSTERS"):
        monkeypatch.setenv(name, "x")
    fake.lists([row("17", "RUNNING", "test-5")])
    fake.does("scancel", f"env >{fake.root}/seen")
    fake.resource().kill([fake.worker(5, "17")])
    assert not re.search("^(SCANCEL_|SBATCH_|SLURM_CLUSTERS)", (fake.root / "seen").read_text(), re.MULTILINE)


def test_a_living_job_goes_before_one_that_has_ended(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "CANCELLED", "test-5"), row("18", "RUNNING", "test-5"), row("19", "FAILED", "test-5")])
    assert fake.resource().find([fake.worker(5)]).found["test-5"].batch_id == "18"


def test_young_workers_need_no_accounting(fake: FakeSlurm) -> None:
    young = replace(fake.worker(5), created_at=fake.worker(5).created_at - timedelta(seconds=100))
    resource = fake.resource()
    assert resource.find([young]).complete
    assert "sacct" not in resource.process_starts


@pytest.mark.parametrize(
    ("ahead", "start"),
    [
        (timedelta(hours=5), "2026-02-27T06:00:00"),
        (timedelta(), "2026-02-27T11:00:00"),
        (timedelta(hours=-5), "2026-02-27T11:00:00"),
    ],
)
def test_accounting_is_searched_by_the_time_of_slurm_also_after_a_clock_was_put_back(
    fake: FakeSlurm, ahead: timedelta, start: str
) -> None:
    created = fake.worker(5).created_at - timedelta(days=2)
    resource = fake.resource(ahead)
    resource.find([fake.worker(5, created_at=created)])
    resource.check([fake.worker(5, "17", created_at=created)])
    assert [f"--starttime={start}" in call for call in fake.calls("sacct")] == [True, True]


def test_old_workers_are_searched_in_accounting_from_before_their_beginning(fake: FakeSlurm, row: Row) -> None:
    old = replace(fake.worker(5), created_at=fake.worker(5).created_at - timedelta(days=2))
    fake.accounts([row("17", "COMPLETED", "test-5", exit_text="0:0")])
    search = fake.resource().find([old])
    assert search.complete
    assert search.found["test-5"].batch_id == "17"
    assert "--starttime=2026-02-27T11:00:00" in fake.calls("sacct")[0]


@pytest.mark.parametrize("program", ["squeue", "sacct"])
def test_a_listing_that_failed_makes_the_search_incomplete(fake: FakeSlurm, program: str) -> None:
    fake.prints(program, "", exit_code=1, err="no connection")
    search = fake.resource().find([replace(fake.worker(5), created_at=None)])
    assert not search.complete
    assert "no connection" in search.reason


def test_without_accounting_an_old_worker_cannot_be_called_absent(fake: FakeSlurm) -> None:
    search = fake.resource(use_squeue_monitor=True).find([replace(fake.worker(5), created_at=None)])
    assert not search.complete


def test_while_the_limits_are_not_known_accounting_is_asked(fake: FakeSlurm) -> None:
    fake.prints("scontrol", "", exit_code=1)
    resource = fake.resource()
    resource.find([fake.worker(5)])
    assert resource.process_starts["sacct"] == 1


SUBMIT_AND_DIE = """
import os, signal, sys
from pathlib import Path
from harvester.plugins.slurm.under_way import Submissions
with Submissions(Path(sys.argv[1])).announce(5, 9) as lock:
    import subprocess
    child = subprocess.Popen(["sleep", "600"], pass_fds=(lock,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_sbatch_that_outlives_a_killed_harvester_makes_searches_incomplete(fake: FakeSlurm) -> None:
    directory = fake.root / "slurm-submissions"
    dead = subprocess.run(
        [sys.executable, "-c", SUBMIT_AND_DIE, directory], capture_output=True, text=True, check=False
    )
    assert dead.returncode == -signal.SIGKILL
    resource = fake.resource()
    try:
        search = resource.find([fake.worker(7)])
        assert not search.complete
        assert "still at work" in search.reason
        assert resource.find([fake.worker(10)]).complete
    finally:
        os.kill(int(dead.stdout), signal.SIGKILL)
    while Submissions(directory).concerns({7}):
        pass
    assert resource.find([fake.worker(7)]).complete
    assert list(directory.iterdir()) == []


def test_a_submission_that_ended_leaves_nothing_behind(fake: FakeSlurm) -> None:
    fake.resource().submit([fake.worker(5)])
    assert list((fake.root / "slurm-submissions").iterdir()) == []


def test_living_jobs_are_cancelled_in_one_call(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row(f"17_{task}", "RUNNING", "test+100") for task in range(500)] + [row("18", "PENDING", "test-7")])
    workers = [fake.worker(100 + task, f"17_{task}") for task in range(500)] + [fake.worker(7, "18")]
    resource = fake.resource()
    assert set(resource.kill(workers)) == {Done()}
    assert fake.calls("scancel") == [["17_[0-499]", "18"]]
    assert resource.process_starts == {"squeue": 1, "scancel": 1}


def test_what_has_ended_or_is_somebody_elses_is_left_alone(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "COMPLETED", "test-5"), row("18", "RUNNING", "other-6")])
    assert fake.resource().kill([fake.worker(5, "17"), fake.worker(6, "18"), fake.worker(7, "19")]) == [Done()] * 3
    assert fake.calls("scancel") == []


def test_a_worker_whose_submission_was_never_recorded_is_killed_by_its_marker(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "RUNNING", "test-5")])
    assert fake.resource().kill([fake.worker(5)]) == [Done()]
    assert fake.calls("scancel") == [["17"]]


def test_a_kill_without_a_listing_is_tried_later(fake: FakeSlurm) -> None:
    fake.prints("squeue", "", exit_code=1, err="no connection")
    (outcome,) = fake.resource().kill([fake.worker(5, "17")])
    assert isinstance(outcome, Later)


def test_a_cancel_that_failed_is_tried_later_for_the_jobs_concerned(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "RUNNING", "test-5"), row("18", "COMPLETED", "test-6")])
    fake.prints("scancel", "", exit_code=1, err="scancel: error: Kill job error on job id 17")
    outcomes = fake.resource().kill([fake.worker(5, "17"), fake.worker(6, "18")])
    assert [type(outcome) for outcome in outcomes] == [Later, Done]


def test_long_lists_are_cut_to_fit_a_command_line(fake: FakeSlurm, row: Row) -> None:
    numbers = range(10_000_000, 10_012_000)
    fake.lists([row(str(number), "RUNNING", f"test-{number}") for number in numbers])
    worker = fake.worker(1)
    workers = [
        replace(worker, worker_id=number, marker=f"test-{number}", batch_id=str(number), access_point="/nowhere")
        for number in numbers
    ]
    assert set(fake.resource().kill(workers)) == {Done()}
    calls = fake.calls("scancel")
    assert len(calls) == 2
    assert sum(len(call) for call in calls) == len(numbers)


def test_cleaning_has_nothing_to_do(fake: FakeSlurm) -> None:
    assert fake.resource().clean([fake.worker(5, "17")]) == [Done()]


def test_queues_of_one_cluster_share_an_endpoint(fake: FakeSlurm) -> None:
    assert fake.resource().endpoint == fake.resource(templateFile=None, nCore=8).endpoint


@pytest.mark.parametrize(
    "other",
    [
        {"cluster": "other"},
        {"slurmConf": "/etc/other.conf"},
        {"squeue": "sudo -n -u atlas squeue"},
        {"sacct": "sudo -n -u atlas sacct"},
        {"use_squeue_monitor": True},
    ],
)
def test_queues_that_ask_in_another_way_have_another_endpoint(fake: FakeSlurm, other: dict[str, object]) -> None:
    assert fake.resource().endpoint != fake.resource(**other).endpoint


def test_accounting_that_is_never_asked_makes_no_difference(fake: FakeSlurm) -> None:
    first, second = (fake.resource(use_squeue_monitor=True, sacct=sacct) for sacct in ("sacct", "/opt/sacct"))
    assert first.endpoint == second.endpoint
