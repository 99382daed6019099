"""What the service manager is told, heard as systemd hears it."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.startup.states import State
from harvester.startup.systemd import Manager


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        name = str(tmp_path / "notify")
        listening.bind(f"\0{name}" if request.param == "abstract" else name)
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}" if request.param == "abstract" else name)
        yield listening


def heard(manager: socket.socket) -> dict[str, str]:
    lines = manager.recv(4096).decode().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_each_state_has_its_word(manager: socket.socket):
    service = Manager()
    for state, word in {
        State.READY: ("READY", "1"),
        State.ALIVE: ("WATCHDOG", "1"),
        State.RELOADING: ("RELOADING", "1"),
        State.STOPPING: ("STOPPING", "1"),
        State.WAITING: ("STATUS", "waiting for the database"),
    }.items():
        service.tell(state)
        assert word in heard(manager).items()


def test_a_reload_tells_when_and_waiting_takes_its_time(manager: socket.socket):
    service = Manager()
    service.tell(State.RELOADING)
    assert int(heard(manager)["MONOTONIC_USEC"]) > 0
    service.tell(State.WAITING)
    assert int(heard(manager)["EXTEND_TIMEOUT_USEC"]) >= 10_000_000


def test_commands_of_plugins_cannot_speak_for_the_service_but_its_successor_can(manager: socket.socket):
    service = Manager()
    assert "NOTIFY_SOCKET" not in os.environ
    service.hand_over()
    Manager().tell(State.READY)
    assert heard(manager)["READY"] == "1"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    Manager().tell(State.READY)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    Manager().tell(State.READY)
