"""Probes of what is not there, or not in order before anything is tried."""

import json
import re

import pytest
from cli_tools import CommandLine

from harvester.panda.devserver import DevServer
from harvester.store.engine import Database

pytestmark = pytest.mark.usefixtures("no_handlers")
OF_QUEUES = ["submitter", "monitor", "messenger", "preparator", "stager"]


@pytest.mark.parametrize("what", OF_QUEUES)
def test_a_queue_that_is_not_there(call: CommandLine, what: str):
    refused = call("test", what, "--queue", "QQ")
    assert refused.exit_code == 1
    assert "no queue QQ is configured; did you mean Q?" in refused.stderr


def test_a_queue_that_is_like_none(call: CommandLine):
    refused = call("test", "messenger", "--queue", "NOPE")
    assert "no queue NOPE is configured; see `harvester queue ls`" in refused.stderr


@pytest.mark.parametrize("what", OF_QUEUES)
def test_a_queue_that_has_an_error(call: CommandLine, what: str):
    call.queues.write_text('{"Q": {"mapType": "NoJob"}}')
    refused = call("test", what, "--queue", "Q")
    assert refused.exit_code == 1
    assert "the configuration of queue Q has an error" in refused.stderr


def test_a_resource_that_cannot_tell_what_its_workers_run(call: CommandLine):
    call.queues.write_text('{"Q": {"mapType": "NoJob", "maxWorkers": 1, "submitter": {"plugin": "dummy"}}}')
    refused = call("test", "submitter", "--queue", "Q")
    assert refused.exit_code == 1
    assert "with --payload configured they run what those of the queue run" in refused.stderr


@pytest.mark.parametrize("plugin", ["local", "dummy"])
def test_a_queue_whose_workers_need_jobs(call: CommandLine, plugin: str):
    submitter = f'{{"plugin": "{plugin}", "command": ["/bin/true"]}}'
    call.queues.write_text(f'{{"Q": {{"mapType": "OneToOne", "nQueueLimitJob": 1, "submitter": {submitter}}}}}')
    refused = call("test", "submitter", "--queue", "Q", "--payload", "configured")
    assert refused.exit_code == 1
    assert "workers of Q run the jobs that Harvester hands to them, a test has none" in refused.stderr
    assert "have a job assigned to the queue" in refused.stderr


def test_there_is_no_database_yet(call: CommandLine):
    refused = call("test", "database")
    assert refused.exit_code == 1
    assert "there is no database" in refused.stderr


def test_documents_and_credentials_that_nobody_wants(call: CommandLine, db: Database):
    for what in ("cacher", "credentials"):
        (verdict,) = json.loads(call("test", what, "--json").stdout)
        assert (verdict["what"], verdict["outcome"]) == (what, "works")
    assert call("test", "database").exit_code == 0
    del db


def test_a_line_of_the_cacher_that_makes_no_sense(call: CommandLine):
    call.config.write_text(f"{call.config.read_text()}[cacher]\ndata =\n  what.json\n  b.json||gopher://x/y\n")
    (verdict,) = json.loads(call("test", "cacher", "--json").stdout)
    assert verdict["outcome"] == "fails"
    assert [step["good"] for step in verdict["steps"]] == [False, False]


def test_credentials_of_the_server_are_fetched_from_it(call: CommandLine):
    key = call.place / "key"
    setup = {"token_key_file": str(key), "client_name": "pilots"}
    configs = json.dumps([{"plugin": "token_key", "configs": {"pilots": setup}}])
    with DevServer() as server:
        text = re.sub(r"server_api_url_ssl = .*", f"server_api_url_ssl = {server.url}", call.config.read_text())
        call.config.write_text(f"{text}\n[credmanager]\npluginConfigs =\n  {configs}\n")
        (verdict,) = json.loads(call("test", "credentials", "--json").stdout)
    assert verdict["outcome"] == "works"
    assert len(key.read_text()) == 64
    assert key.read_text() not in json.dumps(verdict)


def test_a_table_of_hosts_that_cannot_be_read_is_told_before_credentials(call: CommandLine):
    text = call.config.read_text().replace("[pandacon]", "[pandacon]\nmultihost_auth_config = /no/table")
    call.config.write_text(text)
    (verdict,) = json.loads(call("test", "credentials", "--json").stdout)
    assert (verdict["outcome"], verdict["advice"]) == ("fails", "correct [pandacon] multihost_auth_config")
