"""What an operator gets wrong is named with the place and the next step, and the exit code says that it is wrong."""

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from system_harness.accounts import call_without_rights

pytestmark = pytest.mark.system

CERTIFICATE = trustme.CA().issue_cert("localhost")
QUEUES = '{"Q": {"mapType": "NoJob", "maxWorkers": 1, "submitter": {"plugin": "local", "command": ["/bin/true"]}}}'


@dataclass(frozen=True)
class Instance:
    """A configuration in a directory of its own."""

    place: Path

    def write(self, main: str = "", common: str = "") -> None:
        given = dict(line.split(" = ", 1) for line in main.splitlines())
        keys = {"workDir": self.place / "work", "server_api_url": "http://127.0.0.1:9/api/v1", **given}
        lines = ["[master]", "harvester_id = unit", f"workDir = {keys.pop('workDir')}", "[db]"]
        lines += [f"database_filename = {file}" for file in (keys.pop("database_filename", None),) if file]
        lines += ["[pandacon]", *(f"{key} = {value}" for key, value in keys.items())]
        self.config.write_text("\n".join(lines) + "\n")
        (self.place / "panda_queueconfig.json").write_text(QUEUES)
        if common:
            (self.place / "panda_common.cfg").write_text(f"[logger]\n{common}\n")

    @property
    def config(self) -> Path:
        return self.place / "panda_harvester.cfg"

    def refuses(self, command: str) -> str:
        """What is said; the exit code is 1."""
        done = call_without_rights(command, "--config", self.config, home=self.place)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "Traceback" not in said
        return said


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    yield Instance(tmp_path)
    for each in tmp_path.iterdir():
        each.chmod(0o755)


@pytest.fixture
def locked(instance: Instance) -> Path:
    """A directory in which the account may make nothing."""
    place = instance.place / "locked"
    place.mkdir(mode=0o555)
    return place


def test_no_rights_on_the_log_directory(instance: Instance, locked: Path):
    instance.write(common=f"logdir = {locked}")
    said = instance.refuses("run")
    assert f"{instance.place}/panda_common.cfg:2: logger.logdir: {locked} cannot be written" in said
    assert "correct its permissions, or the path" in said


def test_a_log_directory_that_cannot_be_made(instance: Instance, locked: Path):
    instance.write(common=f"logdir = {locked}/logs")
    assert f"logger.logdir: {locked}/logs cannot be made: Permission denied" in instance.refuses("run")


def test_no_rights_on_the_directory_of_the_instance(instance: Instance, locked: Path):
    instance.write(f"workDir = {locked}/work")
    assert f"master.workDir: {locked}/work cannot be made: Permission denied" in instance.refuses("run")


def test_a_database_in_a_place_that_is_read_only(instance: Instance, locked: Path):
    instance.write(f"database_filename = {locked}/harvester.db")
    assert f"db.database_filename: {locked} cannot be written" in instance.refuses("run")


def test_a_database_that_is_read_only(instance: Instance):
    database = instance.place / "harvester.db"
    database.touch(mode=0o444)
    instance.write(f"database_filename = {database}")
    assert f"db.database_filename: {database} cannot be read and written by " in instance.refuses("run")


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_certificate_that_cannot_be_read(instance: Instance, command: str):
    certificate = instance.place / "proxy"
    certificate.write_bytes(CERTIFICATE.private_key_and_cert_chain_pem.bytes())
    certificate.chmod(0)
    instance.write(f"server_api_url = https://127.0.0.1:9/api/v1\ncert_file = {certificate}\nkey_file = {certificate}")
    said = instance.refuses(command)
    assert f"{instance.config}:" in said
    assert f"pandacon.cert_file: {certificate}" in said


def test_every_file_to_log_in_that_is_missing_is_named(instance: Instance):
    instance.write(
        "server_api_url = https://127.0.0.1:9/api/v1\n"
        + "\n".join(f"{key} = {instance.place}/no-{key}" for key in ("ca_cert", "cert_file", "key_file"))
    )
    said = instance.refuses("check")
    for key in ("ca_cert", "cert_file", "key_file"):
        assert f"pandacon.{key}: {instance.place}/no-{key} is not there" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("account", "says"),
    [
        ("uname = nobody-of-this-name", ".cfg:2: master.uname: there is no user nobody-of-this-name on this machine"),
        ("uname = root", ".cfg:2: master.uname: names root, and the service would have all rights; name an account"),
        (
            "uname = nobody\ngname = none-of-this-name",
            ".cfg:3: master.gname: there is no group none-of-this-name",
        ),
    ],
)
def test_an_account_that_is_not_there(instance: Instance, account: str, says: str):
    instance.write()
    instance.config.write_text(instance.config.read_text().replace("[master]", f"[master]\n{account}"))
    assert says in instance.refuses("run")


def test_a_port_that_is_taken(instance: Instance):
    instance.write()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        door = f"[frontend]\nenable = True\nportNumber = {port}\nsecretFile = {instance.place}/door.key\n"
        instance.config.write_text(instance.config.read_text() + door)
        made = call_without_rights("door-key", "--config", instance.config, home=instance.place)
        assert made.returncode == 0, made.stderr
        assert f"{port} cannot be had: Address already in use; stop whatever listens there" in instance.refuses("run")


def test_a_proxy_that_has_run_out(instance: Instance):
    proxy = instance.place / "proxy"
    issued = trustme.CA().issue_cert("localhost", not_after=datetime.now(UTC) - timedelta(days=1))
    proxy.write_bytes(issued.private_key_and_cert_chain_pem.bytes())
    instance.write(f"server_api_url = https://127.0.0.1:9/api/v1\ncert_file = {proxy}\nkey_file = {proxy}")
    said = instance.refuses("check")
    assert f"{proxy} ran out" in said


def test_a_configuration_that_is_not_there(instance: Instance):
    done = call_without_rights("run", home=instance.place, environment={"PANDA_HOME": str(instance.place)})
    assert done.returncode == 1
    assert f"{instance.place}/etc/panda/panda_harvester.cfg" in done.stderr
    assert "harvester init" in done.stderr
