"""Processes are recognised beyond doubt."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from harvester.plugins.local.processes import Process, birth_of, kill_orphans, orphans_of, send_signal
from waiting import until


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
        send_signal(Process(process.pid, "somebody else"), signal.SIGKILL)
        assert process.poll() is None
        send_signal(known(process), signal.SIGTERM)
        assert process.wait(30) == -signal.SIGTERM
    send_signal(Process(process.pid, "ended"), signal.SIGTERM)


def test_session_with_a_living_leader_has_no_orphans():
    with session() as leader, session() as other:
        both = known(leader), known(other)
        assert orphans_of(both) == {}
        leader.kill()
        leader.wait()
        assert orphans_of(both).keys() == {both[0]}
        kill_orphans(both)
        until(lambda: orphans_of(both), lambda left: not left)
        assert other.poll() is None
        other.kill()
        kill_orphans([both[1]])


def test_nothing_is_left_of_before_the_machine_was_started():
    """The id of a keeper that died with the machine may be that of somebody else's session now."""
    with session() as leader:
        now, before = known(leader), Process(leader.pid, "another start of the machine:1")
        leader.kill()
        leader.wait()
        assert orphans_of([before]) == {}
        kill_orphans([before])
        assert orphans_of([before, now]).keys() == {now}
        kill_orphans([now])


def session() -> subprocess.Popen[bytes]:
    """A session with a leader and one more process, both at work."""
    program = "sleep 300 > /dev/null & echo at work; wait"
    leader = subprocess.Popen(["/bin/sh", "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    leader.stdout.readline()
    return leader


def known(process: subprocess.Popen[bytes]) -> Process:
    """A living process, recognisable later."""
    return Process(process.pid, birth_of(process.pid) or "")


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
