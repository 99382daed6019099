"""Which web server this process belongs to, and what is refused there."""

import sys
from types import ModuleType

import pytest

from harvester.startup.hosting import HostingError, find_host


def server(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: object) -> ModuleType:
    """Its module is there, as it is in its processes only."""
    module = ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uwsgi", "mod_wsgi"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(sys, "executable", "/usr/bin/uwsgi")


def nothing() -> None:
    """At the end."""


def test_uwsgi_calls_at_the_end_and_python_is_python_again(monkeypatch: pytest.MonkeyPatch):
    uwsgi = server(monkeypatch, "uwsgi", worker_id=lambda: 1)
    find_host().at_the_end(nothing)
    assert uwsgi.atexit is nothing
    assert sys.executable == f"{sys.prefix}/bin/python"


def test_uwsgi_must_not_load_it_before_it_forks(monkeypatch: pytest.MonkeyPatch):
    server(monkeypatch, "uwsgi", worker_id=lambda: 0)
    with pytest.raises(HostingError, match="set lazy-apps = true"):
        find_host()


@pytest.mark.parametrize("group", ["", "pandahvst_daemon"])
def test_apache_needs_daemon_processes(monkeypatch: pytest.MonkeyPatch, group: str):
    server(monkeypatch, "mod_wsgi", process_group=group)
    if group:
        assert find_host().stop_seconds < 3
    else:
        with pytest.raises(HostingError, match="set WSGIDaemonProcess"):
            find_host()


def test_the_package_that_builds_mod_wsgi_is_no_server(monkeypatch: pytest.MonkeyPatch):
    server(monkeypatch, "mod_wsgi")
    called: list[object] = []
    monkeypatch.setattr("atexit.register", called.append)
    assert find_host().stop_seconds > 3
