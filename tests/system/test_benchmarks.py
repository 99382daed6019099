"""Benchmarks still run, in small, and tell what their readers expect; the lifecycle loses and doubles nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROUND = {"engine", "workers", "seconds", "cpu_seconds", "peak_rss_mib"}
LIFE = {"engine", "mode", "workers", "seconds", "workers_per_second", "cpu_seconds_per_1000", "peak_rss_mib"}
LATENCY = {"submitted_median", "submitted_beyond_poll_median", "worker_told_median", "worker_told_beyond_poll_median"}


@pytest.mark.parametrize(
    ("script", "arguments", "keys"),
    [
        ("monitor.py", ["--workers", "300", "--changed", "1"], ROUND | {"changed_percent"}),
        ("restart.py", ["--workers", "300"], ROUND | {"first_round_seconds"}),
        ("latency.py", ["--jobs", "4", "--queues", "2", "--within", "0", "--run-seconds", "0.1"], LATENCY),
        ("lifecycle.py", ["--workers", "200", "--mode", "pull", "--at-once", "100", "--live", "100"], LIFE),
        ("lifecycle.py", ["--workers", "200", "--mode", "push", "--at-once", "100", "--kept", "100"], LIFE),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_runs_and_tells(tmp_path: Path, script: str, arguments: list[str], keys: set[str]):
    command = [sys.executable, str(BENCHMARKS / script), *arguments, "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert keys <= json.loads(done.stdout.splitlines()[-1]).keys()
