"""The service files are complete, filled in, and readable for the programs that they are for."""

import os
import subprocess
from configparser import ConfigParser
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from harvester import setup_files
from harvester.setup_files import PLACES, WRITTEN_BY, Values, render

VALUES = Values(
    panda_home=Path("/opt/panda"),
    virtual_env=Path("/opt/venv"),
    user="atlpan",
    group="zp",
    log_dir=Path("/var/log/panda"),
    run_dir=Path("/run/panda"),
    processes=3,
    threads=5,
)
SCRIPTS = [name for name in PLACES if name.endswith(".sh")]


def test_every_file_has_a_place_of_its_own():
    there = {each.name for each in files(setup_files).iterdir() if not each.name.startswith("__")}
    assert there == set(PLACES)
    assert len({place.path for place in PLACES.values()}) == len(PLACES)


@pytest.mark.parametrize("name", PLACES)
def test_all_marks_are_filled_in(name: str):
    text = render(name, VALUES)
    assert "@@" not in text
    assert "FIXME" not in text


@pytest.mark.parametrize("name", PLACES)
def test_every_file_says_who_wrote_it(name: str):
    assert WRITTEN_BY in render(name, VALUES)


def test_only_known_files_are_rendered():
    with pytest.raises(KeyError):
        render("../service.py", VALUES)


@pytest.mark.parametrize("word", ["a b", "", "x;y", "$(id)", "ü"])
def test_what_some_of_the_files_would_misread_is_refused(word: str):
    with pytest.raises(ValueError, match="only letters"):
        replace(VALUES, user=word)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_have_no_syntax_error(name: str):
    done = subprocess.run(["bash", "-n"], input=render(name, VALUES), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name.startswith("init-")])
def test_scripts_say_what_they_can_do(name: str, tmp_path: Path):
    home = tmp_path / "home"
    values = replace(VALUES, panda_home=home, virtual_env=home)
    for each in (name, "service-functions.sh", "sysconfig"):
        path = home / PLACES[each].path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(each, values))
        path.chmod(PLACES[each].mode)
    script = home / PLACES[name].path
    not_installed = subprocess.run([script, "status"], capture_output=True, text=True, check=False)
    assert not_installed.returncode == 5
    assert f"there is no {home}/bin/harvester" in not_installed.stderr
    (home / "bin").mkdir()
    (home / "bin" / "harvester").write_text("#!/bin/sh\n")
    (home / "bin" / "harvester").chmod(0o755)
    usage = subprocess.run([script, "dance"], capture_output=True, text=True, check=False)
    assert (usage.returncode, usage.stderr[:6]) == (2, "usage:")
    (home / PLACES["sysconfig"].path).unlink()
    not_configured = subprocess.run([script, "status"], capture_output=True, text=True, check=False)
    assert not_configured.returncode == 6


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("systemd-plain.service", ["run --foreground --processes 7 "]),
        ("systemd-uwsgi.service", ["--http 127.0.0.1:25080", "processes=7 threads=9 socket=127.0.0.1:4444"]),
    ],
)
def test_units_of_systemd_honour_the_variables_of_the_one_sysconfig_file(tmp_path: Path, unit: str, words: list[str]):
    values = replace(
        VALUES, panda_home=tmp_path, virtual_env=tmp_path, log_dir=tmp_path / "log", run_dir=tmp_path / "run"
    )
    for name in (*SCRIPTS, "sysconfig", unit):
        path = tmp_path / PLACES[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(name, values))
        path.chmod(PLACES[name].mode)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, shown in (
        ("harvester", '"$@"'),
        ("uwsgi", '"$@" processes=$nProcesses threads=$nThreads socket=$uwsgiSocket'),
    ):
        (programs / name).write_text(f"#!/bin/sh\necho {shown}\n")
        (programs / name).chmod(0o755)
    settings = (
        "userName=root groupName=root nProcesses=7 nThreads=9 uwsgiSocket=127.0.0.1:4444 httpRouter=127.0.0.1:25080"
    )
    with (tmp_path / PLACES["sysconfig"].path).open("a") as file:
        file.write(settings.replace(" ", "\n"))
    text = (tmp_path / PLACES[unit].path).read_text()
    (start,) = [line.partition("=")[2] for line in text.splitlines() if line.startswith("ExecStart=")]
    bare = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    said = subprocess.run(start.split(), capture_output=True, text=True, check=True, env=bare).stdout
    for each in words:
        assert each in said


@pytest.mark.parametrize("name", ["supervisord.cfg", "systemd-plain.service", "systemd-uwsgi.service", "uwsgi.ini"])
def test_files_of_sections_can_be_read(name: str):
    parser = ConfigParser(interpolation=None, strict=False, inline_comment_prefixes=None)
    parser.read_string(render(name, VALUES))
    assert parser.sections()


@pytest.mark.parametrize("kind", ["link", "dangling link", "nothing", "file"])
def test_the_lock_file_is_made_anew_and_empties_nothing_else(tmp_path: Path, kind: str):
    """Root makes it in a directory of the service's account."""
    functions, lock, other = tmp_path / "functions", tmp_path / "lock", tmp_path / "shadow"
    functions.write_text(render("service-functions.sh", VALUES))
    if kind != "dangling link":
        other.write_text("root:secret")
    if kind.endswith("link"):
        lock.symlink_to(other)
    elif kind == "file":
        lock.write_text("")
    places = f"NAME=x LOCKFILE={lock} PIDFILE={tmp_path}/pid LOCK_DIR={tmp_path} LOG_DIR={tmp_path}"
    script = f". {functions}; {places}; launch() {{ :; }}; start"
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    assert lock.is_file()
    assert not lock.is_symlink()
    assert other.exists() == (kind != "dangling link")
    assert kind == "dangling link" or other.read_text() == "root:secret"


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        ("process CHILD on h: live: yes, ready: NO\n  not ready: server: it has not answered", False),
        ("process CHILD on h: live: yes, ready: NO\n  not ready: start: the configuration is being loaded", True),
        ("process 1 on another: live: yes, ready: yes", True),
        ("No process of this instance runs", True),
    ],
)
def test_a_start_waits_until_the_processes_of_the_web_server_work(tmp_path: Path, known: str, *, waits: bool):
    functions, program = tmp_path / "functions", tmp_path / "bin" / "harvester"
    functions.write_text(render("service-functions.sh", VALUES))
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ncat "$(dirname "$0")/../known"\n')
    program.chmod(0o755)
    (tmp_path / "pid").write_text(f"{os.getpid()}\n")
    settings = f"NAME=x MARK=python nProcesses=1 VIRTUAL_ENV={tmp_path} LOG_DIR=logs PIDFILE={tmp_path}/pid"
    with subprocess.Popen(["sleep", "60"]) as child:
        (tmp_path / "known").write_text(known.replace("CHILD", str(child.pid)))
        script = f"START_SECONDS=1; . {functions}; {settings}; until_at_work"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        child.kill()
    assert done.returncode == 0
    assert ("x: not all processes work after 1 s; they go on trying" in done.stderr) == waits


@pytest.mark.parametrize("has_pid", [False, True])
def test_a_start_waits_no_longer_than_it_says_for_the_pid_and_the_processes_together(tmp_path: Path, *, has_pid: bool):
    functions, asked, pid_file = tmp_path / "functions", tmp_path / "asked", tmp_path / "pid"
    functions.write_text(render("service-functions.sh", VALUES))
    asked.touch()
    if has_pid:
        pid_file.write_text(f"{os.getpid()}\n")
    settings = f"NAME=x MARK=python nProcesses=1 VIRTUAL_ENV={tmp_path} LOG_DIR=logs PIDFILE={pid_file}"
    waiting = f'timeout() {{ echo "$1" >>{asked}; }}'
    script = f"START_SECONDS=2; . {functions}; {settings}; {waiting}; until_at_work"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == (0 if has_pid else 1)
    assert {int(seconds) for seconds in asked.read_text().split()} <= {1, 2}
    assert bool(asked.read_text()) == has_pid


def test_a_number_of_processes_that_is_not_set_is_one(tmp_path: Path):
    values = replace(VALUES, panda_home=tmp_path, virtual_env=tmp_path, log_dir=tmp_path, run_dir=tmp_path)
    for name in ("init-plain.sh", "service-functions.sh", "sysconfig"):
        path = tmp_path / PLACES[name].path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(name, values).replace("export nProcesses=3", "export nProcesses="))
        path.chmod(PLACES[name].mode)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "harvester").write_text('#!/bin/sh\necho "$@"\n')
    (tmp_path / "bin" / "harvester").chmod(0o755)
    command = [tmp_path / PLACES["init-plain.sh"].path, "runfg"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.startswith("run --foreground --processes 1 --pid-file ")


@pytest.mark.parametrize("kind", ["link", "file", "nothing"])
def test_an_order_for_uwsgi_goes_into_a_pipe_and_nowhere_else(tmp_path: Path, kind: str):
    text = render("init-uwsgi.sh", VALUES)
    order = text[text.index("ask_to_reload() {") : text.index('act "$@"')]
    pipe, other = tmp_path / "uwsgi-panda_harvester.fifo", tmp_path / "shadow"
    other.write_text("root:secret")
    if kind == "link":
        pipe.symlink_to(other)
    elif kind == "file":
        pipe.hardlink_to(other)
    script = f"NAME=x LOCK_DIR={tmp_path}; ready() {{ :; }}; {order} ask_to_reload"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"x: {pipe} is no pipe of uWSGI\n")
    assert other.read_text() == "root:secret"
