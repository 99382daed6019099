"""The crash benchmark as a program, in an edition short enough for tests."""

import json
import os
import subprocess
import sys
from pathlib import Path

_TESTS = Path(__file__).parents[1]
_PROGRAM = _TESTS.parent / "benchmarks" / "crash.py"
_HANGS_AFTER = 600


def crash(*words: str) -> tuple[int, dict[str, object], str]:
    """Exit code, figures and everything it said."""
    path = os.pathsep.join(filter(None, [str(_TESTS), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, _PROGRAM, "--json", *words],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=_HANGS_AFTER,
        check=False,
    )
    said = done.stderr + done.stdout
    assert done.stdout, said
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), said
