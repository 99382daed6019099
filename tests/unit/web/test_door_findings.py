"""What `harvester check` says of the door."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from harvester.config.check import check
from harvester.config.findings import Finding, Severity
from harvester.web.findings import door_findings
from loopback import free_port, free_socket

MAIN = """[master]
harvester_id = unit
workDir = {place}/work
[pandacon]
server_api_url_ssl = http://127.0.0.1:9/api/v1
[frontend]
"""
QUEUES = """{"HERE": {"mapType": "NoJob", "maxWorkers": 5,
 "submitter": {"plugin": "dummy"}, "monitor": {"plugin": "dummy"}, "sweeper": {"plugin": "dummy"},
 "workerMaker": {"plugin": "simple"}, "preparator": {"plugin": "dummy"}, "stager": {"plugin": "dummy"},
 "messenger": {"plugin": "MESSENGER", "accessPoint": "/w/${workerID}"}}}"""
Look = Callable[..., list[Finding]]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """The findings about the door, with what `[frontend]` has besides a port and a key."""

    def once(*lines: str, messenger: str = "http", key: bytes | None = b"k" * 32, port: int = 0) -> list[Finding]:
        file = tmp_path / "door.key"
        if key is not None:
            file.write_bytes(key)
            file.chmod(0o600)
        known = [f"portNumber = {port or free_port()}", f"secretFile = {file}"]
        told = {each.partition(" ")[0] for each in lines}
        text = "\n".join([*(each for each in known if each.partition(" ")[0] not in told), *lines])
        (tmp_path / "c.cfg").write_text(MAIN.format(place=tmp_path) + text + "\n")
        (tmp_path / "q.json").write_text(QUEUES.replace("MESSENGER", messenger))
        found = check([tmp_path / "c.cfg"], tmp_path / "q.json", {}, None, joint_checker=door_findings)
        return [each for each in found if each.key.startswith("frontend.")]

    return once


def test_a_door_that_will_open_is_no_mistake(look: Look):
    assert look() == []
    assert look("enable = True", messenger="shared_file") == []


def test_where_nobody_needs_a_door_nothing_is_looked_at(look: Look):
    assert look("address = 0.0.0.0", "authEnable = False", messenger="shared_file", key=b"short") == []


@pytest.mark.parametrize(
    ("line", "key", "severity", "problem"),
    [
        ("enable = False", "enable", Severity.WARNING, "workers of HERE talk HTTP, and the door stays shut"),
        ("authEnable = False", "authEnable", Severity.WARNING, "without tokens a worker may speak for any other"),
        ("verifyToken = False", "verifyToken", Severity.WARNING, "tokens are verified all the same"),
        ("type = apache", "url", Severity.WARNING, "workers are not told where the door is"),
        ("address = 0.0.0.0", "address", Severity.ERROR, "on 0.0.0.0 tokens would travel without TLS"),
        ("certFile = /nowhere/host.pem", "certFile", Severity.ERROR, "/nowhere/host.pem cannot be read"),
        ("secretFile =", "secretFile", Severity.ERROR, "no file has the key"),
    ],
)
@pytest.mark.shows("frontend.enable", "frontend.type", "frontend.url")
def test_what_keeps_workers_out_or_lets_in_others_is_told(
    look: Look, line: str, key: str, severity: Severity, problem: str
):
    (found,) = look(line)
    assert (found.key, found.severity) == (f"frontend.{key}", severity)
    assert problem in found.problem
    assert found.advice


def test_keys_that_others_can_read_are_told(look: Look, tmp_path: Path):
    (tmp_path / "door.key").write_bytes(b"k" * 32)
    (tmp_path / "door.key").chmod(0o644)
    (found,) = look(key=None)
    assert (found.severity, found.advice) == (Severity.ERROR, f"correct it with: chmod 600 {tmp_path}/door.key")


def test_missing_keys_are_told(look: Look, tmp_path: Path):
    (found,) = look(key=None)
    assert found.severity is Severity.ERROR
    assert found.advice == f"make a key with: harvester door-key --file {tmp_path}/door.key"


def test_a_taken_port_is_told(look: Look):
    with closing(free_socket()) as other:
        (found,) = look(port=other.getsockname()[1])
    assert (found.key, found.severity) == ("frontend.portNumber", Severity.INFO)


def test_networks_have_to_be_networks(look: Look):
    (found,) = look("trustedNetworks = 10.1.0.0/16 here")
    assert (found.key, found.severity) == ("frontend.trustedNetworks", Severity.ERROR)


def test_networks_that_are_trusted_need_no_tls(look: Look):
    assert look("address = 0.0.0.0", "trustedNetworks = 10.1.0.0/16") == []
