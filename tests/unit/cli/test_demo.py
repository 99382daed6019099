import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from cli_tools import CommandLine
from typer.testing import CliRunner

from harvester.cli.demo.children import Child, ChildError
from harvester.cli.demo.counting import COMMANDS, NoSlurmError, count_starts, make_counting_commands
from harvester.cli.demo.outputs import run_more_than_once, verify
from harvester.cli.demo.plan import Mode, Plan, ResourceKind, take_offline, write_files
from harvester.cli.demo.summary import Summary
from harvester.cli.main import app

SUMMARY = Summary(Mode.PUSH, ResourceKind.LOCAL, 2, 2, 0, 2, 3, 3, 0, 4.56)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(2, Mode.PUSH, ResourceKind.LOCAL, tmp_path)


def stored_job(plan: Plan, **told: object) -> dict[str, object]:
    """A finished job as the server remembers it, its output stored."""
    content = b"result"
    plan.stored("demo.1.out").parent.mkdir(parents=True, exist_ok=True)
    plan.stored("demo.1.out").write_bytes(content)
    facts = {"guid": "G", "fsize": len(content), "adler32": f"{zlib.adler32(content):08x}", **told}
    return {"job_id": 1, "params": {"outFiles": "demo.1.out"}, "output_report": json.dumps({"demo.1.out": facts})}


def test_an_output_that_is_stored_as_told_is_verified(plan: Plan):
    assert verify(plan, stored_job(plan)) == ""


@pytest.mark.parametrize(("told", "says"), [({"fsize": 7}, "fsize 6"), ({"adler32": "00000000"}, "adler32")])
def test_an_output_that_is_not_as_told_is_a_problem(plan: Plan, told: dict[str, object], says: str):
    assert says in verify(plan, stored_job(plan, **told))


def test_a_missing_output_is_a_problem(plan: Plan):
    job = stored_job(plan)
    plan.stored("demo.1.out").unlink()
    assert "No such file" in verify(plan, job)


@pytest.mark.parametrize("report", [None, "", "{}", "[]", "no json"])
def test_an_output_that_was_not_reported_is_a_problem(plan: Plan, report: str | None):
    assert verify(plan, {**stored_job(plan), "output_report": report}).startswith("job 1: ")


def test_a_job_that_was_started_twice_is_noticed(plan: Plan):
    plan.executions.mkdir()
    (plan.executions / "journal").write_text("1 10 t\n2 11 t\n1 12 t\n")
    (plan.executions / "refused").write_text("3 13 t\n")
    assert run_more_than_once(plan) == [1, 3]


@pytest.mark.parametrize("resource", ResourceKind)
@pytest.mark.parametrize("mode", Mode)
def test_the_written_configuration_is_without_mistakes(tmp_path: Path, mode: Mode, resource: ResourceKind):
    plan = Plan(5, mode, resource, tmp_path)
    write_files(plan, "http://127.0.0.1:25080/api/v1", {name: tmp_path / name for name in COMMANDS})
    assert CommandLine(tmp_path)("check", "--queues", str(plan.queues)).stdout == ""
    take_offline(plan)
    (told,) = CommandLine(tmp_path)("check", "--queues", str(plan.queues)).stdout.splitlines()
    assert "no queue is served" in told


def test_the_summary_for_programs_has_exactly_this_form():
    assert json.dumps(SUMMARY.to_json()) == (
        '{"mode": "push", "resource": "local", "jobs": {"total": 2, "finished": 2, "failed": 0}, '
        '"workers": {"submitted": 3, "finished": 3, "missed": 0}, "outputs": {"verified": 2}, "seconds": 4.6}'
    )


def test_starts_of_commands_are_counted_and_the_commands_still_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = tmp_path / "real"
    real.mkdir()
    for name in COMMANDS:
        (real / name).write_text('#!/bin/sh\necho "$@"\n')
        (real / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{real}:{os.environ['PATH']}")
    commands = make_counting_commands(tmp_path / "it's")
    for _ in range(2):
        told = subprocess.run([commands["squeue"], "--me", "a b"], capture_output=True, text=True, check=True)
        assert told.stdout == "--me a b\n"
    assert count_starts(tmp_path / "it's") == {"sbatch": 0, "squeue": 2, "sacct": 0, "scancel": 0}


def test_without_slurm_the_demonstration_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSlurmError, match="sbatch is not in PATH"):
        make_counting_commands(tmp_path / "commands")


def test_a_directory_in_use_is_not_touched(tmp_path: Path):
    (tmp_path / "precious").touch()
    result = CliRunner().invoke(app, ["demo", "--keep", str(tmp_path)])
    assert result.exit_code == 1
    assert "is not empty" in result.stderr


@pytest.mark.system
def test_a_child_that_does_not_start_is_quoted(tmp_path: Path):
    child = Child("development server", ["dev-server", "--host", "192.0.2.1"], tmp_path / "said")
    with child, pytest.raises(ChildError, match="loopback only"):
        child.first_line()


@pytest.mark.system
@pytest.mark.parametrize("mode", Mode)
def test_a_demonstration_ends_with_all_jobs_finished_and_nothing_left_behind(tmp_path: Path, mode: Mode):
    command = [sys.executable, "-P", "-m", "harvester", "demo", "--jobs", "3", "--mode", mode, "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["jobs"] == {"total": 3, "finished": 3, "failed": 0}
    assert told["outputs"] == {"verified": 3}
    assert told["workers"]["submitted"] == told["workers"]["finished"] >= 3
    assert list(tmp_path.iterdir()) == []
