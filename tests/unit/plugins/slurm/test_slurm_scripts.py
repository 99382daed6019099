import subprocess
from pathlib import Path

import pytest

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.slurm.directives import read_head
from harvester.plugins.slurm.scripts import BatchJob, Script, batch_jobs, log_paths, make_script

PLAIN = "#!/bin/sh\n#SBATCH -n 1\n"


def _script(worker_id: int, text: str = PLAIN, access_point: str | None = None, marker: str | None = None) -> Script:
    place = access_point or f"/access/{worker_id}"
    worker = Worker(worker_id, "Q", WorkerStatus.PENDING, marker or f"test-{worker_id}", access_point=place)
    return make_script(worker, "test", text)


def _ids(jobs: list[BatchJob]) -> list[list[int]]:
    return [[script.worker.worker_id for script in job.scripts] for job in jobs]


def test_alike_scripts_become_one_array_in_the_order_of_their_ids() -> None:
    (job,) = batch_jobs([_script(9), _script(4), _script(5)], 1000)
    assert "--job-name=test+4" in job.arguments()
    assert "--array=0-1,5" in job.arguments()
    assert [job.batch_id_of(script, "77") for script in job.scripts] == ["77_0", "77_1", "77_5"]


def test_a_worker_of_its_own_shape_becomes_a_job_of_its_own() -> None:
    jobs = batch_jobs([_script(1), _script(2, "#!/bin/sh\n#SBATCH -n 8\n"), _script(3)], 1000)
    assert _ids(jobs) == [[1, 3], [2]]
    assert "--job-name=test-2" in jobs[1].arguments()
    assert not any(argument.startswith("--array") for argument in jobs[1].arguments())


def test_task_indices_stay_below_the_size_of_an_array() -> None:
    jobs = batch_jobs([_script(number) for number in (1, 2, 10, 11, 12, 500)], 10)
    assert _ids(jobs) == [[1, 2, 10], [11, 12], [500]]


@pytest.mark.parametrize(
    "line",
    [
        "#SBATCH -o {}/x.out",
        "#SBATCH -o{}/x.out -e {}/y.err",
        "#SBATCH --output={}/%j.out --error {}/%A_%a.err",
        "#SBATCH -J pilot{} -D {}",
        "#SBATCH --job-name={} # for people",
    ],
)
def test_a_workers_own_directives_do_not_split_an_array(line: str) -> None:
    scripts = [_script(number, f"{PLAIN}{line.replace('{}', f'/logs/{number}')}\n") for number in (1, 2)]
    assert _ids(batch_jobs(scripts, 1000)) == [[1, 2]]


def test_lines_after_the_first_command_are_not_directives() -> None:
    scripts = [_script(number, f"{PLAIN}\n# a comment\nid\n#SBATCH -n {number}\n") for number in (1, 2)]
    assert _ids(batch_jobs(scripts, 1000)) == [[1, 2]]


def test_output_names_that_only_slurm_can_fill_in_stay_single() -> None:
    scripts = [_script(number, f"{PLAIN}#SBATCH -o %N-%4j.out\n") for number in (1, 2)]
    assert _ids(batch_jobs(scripts, 1000)) == [[1], [2]]


@pytest.mark.parametrize("word", ["hetjob", "packjob"])
def test_jobs_of_several_components_stay_single(word: str) -> None:
    scripts = [_script(number, f"{PLAIN}#SBATCH {word}\n#SBATCH -n 2\n") for number in (1, 2)]
    assert _ids(batch_jobs(scripts, 1000)) == [[1], [2]]


def test_the_script_of_an_array_stays_small() -> None:
    deep = "/deep" * 200
    jobs = batch_jobs([_script(number, access_point=f"{deep}/{number}") for number in range(1000)], 1000)
    assert [script for ids in _ids(jobs) for script in ids] == list(range(1000))
    assert max(len(job.text()) for job in jobs) < 1_100_000
    assert len(jobs) < 10


def test_markers_that_do_not_follow_from_the_number_stay_single() -> None:
    assert _ids(batch_jobs([_script(1), _script(2, marker="test-2-1")], 1000)) == [[2], [1]]


def test_mixed_lines_keep_what_is_not_the_workers_own() -> None:
    head = read_head('#!/bin/sh\n#SBATCH -n 2 -o "/a b/x" --comment="two words"\n#DW persistent\n')
    assert head.shape == ("#SBATCH -n 2 '--comment=two words'", "#DW persistent")
    assert head.output == "/a b/x"


@pytest.mark.parametrize(
    ("text", "words"),
    [("echo\n", "#!"), ("#!/bin/sh\n#SBATCH -o 'x\n", "cannot be read"), ("#!/bin/sh\n#SBATCH --array=1-3\n", "array")],
)
def test_scripts_that_no_worker_can_have_are_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_head(text)


def test_log_files_by_default_and_as_the_template_names_them() -> None:
    default = log_paths(_script(7), "12_3")
    named = log_paths(_script(7, f"{PLAIN}#SBATCH -o logs/%j-%A-%a-%%.txt\n"), "12_3")
    assert (default["stdOut"], default["stdErr"]) == ("/access/7/7.out", "/access/7/7.err")
    assert named["stdOut"] == named["stdErr"] == "/access/7/logs/12_3-12-3-%.txt"


def test_a_single_job_has_the_task_number_of_none() -> None:
    logs = log_paths(_script(7, f"{PLAIN}#SBATCH -o %j-%A-%a.txt\n"), "12")
    assert logs["stdOut"] == "/access/7/12-12-4294967294.txt"


def _run(job: BatchJob, task: str = "", shell: str = "/bin/sh") -> subprocess.CompletedProcess[str]:
    """What Slurm does with a batch script: its own copy, started in the base worker's access point."""
    environment = {"PATH": "/usr/bin:/bin", "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": task}
    return subprocess.run(
        [shell], input=job.text(), env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def _stored(tmp_path: Path, worker_id: int, body: str) -> Script:
    place = tmp_path / f"it's ${{HOME}} of={worker_id}"
    place.mkdir()
    script = _script(worker_id, f"{PLAIN}{body}\n", str(place))
    script.store()
    return script


def test_an_element_runs_its_own_workers_script_in_its_own_place(tmp_path: Path) -> None:
    body = 'echo "$HARVESTER_ID $HARVESTER_WORKER_ID"; pwd; echo trouble >&2; exit 3'
    scripts = [_stored(tmp_path, number, body) for number in (4, 6)]
    (job,) = batch_jobs(scripts, 1000)
    place = Path(scripts[1].worker.access_point)
    assert _run(job, "2").returncode == 3
    assert (place / "6.out").read_text() == f"test 6\n{place}\n"
    assert (place / "6.err").read_text() == "trouble\n"
    assert (place / ".exit_code").read_text() == "3\n"
    assert not (Path(scripts[0].worker.access_point) / ".exit_code").exists()


def test_a_single_job_leaves_its_output_to_slurm(tmp_path: Path) -> None:
    (job,) = batch_jobs([_stored(tmp_path, 4, "echo hello; exit 0")], 1000)
    done = _run(job)
    assert (done.returncode, done.stdout) == (0, "hello\n")
    assert f"--output={job.scripts[0].output}" in job.arguments()


def test_an_element_fills_in_output_patterns(tmp_path: Path) -> None:
    scripts = [_stored(tmp_path, number, "#SBATCH -o log-%j-%A-%a-%%.txt\necho hi") for number in (4, 5)]
    (job,) = batch_jobs(scripts, 1000)
    _run(job, "1")
    assert Path(log_paths(scripts[1], "12_1")["stdOut"]).read_text() == "hi\n"


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "ALRM", "TERM", "USR1", "USR2", "URG", "CONT", "TSTP"])
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_signals_for_the_batch_script_reach_the_worker(tmp_path: Path, name: str, shell: str) -> None:
    body = f"trap 'exit 5' {name}\nkill -s {name} $PPID\nsleep 20 >/dev/null 2>&1 & wait"
    (job,) = batch_jobs([_stored(tmp_path, 4, body)], 1000)
    assert _run(job, shell=shell).returncode == 5


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_worker_starts_with_no_signal_ignored(tmp_path: Path, shell: str) -> None:
    (job,) = batch_jobs([_stored(tmp_path, 4, "grep SigIgn /proc/self/status")], 1000)
    assert int(_run(job, shell=shell).stdout.split()[1], 16) & 0b110 == 0


@pytest.mark.parametrize(("mode", "text"), [("append", "first\nsecond\n"), ("truncate", "second\n")])
def test_an_element_appends_to_its_output_if_the_template_says_so(tmp_path: Path, mode: str, text: str) -> None:
    body = f"#SBATCH --open-mode={mode}\n#SBATCH -o log -e err\necho second\necho second >&2"
    scripts = [_stored(tmp_path, number, body) for number in (4, 5)]
    files = [Path(scripts[1].worker.access_point) / name for name in ("log", "err")]
    for file in files:
        file.write_text("first\n")
    _run(*batch_jobs(scripts, 1000), task="1")
    assert [file.read_text() for file in files] == [text, text]


def test_scripts_are_for_their_owner_only_and_do_not_follow_links(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    script = _script(4, access_point=str(tmp_path))
    script.path.symlink_to(target)
    script.store()
    assert target.read_text() == "precious"
    assert script.path.stat().st_mode & 0o777 == 0o700
