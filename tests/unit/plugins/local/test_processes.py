"""Processes are recognised beyond doubt."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harvester.plugins.local.processes import birth_of, kill_orphans, orphans_of, send_signal


def test_birth_tells_a_living_process_and_only_that():
    with subprocess.Popen(["/bin/sleep", "300"]) as process:
        birth = birth_of(process.pid)
        assert birth is not None
        assert birth == birth_of(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert birth_of(process.pid) is None, "a zombie is dead"
    assert birth_of(process.pid) is None


def test_signal_for_another_birth_is_not_sent():
    with subprocess.Popen(["/bin/sleep", "300"]) as process:
        send_signal(process.pid, "somebody else", signal.SIGKILL)
        assert process.poll() is None
        send_signal(process.pid, birth_of(process.pid) or "", signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    send_signal(process.pid, "ended", signal.SIGTERM)


def test_session_with_a_living_leader_has_no_orphans():
    with subprocess.Popen(["/bin/sh", "-c", "sleep 300 & wait"], start_new_session=True) as leader:
        assert orphans_of(leader.pid) == []
        leader.kill()
        leader.wait()
        kill_orphans(leader.pid)
        while orphans_of(leader.pid):
            pass


def test_keeper_loads_nothing_but_the_standard_library():
    program = "import sys, harvester.plugins.local.keeper; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert "pydantic" not in names
    assert names - set(sys.stdlib_module_names) <= {"harvester", "__main__", "sitecustomize"} | _hooks()


def test_keeper_without_work_ends_at_once(tmp_path: Path):
    command = [sys.executable, "-m", "harvester.plugins.local.keeper", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_keeper_names_a_directory_that_it_cannot_use(tmp_path: Path):
    command = [sys.executable, "-m", "harvester.plugins.local.keeper", str(tmp_path / "missing")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert str(tmp_path / "missing") in ended.stderr


def _hooks() -> set[str]:
    """What an interpreter without any program loads (editable installations put finders there)."""
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in bare.stdout.split()}
