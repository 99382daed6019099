import os
import subprocess
import sys
from pathlib import Path

import pytest

from harvester.startup.pid_file import NoPidFileError, RunsAlreadyError, take

HOLDER = """
import sys
from pathlib import Path
from harvester.startup.pid_file import take
take(Path(sys.argv[1])).write()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "harvester.pid"


def test_it_says_who_the_service_is_and_goes_with_it(path: Path):
    held = take(path)
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()
    assert not path.exists()


def test_who_lives_is_named_and_who_is_dead_is_no_obstacle(path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunsAlreadyError, match=f"runs already with the pid {holder.pid}, says {path}"):
            take(path)
        holder.kill()
    assert path.read_text() == f"{holder.pid}\n"
    take(path).remove()


def test_a_pid_that_somebody_else_has_by_now_is_no_obstacle(path: Path):
    path.write_text(f"{os.getppid()}\n")
    take(path).remove()


def test_an_earlier_harvester_is_found_although_it_locks_nothing(path: Path, tmp_path: Path):
    program = tmp_path / "harvesterbody" / "master.py"
    program.parent.mkdir()
    program.write_text("print('runs', flush=True); input()")
    with subprocess.Popen([sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as earlier:
        assert earlier.stdout
        earlier.stdout.readline()
        path.write_text(str(earlier.pid))
        with pytest.raises(RunsAlreadyError, match=str(earlier.pid)):
            take(path)
        earlier.kill()
    take(path).remove()


def test_a_file_that_was_removed_meanwhile_is_made_again(path: Path):
    first = take(path)
    path.unlink()
    second = take(path)
    second.write()
    assert path.read_text() == f"{os.getpid()}\n"
    first.remove()


def test_garbage_is_overwritten(path: Path):
    path.write_bytes(b"\xff\xfe no number")
    held = take(path)
    held.write()
    assert path.read_text() == f"{os.getpid()}\n"
    held.remove()


@pytest.mark.parametrize("kind", ["link", "hard link", "dangling link", "pipe", "directory"])
def test_what_is_no_file_of_its_own_is_refused_and_left_alone(path: Path, tmp_path: Path, kind: str):
    """Root opens it in a directory of the service's account, gives it away and empties it."""
    other = tmp_path / "shadow"
    other.write_text("root:secret")
    before = other.stat()
    match kind:
        case "link":
            path.symlink_to(other)
        case "hard link":
            path.hardlink_to(other)
        case "dangling link":
            path.symlink_to(tmp_path / "not yet")
        case "pipe":
            os.mkfifo(path)
        case _:
            path.mkdir()
    with pytest.raises(NoPidFileError, match=f"{path} is a link, or no ordinary file.*remove it"):
        take(path)
    assert other.read_text() == "root:secret"
    assert (other.stat().st_uid, other.stat().st_mtime_ns) == (before.st_uid, before.st_mtime_ns)
    assert not (tmp_path / "not yet").exists()


def test_a_directory_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(NoPidFileError, match=r"the directory .*/nodir is not there; make it"):
        take(tmp_path / "nodir/harvester.pid")
