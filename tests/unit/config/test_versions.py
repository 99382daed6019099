"""Versions are told apart by their plugins, and stored without secrets."""

from pathlib import Path
from typing import Any

import pytest

from harvester.config.findings import Findings
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig
from harvester.config.served_queues import ServedQueues
from harvester.config.versions import digest_of, storable, stored_queue

WORK_DIR = Path("/w")
BLOCK = {"plugin": "local", "command": ["/bin/true"], "password": "hush", "tokenDir": "/etc/tokens"}
RAW: dict[str, Any] = {"submitter": BLOCK, "common": {"apiKey": "hush"}, "maxWorkers": 3, "queueStatus": "test"}


def queue(**changes: Any) -> QueueConfig:  # noqa: ANN401 (any attribute)
    built = build_queue(MergedQueue("Q", RAW | changes), WORK_DIR, Findings())
    assert built is not None
    return built


@pytest.mark.parametrize("changes", [{"maxWorkers": 9}, {"queueStatus": "offline"}, {"nQueueLimitJob": 4}, {}])
def test_limits_and_status_make_no_version(changes: dict[str, Any]):
    assert digest_of(queue(**changes)) == digest_of(queue())


@pytest.mark.parametrize(
    "changes",
    [
        {"submitter": {**BLOCK, "command": ["/bin/false"]}},
        {"submitter": {**BLOCK, "password": "other"}},
        {"messenger": {"plugin": "shared_file", "accessPoint": "/a/${workerID}"}},
        {"common": {"apiKey": "hush", "more": 1}},
    ],
)
def test_plugins_and_their_settings_do(changes: dict[str, Any]):
    assert digest_of(queue(**changes)) != digest_of(queue())


def test_secrets_are_not_stored_and_come_back_from_the_present_configuration():
    stored = storable(RAW)
    assert "hush" not in repr(stored)
    assert stored["submitter"] == {**BLOCK, "password": "(not stored)"}
    again = stored_queue("Q", stored, RAW, WORK_DIR)
    assert again == queue()


def test_without_a_present_configuration_secrets_are_missing():
    again = stored_queue("Q", storable(RAW), {}, WORK_DIR)
    assert again is not None
    assert again.submitter.settings == {"command": ["/bin/true"], "tokenDir": "/etc/tokens"}


HIDDEN_BELOW: dict[str, Any] = {
    "credentials": {"user": "hush", "pin": 4711, "file": "/etc/pin", "renewed": True},
    "secrets": ["hush", {"name": "hush"}],
    "dbPasswd": "hush",
    "remote": "https://me:hush@host/path",
}


def test_nothing_below_a_secret_is_stored_and_no_address_with_a_password():
    raw = {**RAW, "submitter": {**BLOCK, **HIDDEN_BELOW}, "file_syncer": [{"plugin": "git", "token": "hush"}]}
    stored = storable(raw)
    assert "hush" not in repr(stored)
    assert "4711" not in repr(stored)
    assert stored["submitter"]["credentials"]["file"] == "/etc/pin"
    assert stored_queue("Q", stored, raw, WORK_DIR) == build_queue(MergedQueue("Q", raw), WORK_DIR, Findings())


def test_what_is_lost_of_lists_and_objects_is_left_out():
    raw = {**RAW, "submitter": {**BLOCK, **HIDDEN_BELOW}, "file_syncer": [{"plugin": "git", "token": "hush"}]}
    again = stored_queue("Q", storable(raw), {}, WORK_DIR)
    assert again is not None
    left = {"credentials": {"file": "/etc/pin", "renewed": True}, "secrets": [{}]}
    assert again.submitter.settings == {"command": ["/bin/true"], "tokenDir": "/etc/tokens", **left}
    assert again.file_syncer == ({"plugin": "git"},)


def test_no_list_gets_what_stands_at_the_same_place_in_another_one():
    words = ["pilot", "--token=hush", "--queue", "Q"]
    stored = storable({**RAW, "submitter": {**BLOCK, "command": words}})
    for present in (["other", "--token=hush", "--queue", "Q"], ["pilot", "--verbose"], "pilot"):
        again = stored_queue("Q", stored, {**RAW, "submitter": {**BLOCK, "command": present}}, WORK_DIR)
        assert again is not None
        assert again.submitter.settings["command"] == ["pilot", "--queue", "Q"]


def test_what_cannot_be_built_any_more_is_told():
    assert stored_queue("Q", {"submitter": 7}, RAW, WORK_DIR) is None


def test_a_removed_queue_is_known_as_it_was_last():
    old, last = queue(maxWorkers=1), queue(maxWorkers=2)
    served = ServedQueues({}, kept={4: last, 3: old})
    assert served.known() == {"Q": last}
    configured = {"Q": queue()}
    assert ServedQueues(configured).known() is configured


def test_only_blocks_that_make_another_plugin_are_others():
    other = queue(submitter={**BLOCK, "command": ["/bin/false"]}, monitor={"plugin": "local"})
    served = ServedQueues({"Q": queue(monitor={"plugin": "local"})}, kept={1: other, 2: queue(maxWorkers=9)})
    assert served.other_blocks("submitter") == {"Q": {1: other.submitter}}
    assert set(served.other_blocks("monitor").get("Q", {})) == {2}
    assert served.other_blocks("stager") == {}
