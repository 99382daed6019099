"""When the built-in server is to be started, and what queues of the messenger `http` give their workers."""

import json
import os
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
from door_tools import House, MakeHouse, a_queue
from pydantic import ValidationError
from typer.testing import CliRunner

from harvester.cli.main import app
from harvester.config.instance_sections import Frontend
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.served_queues import ServedQueues
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Assignment, Done, Fed, Later
from harvester.plugins.messengers.http import HttpMessenger, HttpSettings
from harvester.plugins.messengers.log_archive import _PATTERNS
from harvester.plugins.registry import Role, resolve
from harvester.plugins.slurm.scripts import BatchJob, make_script
from harvester.plugins.tools.worker_tokens import read_keys
from harvester.plugins.worker_door import WorkerDoor
from harvester.web.calls import METHODS
from harvester.web.wanted import wants_server
from system_harness.accounts import call_without_rights, file_of_another


@pytest.mark.parametrize(
    ("frontend", "messenger", "wanted"),
    [
        ({}, "http", True),
        ({}, "shared_file", False),
        ({"enable": True}, "shared_file", True),
        ({"enable": False}, "http", False),
        ({"type": "apache"}, "http", False),
        ({"type": "apache", "enable": True}, "http", False),
    ],
)
@pytest.mark.shows("frontend.enable", "frontend.type")
def test_the_server_is_started_where_it_is_needed(
    build: MakeHouse, tmp_path: Path, frontend: dict[str, object], messenger: str, *, wanted: bool
):
    house = build(a_queue(tmp_path, plugin=messenger), **frontend)
    assert wants_server(house.settings, house.plugins) is wanted


@pytest.mark.parametrize("messenger", ["http", "shared_file"])
def test_queues_that_are_removed_meanwhile_are_no_obstacle(
    build: MakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, messenger: str
):
    house = build(*(a_queue(tmp_path, name, plugin=messenger) for name in "ABC"))

    def resolve_late(role: Role, block: PluginBlock) -> object:
        house.plugins.replace(ServedQueues({}))
        return resolve(role, block)

    monkeypatch.setattr("harvester.web.wanted.resolve", resolve_late)
    assert wants_server(house.settings, house.plugins) is (messenger == "http")
    assert not wants_server(house.settings, house.plugins)


def a_worker(house: House, worker_id: int = 7) -> Worker:
    point = f"{house.place}/access/{worker_id}"
    return Worker(worker_id, "HERE", WorkerStatus.PENDING, "m", MapType.NO_JOB, access_point=point, walltime_s=3600)


def feed(house: House) -> Done | Later | object:
    (answer,) = house.plugins.messenger("HERE").feed([Assignment(a_worker(house))])
    return answer


@pytest.mark.shows("frontend.url")
def test_a_worker_finds_its_token_and_the_door(build: MakeHouse, tmp_path: Path):
    house = build(url="https://edge.example.org:26080/")
    file = tmp_path / "access" / "7" / "door_token"
    assert feed(house) == Fed(
        {"HARVESTER_DOOR_URL": "https://edge.example.org:26080", "HARVESTER_DOOR_TOKEN_FILE": str(file)}
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert house.tokens.read(file.read_text()) == 7


@pytest.mark.parametrize(
    ("frontend", "url"),
    [
        ({}, "http://127.0.0.1:25080"),
        ({"portNumber": 1234, "certFile": "/c"}, "https://127.0.0.1:1234"),
        ({"address": "::1"}, "http://[::1]:25080"),
        ({"type": "apache"}, ""),
    ],
)
def test_without_an_address_the_server_s_own_counts(build: MakeHouse, frontend: dict[str, object], url: str):
    house = build(**frontend)
    assert WorkerDoor.of(house.settings, house.time.clock).url == url


def test_a_token_lives_as_long_as_its_worker_may(house: House, tmp_path: Path):
    feed(house)
    token = (tmp_path / "access" / "7" / "door_token").read_text()
    days = 2 + 1  # workerQueueTimeLimit, and what is added
    house.time.forward(days * 86_400 + 3599)
    assert house.tokens.read(token) == 7
    house.time.forward(2)
    assert house.visitor().say("heartbeat", token=token).status_code == 403


def test_no_worker_is_submitted_without_a_token(build: MakeHouse, tmp_path: Path):
    house = build(secretFile=str(tmp_path / "nowhere"))
    answer = feed(house)
    assert isinstance(answer, Later)
    assert "[frontend] secretFile" in answer.reason


def test_without_tokens_workers_are_told_of_the_door_alone(build: MakeHouse):
    assert feed(build(authEnable=False)) == Fed({"HARVESTER_DOOR_URL": "http://127.0.0.1:25080"})


def test_workers_do_not_share_a_directory_with_tokens():
    with pytest.raises(ValidationError, match="workers could take each other's tokens"):
        HttpSettings.model_validate({"accessPoint": "/shared/all"})


def test_the_name_of_upstream_is_known():
    block = PluginBlock(module="pandaharvester.harvestermessenger.http_server_messenger", name="HttpServerMessenger")
    assert resolve(Role.MESSENGER, block) is HttpMessenger


def test_tokens_and_jobs_stay_out_of_the_logs_of_jobs():
    kept_back = ("door_token", "pandaJobData.out.taken", "HPCJobs.json.taken", ".worker_attributes.json.ab12.7.3")
    assert [name for name in kept_back for pattern in _PATTERNS if fnmatch(name, pattern)] == []


# ---- keys


def test_keys_are_made_and_changed(tmp_path: Path):
    file = tmp_path / "door.key"
    for expected in (1, 2, 3, 3):
        done = CliRunner().invoke(app, ["door-key", "--file", str(file)])
        assert done.exit_code == 0, done.output
        keys = read_keys(file)
        assert len({each.secret for each in keys}) == len(keys) == expected
        assert str(keys[0].secret) not in done.output
    assert file.stat().st_mode & 0o777 == 0o600
    last = read_keys(file)[0]
    CliRunner().invoke(app, ["door-key", "--file", str(file), "--keep", "1"])
    assert [each.key_id for each in read_keys(file)][1:] == [last.key_id]


def test_the_key_of_upstream_goes_into_the_set(tmp_path: Path):
    file = tmp_path / "door.key"
    file.write_bytes(b"u" * 40)
    file.chmod(0o600)
    before = read_keys(file)[0]
    CliRunner().invoke(app, ["door-key", "--file", str(file)])
    assert read_keys(file)[1] == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give files back")
def test_the_account_of_the_service_keeps_the_file_that_root_renews(tmp_path: Path):
    file = tmp_path / "door.key"
    CliRunner().invoke(app, ["door-key", "--file", str(file)])
    os.chown(file, 65534, 1)
    CliRunner().invoke(app, ["door-key", "--file", str(file)])
    assert len(read_keys(file)) == 2
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 1)


def test_a_group_that_may_read_the_keys_may_go_on_to(tmp_path: Path):
    file = tmp_path / "door.key"
    CliRunner().invoke(app, ["door-key", "--file", str(file)])
    file.chmod(0o640)
    CliRunner().invoke(app, ["door-key", "--file", str(file)])
    assert len(read_keys(file)) == 2
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_link_goes_on_to_stand_for_the_file(tmp_path: Path):
    link = tmp_path / "door.key"
    link.symlink_to(tmp_path / "elsewhere.key")
    CliRunner().invoke(app, ["door-key", "--file", str(link)])
    assert link.is_symlink()
    assert len(read_keys(tmp_path / "elsewhere.key")) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights that others would like to use")
@pytest.mark.parametrize("planted", ["of_account/door.key", "of_account", "of_root"])
def test_root_follows_no_link_that_another_account_has_made(tmp_path: Path, planted: str):
    """Neither to the file, nor to a directory above it, nor one that a link of root leads through."""
    shadow = tmp_path / "of_system" / "door.key"
    shadow.parent.mkdir()
    shadow.write_text("root:$y$j9T$aLongHashOfAPassword:20000:0:99999:7:::\n")
    shadow.chmod(0o640)
    before = shadow.read_bytes(), shadow.stat()
    link = tmp_path / "of_account"
    if planted == "of_account/door.key":
        link.mkdir()
        link /= "door.key"
        link.symlink_to(shadow)
    else:
        link.symlink_to(shadow.parent)
        (tmp_path / "of_root").symlink_to("of_account")
    os.lchown(link, 65534, 65534)
    file = tmp_path / ("of_root/door.key" if planted == "of_root" else "of_account/door.key")
    done = CliRunner().invoke(app, ["door-key", "--file", str(file)])
    assert done.exit_code == 1
    assert f"{link} is a link of another account" in done.output
    assert "name the file itself with --file, or run this as the account of the service" in done.output
    assert (shadow.read_bytes(), shadow.stat()) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights that others would like to use")
def test_root_lets_no_other_account_name_the_file(tmp_path: Path):
    file, config = tmp_path / "door.key", tmp_path / "c.cfg"
    (tmp_path / "q.json").write_text("{}")
    main = f"[master]\nharvester_id = here\n[qconf]\nconfigFile = {tmp_path}/q.json\n[frontend]\nsecretFile = {file}\n"
    config.write_text(main + "[pandacon]\nserver_api_url_ssl = https://127.0.0.1:9/api/v1\n")
    assert CliRunner().invoke(app, ["door-key", "--config", str(config)]).exit_code == 0
    os.chown(config, 65534, 65534)
    done = CliRunner().invoke(app, ["door-key", "--config", str(config)])
    assert done.exit_code == 1
    assert f"others than root may change {config}" in done.output
    assert len(read_keys(file)) == 1


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another account")
def test_what_another_account_has_left_half_written_hinders_no_new_key(tmp_path: Path):
    draft = file_of_another(tmp_path / "tmp", ".door.key.0123456789abcdef.new")
    key = draft.parent / "door.key"
    done = call_without_rights("door-key", "--file", key, home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(draft.parent.iterdir()) == {draft, key}


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path):
    done = CliRunner().invoke(app, ["door-key", "--file", str(tmp_path / "no" / "where")])
    assert done.exit_code == 1
    assert "cannot be written: No such file or directory" in done.output


def test_the_page_s_key_set_is_one():
    page = (Path(__file__).parents[3] / "docs" / "door.md").read_text()
    example = next(line for line in page.splitlines() if line.startswith('{"keys"'))
    assert json.loads(example)["keys"][0]["kty"] == "oct"


def test_the_page_names_every_method_and_key():
    page = (Path(__file__).parents[3] / "docs" / "door.md").read_text()
    assert [each for each in (*METHODS, *Frontend.by_key()) if f"`{each}" not in page] == []


def test_slurm_scripts_lead_to_the_door(tmp_path: Path):
    variables = {"HARVESTER_DOOR_URL": "http://h:1", "HARVESTER_DOOR_TOKEN_FILE": f"{tmp_path}/it's a token"}
    worker = Worker(7, "Q", WorkerStatus.PENDING, "i-7", access_point=str(tmp_path), variables=variables)
    script = make_script(worker, "i", '#!/bin/sh\necho "$HARVESTER_DOOR_URL $HARVESTER_DOOR_TOKEN_FILE"\n')
    script.store()
    done = subprocess.run(
        ["/bin/sh"], input=BatchJob((script,)).text(), capture_output=True, text=True, check=True, timeout=20
    )
    assert done.stdout == f"http://h:1 {tmp_path}/it's a token\n"
