import contextlib
import re
from dataclasses import replace

import psutil
import pytest
from fake_slurm import FakeSlurm

from harvester.plugins.api import Refused, Submitted, Unclear
from harvester.plugins.slurm.answers import TooMuch


def test_alike_workers_are_one_sbatch(fake: FakeSlurm) -> None:
    resource = fake.resource()
    outcomes = resource.submit([fake.worker(number) for number in (5, 6, 8)])
    assert [outcome.batch_id for outcome in outcomes] == ["17_0", "17_1", "17_3"]
    (call,) = fake.calls("sbatch")
    assert {"--parsable", "--job-name=test+5", "--array=0-1,3", f"--chdir={fake.root}/ap-5"} <= set(call)
    assert resource.process_starts == {"sbatch": 1, "scontrol": 1}


def test_a_thousand_workers_are_one_sbatch(fake: FakeSlurm) -> None:
    resource = fake.resource()
    outcomes = resource.submit([fake.worker(number) for number in range(1000)])
    assert len({outcome.batch_id for outcome in outcomes}) == 1000
    assert resource.process_starts["sbatch"] == 1


def test_one_worker_is_a_plain_job_that_carries_its_marker(fake: FakeSlurm) -> None:
    (outcome,) = fake.resource().submit([fake.worker(5)])
    assert outcome.batch_id == "17"
    assert "--job-name=test-5" in fake.calls("sbatch")[0]


def test_answers_keep_the_order_of_the_workers(fake: FakeSlurm) -> None:
    outcomes = fake.resource().submit([fake.worker(number) for number in (8, 5, 6)])
    assert [outcome.batch_id for outcome in outcomes] == ["17_3", "17_0", "17_1"]


def test_the_scripts_hold_what_the_template_says(fake: FakeSlurm) -> None:
    fake.resource().submit([fake.worker(5, cores=4), fake.worker(6, cores=4)])
    assert (fake.root / "ap-6" / "6_submit.sh").read_text() == "#!/bin/sh\n#SBATCH -n 4\nexec pilot --worker 6\n"
    assert "#SBATCH -n 4\n" in (fake.root / "sbatch.input").read_text()


def test_workers_of_two_shapes_are_two_sbatch(fake: FakeSlurm) -> None:
    fake.resource().submit([fake.worker(5, cores=1), fake.worker(6, cores=8), fake.worker(7, cores=1)])
    names = [argument for call in fake.calls("sbatch") for argument in call if argument.startswith("--job-name")]
    assert names == ["--job-name=test+5", "--job-name=test-6"]


def test_the_cluster_limits_the_arrays(fake: FakeSlurm) -> None:
    fake.prints("scontrol", "MaxArraySize = 2\n")
    fake.resource().submit([fake.worker(number) for number in range(5)])
    assert len(fake.calls("sbatch")) == 3


def test_the_queue_limits_the_arrays(fake: FakeSlurm) -> None:
    fake.resource(arraySize=1).submit([fake.worker(number) for number in range(3)])
    assert len(fake.calls("sbatch")) == 3


def test_options_of_the_queue_come_first_so_that_ours_win(fake: FakeSlurm) -> None:
    fake.resource(submitOptions=["--exclusive=user"], cluster="big").submit([fake.worker(5)])
    assert fake.calls("sbatch")[0][:3] == ["--exclusive=user", "--clusters=big", "--parsable"]


def test_logs_are_urls_where_the_queue_has_a_base(fake: FakeSlurm) -> None:
    resource = fake.resource(logDir=str(fake.root), logBaseURL="https://logs.example.org/q/")
    (outcome,) = resource.submit([fake.worker(5)])
    assert outcome.log_urls["stdOut"] == "https://logs.example.org/q/ap-5/5.out"


def test_the_partition_with_the_fewest_waiting_jobs_is_taken(fake: FakeSlurm) -> None:
    fake.template.write_text("#!/bin/sh\n#SBATCH -p {partition}\n")
    fake.prints("squeue", "long|\nlong|\nshort|\n")
    outcomes = fake.resource(partitions="long, short", checkPartition=True).submit([fake.worker(5)])
    assert outcomes[0].batch_queue == "short"
    assert "#SBATCH -p short\n" in (fake.root / "sbatch.input").read_text()


def test_commands_may_have_arguments_of_their_own(fake: FakeSlurm) -> None:
    fake.settings["sbatch"] = f"/usr/bin/env MARK=1 {fake.root}/sbatch"
    assert fake.resource().submit([fake.worker(5)])[0].batch_id == "17"


@pytest.mark.parametrize(
    ("printed", "batch_id"), [("17;big\n", "17"), ("Submitted batch job 18\n", "18"), ("motd\n19\n", "19")]
)
def test_job_ids_in_the_forms_that_sites_print(fake: FakeSlurm, printed: str, batch_id: str) -> None:
    fake.prints("sbatch", printed)
    assert fake.resource().submit([fake.worker(5)])[0].batch_id == batch_id


@pytest.mark.parametrize("printed", ["", "garbage", "job 12 of 13", "1e5", "\x00\xff", "-3", "12_3"])
def test_an_answer_without_a_job_id_is_unclear(fake: FakeSlurm, printed: str) -> None:
    fake.prints("sbatch", printed.replace("\x00", "?"))
    (outcome,) = fake.resource().submit([fake.worker(5)])
    assert isinstance(outcome, Unclear)
    assert "job id" in outcome.reason


REFUSALS = [
    ("sbatch: error: Batch job submission failed: Invalid partition name specified", "permanent"),
    ("sbatch: error: invalid partition specified: x", "permanent"),
    ("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)", "for now"),
    ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", "for now"),
]


@pytest.mark.parametrize(("words", "how_long"), REFUSALS)
def test_what_sbatch_refuses_is_refused_with_its_words(fake: FakeSlurm, words: str, how_long: str) -> None:
    fake.prints("sbatch", "", exit_code=1, err=words)
    outcomes = fake.resource().submit([fake.worker(5), fake.worker(6)])
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].permanent == (how_long == "permanent")
    assert words in outcomes[0].reason


@pytest.mark.parametrize(
    "words", ["sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", "", "Killed"]
)
def test_a_failure_after_which_the_job_may_exist_is_unclear(fake: FakeSlurm, words: str) -> None:
    fake.prints("sbatch", "", exit_code=1, err=words)
    assert isinstance(fake.resource().submit([fake.worker(5)])[0], Unclear)


def test_an_sbatch_that_is_killed_is_unclear(fake: FakeSlurm) -> None:
    fake.does("sbatch", "kill -s KILL $$")
    assert isinstance(fake.resource().submit([fake.worker(5)])[0], Unclear)


def test_an_sbatch_that_hangs_is_ended_with_its_children(fake: FakeSlurm) -> None:
    fake.does("sbatch", f"sleep 600 & echo $! >{fake.root}/child; wait")
    (outcome,) = fake.resource(commandTimeout=1).submit([fake.worker(5)])
    assert isinstance(outcome, Unclear)
    assert "within 1 s" in outcome.reason
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(int((fake.root / "child").read_text()))
        psutil.wait_procs([child], timeout=30)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


LIMITED = """
tasks=1
for word; do
    case $word in --array=*) tasks=$(echo "${word#--array=}" | awk -F, \
        '{for (i = 1; i <= NF; i++) {split($i, a, "-"); n += a[2] == "" ? 1 : a[2] - a[1] + 1}; print n}');; esac
done
cd "$(dirname "$0")" || exit
taken=$(cat taken 2>/dev/null || echo 0)
if [ $((taken + tasks)) -gt LIMIT ]; then WORDS; fi
echo $((taken + tasks)) >taken
echo $((taken + 100))
"""
LIMIT_WORDS = [
    'echo "sbatch: error: AssocMaxSubmitJobLimit" >&2; exit 1',
    'echo "sbatch: error: Batch job submission failed: Invalid job array specification" >&2; exit 1',
    'echo "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying" >&2; exec sleep 600',
]


@pytest.mark.parametrize(("number", "limit"), [(1000, 0), (1000, 999), (200, 77), (30, 20), (2, 1), (1, 0), (20, 20)])
@pytest.mark.parametrize("words", LIMIT_WORDS, ids=["refuses", "refuses arrays", "asks again"])
def test_an_array_that_does_not_fit_fills_what_room_there_is(
    fake: FakeSlurm, number: int, limit: int, words: str
) -> None:
    fake.does("sbatch", LIMITED.replace("LIMIT", str(limit)).replace("WORDS", words))
    resource = fake.resource()
    outcomes = resource.submit([fake.worker(each) for each in range(number)])
    taken = [outcome for outcome in outcomes if isinstance(outcome, Submitted)]
    assert len({outcome.batch_id for outcome in taken}) == min(limit, number)
    assert all(isinstance(outcome, Refused) and not outcome.permanent for outcome in outcomes[len(taken) :])
    assert resource.process_starts["sbatch"] <= 2 * number.bit_length() + 1


def test_a_full_queue_costs_one_sbatch_for_jobs_that_fit_into_no_array(fake: FakeSlurm) -> None:
    fake.template.write_text("#!/bin/sh\n#SBATCH -o %N.out\n")
    fake.prints("sbatch", "", exit_code=1, err="sbatch: error: AssocMaxSubmitJobLimit")
    resource = fake.resource()
    outcomes = resource.submit([fake.worker(number) for number in range(50)])
    assert {type(outcome) for outcome in outcomes} == {TooMuch}
    assert resource.process_starts["sbatch"] == 1


@pytest.mark.parametrize("words", ["Unable to contact slurm controller (connect failure)", "Invalid account"])
def test_an_array_that_is_refused_whatever_its_size_is_not_cut(fake: FakeSlurm, words: str) -> None:
    fake.prints("sbatch", "", exit_code=1, err=f"sbatch: error: Batch job submission failed: {words}")
    fake.resource().submit([fake.worker(number) for number in range(50)])
    assert len(fake.calls("sbatch")) == 1


def test_the_users_own_defaults_do_not_reach_the_submission(fake: FakeSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SBATCH_ARRAY_INX", "SBATCH_WAIT", "SLURM_CLUSTERS"):
        monkeypatch.setenv(name, "1-3")
    monkeypatch.setenv("PILOT_SETTING", "kept")
    fake.does("sbatch", f"env >{fake.root}/seen; echo 17")
    fake.resource().submit([fake.worker(5)])
    seen = (fake.root / "seen").read_text()
    assert "PILOT_SETTING=kept" in seen
    assert not re.search("^(SBATCH_|SLURM_CLUSTERS)", seen, re.MULTILINE)


def test_a_missing_sbatch_is_a_refusal(fake: FakeSlurm) -> None:
    (outcome,) = fake.resource(sbatch="/nowhere/sbatch").submit([fake.worker(5)])
    assert isinstance(outcome, Refused)
    assert "/nowhere/sbatch" in outcome.reason


def test_one_shape_that_fails_does_not_touch_the_other(fake: FakeSlurm) -> None:
    refusing = 'case "$*" in *--job-name=test-6*) echo "sbatch: error: Invalid account" >&2; exit 1;; esac; echo 17'
    fake.does("sbatch", refusing)
    outcomes = fake.resource().submit([fake.worker(5), fake.worker(6, cores=8), fake.worker(7)])
    assert [type(outcome) for outcome in outcomes] == [Submitted, Refused, Submitted]


def test_one_access_point_that_is_gone_does_not_touch_the_others(fake: FakeSlurm) -> None:
    lost = replace(fake.worker(6), access_point=str(fake.root / "gone"))
    relative = replace(fake.worker(7), access_point="relative")
    outcomes = fake.resource().submit([fake.worker(5), lost, relative, fake.worker(8)])
    assert [type(outcome) for outcome in outcomes] == [Submitted, Refused, Refused, Submitted]
    assert "gone" in outcomes[1].reason


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "cannot be read"),
        ("echo\n", "#!"),
        ("#!/bin/sh\n${A:-b}\n", "brace"),
        ("#!/bin/sh\n#SBATCH -a 1-3\n", "array"),
    ],
)
def test_a_broken_template_is_refused_without_asking_slurm(fake: FakeSlurm, template: str | None, words: str) -> None:
    if template is None:
        fake.template.unlink()
    else:
        fake.template.write_text(template)
    (outcome,) = fake.resource().submit([fake.worker(5)])
    assert isinstance(outcome, Refused)
    assert words in outcome.reason
    assert str(fake.template) in outcome.reason
    assert not fake.calls("sbatch")


def test_without_a_template_the_queue_is_named(fake: FakeSlurm) -> None:
    (outcome,) = fake.resource(templateFile=None).submit([fake.worker(5)])
    assert isinstance(outcome, Refused)
    assert "QUEUE" in outcome.reason
    assert "templateFile" in outcome.reason
