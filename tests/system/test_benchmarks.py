"""Benchmarks still run, in small, and tell what their readers expect; the lifecycle loses and doubles nothing."""

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from all import BENCHMARKS
from scripts import figures_of

pytestmark = pytest.mark.system

FOLDER = Path(__file__).parents[2] / "benchmarks"
ROUND = {"workers", "seconds", "first_round_seconds", "peak_rss_mib"}
DOOR = {"workers", "requests_per_second", "median_ms", "p99_ms", "cpu_seconds_per_1000"}
LATENCY = {"jobs", "submitted_median", "worker_told_median"}
LIFE = {"workers", "seconds", "workers_per_second", "cpu_seconds_per_1000", "peak_rss_mib"}


@pytest.mark.parametrize(
    ("script", "arguments", "positive"),
    [
        ("monitor.py", ["--workers", "300", "--changed", "1"], ROUND | {"changed_percent"}),
        ("restart.py", ["--workers", "300"], ROUND),
        ("latency.py", ["--jobs", "4", "--queues", "2", "--within", "0", "--run-seconds", "0.1"], LATENCY),
        ("messenger.py", ["--workers", "300", "--seconds", "1"], DOOR),
        ("bare.py", ["--workers", "200", "--mode", "pull"], LIFE),
        ("bare.py", ["--workers", "200", "--mode", "push"], LIFE),
        ("lifecycle.py", ["--workers", "200", "--mode", "pull", "--at-once", "100", "--live", "100"], LIFE),
        ("lifecycle.py", ["--workers", "200", "--mode", "push", "--at-once", "100", "--kept", "100"], LIFE),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_runs_and_tells(tmp_path: Path, script: str, arguments: list[str], positive: set[str]):
    is_pulling = script == "lifecycle.py" and "pull" in arguments
    command = [sys.executable, str(FOLDER / script), *arguments, "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    in_the_table = {figure for each in BENCHMARKS if each.script == script for figure in each.targets or ()}
    assert in_the_table <= told.keys()
    assert {name for name in positive if told[name] > 0} == positive
    for option, number in pairwise(arguments):
        if option in {"--workers", "--jobs"}:
            more = told[option.removeprefix("--")] - int(number)
            assert more == 0 or (more > 0 and is_pulling), "pulling goes on until somebody looks"
    assert not list(tmp_path.iterdir()), "it left something behind"


def test_leaves_nothing_when_it_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(subprocess.TimeoutExpired):
        figures_of("lifecycle.py", ["--workers", "1000000"], seconds=4)
    assert not list(tmp_path.iterdir())
    assert not [each for each in psutil.process_iter(["cwd"]) if str(each.info["cwd"]).startswith(str(tmp_path))]
