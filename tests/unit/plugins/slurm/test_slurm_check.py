import os
from datetime import UTC, datetime

import pytest
from fake_slurm import SQUEUE_HEAD, FakeSlurm, Row

from harvester.core.workers import WorkerStatus
from harvester.plugins.api import Gone, Seen, Unknown
from harvester.plugins.slurm.states import STATES

LIVE = {"PENDING": "submitted", "CONFIGURING": "submitted", "RUNNING": "running", "COMPLETING": "running"}
ENDED = {
    "COMPLETED": "finished",
    "FAILED": "failed",
    "TIMEOUT": "failed",
    "PREEMPTED": "failed",
    "CANCELLED": "cancelled",
}


@pytest.mark.parametrize(("state", "status"), [*LIVE.items(), *ENDED.items()])
def test_what_a_state_means(fake: FakeSlurm, row: Row, state: str, status: str) -> None:
    fake.lists([row("17", state, "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert isinstance(outcome, Seen)
    assert (outcome.status, outcome.native_status) == (WorkerStatus(status), state)


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_the_table_gives_an_outcome(fake: FakeSlurm, row: Row, state: str) -> None:
    fake.lists([row("17", state, "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert isinstance(outcome, Seen)
    assert (outcome.ended_at is not None) == outcome.status.is_final


def test_a_state_that_nobody_knows_is_unknown(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "BANANA", "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert isinstance(outcome, Unknown)
    assert "BANANA" in outcome.reason


def test_facts_of_an_ended_job(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "FAILED", "test-5", exit_text="1792", reason="NonZeroExitCode")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert (outcome.exit_code, outcome.node) == (7, "n1")
    assert outcome.started_at == datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
    assert outcome.ended_at == datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
    assert outcome.diagnostics == "Slurm: FAILED: ended with exit code 7: NonZeroExitCode"


@pytest.mark.parametrize(("state", "words", "code"), [("TIMEOUT", "1:00:00", 4215), ("NODE_FAIL", "node n1", 4201)])
def test_the_reason_of_a_failure_is_told(fake: FakeSlurm, row: Row, state: str, words: str, code: int) -> None:
    fake.lists([row("17", state, "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert words in outcome.diagnostics
    assert outcome.error_code == code


def test_a_waiting_job_has_neither_started_nor_ended_and_tells_why_it_waits(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "PENDING", "test-5", reason="JobHeldUser")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert (outcome.started_at, outcome.ended_at, outcome.exit_code) == (None, None, None)
    assert "JobHeldUser" in outcome.diagnostics


def test_a_thousand_workers_are_one_listing(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row(f"17_{task}", "RUNNING", "test+100") for task in range(1000)])
    resource = fake.resource()
    outcomes = resource.check([fake.worker(100 + task, f"17_{task}") for task in range(1000)])
    assert {outcome.status for outcome in outcomes} == {WorkerStatus.RUNNING}
    assert resource.process_starts == {"squeue": 1}


def test_jobs_that_the_controller_forgot_are_one_question_to_accounting(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17_0", "RUNNING", "test+100")])
    fake.accounts(
        [row("17_1", "COMPLETED", "test+100", exit_text="0:0"), row("18", "TIMEOUT", "test-7", exit_text="0:0")]
    )
    workers = [fake.worker(100, "17_0"), fake.worker(101, "17_1"), fake.worker(7, "18")]
    resource = fake.resource()
    statuses = [outcome.status for outcome in resource.check(workers)]
    assert statuses == [WorkerStatus.RUNNING, WorkerStatus.FINISHED, WorkerStatus.FAILED]
    assert resource.process_starts == {"squeue": 1, "sacct": 1}
    (call,) = fake.calls("sacct")
    assert "--jobs=17,18" in call
    assert "--starttime=2026-03-01T11:00:00" in call


def test_a_batch_id_that_was_given_to_another_job_is_not_ours(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "RUNNING", "somebody-else"), row("18_1", "RUNNING", "test+7")])
    outcomes = fake.resource().check([fake.worker(5, "17"), fake.worker(6, "18_1")])
    assert [type(outcome) for outcome in outcomes] == [Gone, Gone]


def test_gone_needs_both_listings(fake: FakeSlurm) -> None:
    assert isinstance(fake.resource().check([fake.worker(5, "17")])[0], Gone)


@pytest.mark.parametrize("printed", ["", "17|RUNNING\n", "please wait\n"])
def test_a_listing_without_heading_leaves_everything_unknown(fake: FakeSlurm, printed: str) -> None:
    fake.prints("squeue", printed)
    resource = fake.resource()
    assert isinstance(resource.check([fake.worker(5, "17")])[0], Unknown)
    assert resource.process_starts == {"squeue": 1}


def test_a_listing_that_failed_leaves_everything_unknown(fake: FakeSlurm) -> None:
    fake.prints("squeue", "", exit_code=1, err="slurm_load_jobs error: Unable to contact slurm controller")
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert isinstance(outcome, Unknown)
    assert "Unable to contact" in outcome.reason


def test_a_listing_that_is_cut_off_tells_of_those_it_shows_only(fake: FakeSlurm, row: Row) -> None:
    shown = row("17", "RUNNING", "test-5")
    fake.prints(
        "squeue", f"JOBID|STATE|EXIT_CODE|START_TIME|END_TIME|TIME_LIMIT|NODELIST|REASON|NAME|\n{shown}\n18|RUN"
    )
    outcomes = fake.resource().check([fake.worker(5, "17"), fake.worker(6, "18")])
    assert [type(outcome) for outcome in outcomes] == [Seen, Unknown]


def test_accounting_that_is_down_leaves_the_missing_unknown(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "RUNNING", "test-5")])
    fake.prints("sacct", "", exit_code=1, err="sacct: error: Problem talking to the database: Connection refused")
    outcomes = fake.resource().check([fake.worker(5, "17"), fake.worker(6, "18")])
    assert [type(outcome) for outcome in outcomes] == [Seen, Unknown]


SWITCHED_OFF = "Slurm accounting storage is disabled\n"


def test_without_accounting_the_exit_code_file_tells(fake: FakeSlurm) -> None:
    fake.prints("sacct", "", exit_code=1, err=SWITCHED_OFF)
    workers = [fake.worker(number, str(number)) for number in (5, 6, 7)]
    (fake.root / "ap-5" / ".exit_code").write_text("0\n")
    (fake.root / "ap-6" / ".exit_code").write_text("3\n")
    first, second, third = fake.resource().check(workers)
    assert (first.status, first.exit_code) == (WorkerStatus.FINISHED, 0)
    assert (second.status, second.exit_code) == (WorkerStatus.FAILED, 3)
    assert isinstance(third, Gone)


def test_a_queue_may_do_without_accounting(fake: FakeSlurm) -> None:
    resource = fake.resource(use_squeue_monitor=True)
    assert isinstance(resource.check([fake.worker(5, "17")])[0], Gone)
    assert "sacct" not in resource.process_starts


def test_a_missing_sacct_means_no_accounting(fake: FakeSlurm) -> None:
    assert isinstance(fake.resource(sacct="/nowhere/sacct").check([fake.worker(5, "17")])[0], Gone)


@pytest.mark.parametrize("state", ["RUNNING", "PENDING"])
@pytest.mark.parametrize(("listed", "batch_id", "name"), [("17", "17", "test-5"), ("17_[1-3]", "17_1", "test+4")])
def test_a_job_that_only_accounting_calls_alive_is_unknown(  # noqa: PLR0917 - fixtures and tables
    fake: FakeSlurm, row: Row, state: str, listed: str, batch_id: str, name: str
) -> None:
    fake.accounts([row(listed, state, name, exit_text="0:0")])
    worker = fake.worker(5, batch_id)
    (fake.root / "ap-5" / ".exit_code").write_text("0\n")
    (outcome,) = fake.resource().check([worker])
    assert isinstance(outcome, Unknown)
    assert f"sacct says {state}" in outcome.reason


def test_files_left_behind_prove_nothing_while_the_listing_is_not_whole(fake: FakeSlurm, row: Row) -> None:
    fake.prints("squeue", f"{SQUEUE_HEAD}\n{row('99', 'RUNNING', 'other')}\n17|RUNN")
    worker = fake.worker(5, "17")
    (fake.root / "ap-5" / "FINISHED").write_text('{"worker_status": "finished"}')
    (fake.root / "ap-5" / ".exit_code").write_text("0\n")
    (outcome,) = fake.resource().check([worker])
    assert isinstance(outcome, Unknown)
    assert "squeue" in outcome.reason


def test_a_heterogeneous_job_is_as_its_first_component(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17+0", "RUNNING", "test-5"), row("17+1", "PENDING", "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert outcome.status is WorkerStatus.RUNNING


@pytest.mark.parametrize("listed", ["17+1", "17.cloud"])
def test_a_job_of_which_only_a_part_is_listed_is_unknown(fake: FakeSlurm, row: Row, listed: str) -> None:
    fake.lists([row(listed, "RUNNING", "test-5")])
    (outcome,) = fake.resource().check([fake.worker(5, "17")])
    assert isinstance(outcome, Unknown)
    assert "squeue says RUNNING" in outcome.reason


@pytest.mark.parametrize(
    ("state", "content", "status"),
    [
        ("COMPLETED", '{"worker_status": "failed"}', "failed"),
        ("FAILED", '{"worker_status": "finished"}', "finished"),
        ("FAILED", "", "finished"),
        ("FAILED", "not json", "failed"),
        ("FAILED", "[" * 60_000, "failed"),
        ("FAILED", '{"a":' * 10_000 + "1" + "}" * 10_000, "failed"),
        ("FAILED", " " * 70_000, "failed"),
        ("FAILED", '["finished"]', "failed"),
        ("FAILED", '{"worker_status": ["x"]}', "failed"),
        ("RUNNING", '{"worker_status": "finished"}', "running"),
    ],
)
def test_a_workers_own_word_on_its_end(fake: FakeSlurm, row: Row, state: str, content: str, status: str) -> None:
    fake.lists([row("17", state, "test-5")])
    worker = fake.worker(5, "17")
    (fake.root / "ap-5" / "FINISHED").write_text(content)
    assert fake.resource().check([worker])[0].status == WorkerStatus(status)


@pytest.mark.parametrize("name", ["FINISHED", ".exit_code"])
@pytest.mark.parametrize("kind", ["fifo", "link", "directory", "long", "binary"])
def test_hostile_files_in_the_access_point_are_passed_over(fake: FakeSlurm, name: str, kind: str) -> None:
    worker = fake.worker(5, "17")
    path = fake.root / "ap-5" / name
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "link":
            path.symlink_to("/dev/zero")
        case "directory":
            path.mkdir()
        case "long":
            path.write_text("1" * 100_000)
        case "binary":
            path.write_bytes(b"\xff\xfe\x00")
    assert isinstance(fake.resource().check([worker])[0], Gone)


def test_a_worker_without_batch_id_is_unknown(fake: FakeSlurm) -> None:
    assert isinstance(fake.resource().check([fake.worker(5)])[0], Unknown)


def test_the_users_own_filters_do_not_reach_the_listing(fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "PENDING")
    monkeypatch.setenv("SLURM_CLUSTERS", "other")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    fake.does("squeue", f'echo "${{SQUEUE_STATES-unset}} ${{SLURM_CLUSTERS-unset}} $TZ" >{fake.root}/seen')
    fake.resource().check([fake.worker(5, "17")])
    assert (fake.root / "seen").read_text() == "unset unset UTC\n"


def test_elements_that_were_cancelled_while_they_waited_share_one_record(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "CANCELLED", "test+100"), row("17_0", "FAILED", "test+100", exit_text="256")])
    fake.accounts([row("17_2", "COMPLETED", "test+100", exit_text="0:0")])
    workers = [fake.worker(100 + task, f"17_{task}") for task in range(3)]
    statuses = [outcome.status for outcome in fake.resource().check(workers) if isinstance(outcome, Seen)]
    assert statuses == [WorkerStatus.FAILED, WorkerStatus.CANCELLED, WorkerStatus.FINISHED]


def test_accounting_keeps_their_record_in_another_form(fake: FakeSlurm, row: Row) -> None:
    fake.accounts([row("17_[1,3-5]", "CANCELLED by 0", "test+100", exit_text="0:0")])
    (outcome,) = fake.resource().check([fake.worker(103, "17_3")])
    assert isinstance(outcome, Seen)
    assert outcome.status is WorkerStatus.CANCELLED


def test_the_record_of_another_array_is_not_ours(fake: FakeSlurm, row: Row) -> None:
    fake.lists([row("17", "CANCELLED", "test+999")])
    assert isinstance(fake.resource().check([fake.worker(100, "17_0")])[0], Gone)
