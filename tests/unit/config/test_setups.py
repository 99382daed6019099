"""Set-ups of credential managers and file syncers, in all the forms that existing files have."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.config.findings import Findings, Severity
from harvester.config.problems import KeyProblem
from harvester.config.queue_builder import build_queue
from harvester.config.queue_merge import MergedQueue
from harvester.config.queue_model import QueueConfig
from harvester.config.service import load_settings
from harvester.config.setups import (
    Setup,
    credential_setups,
    of_credential_lists,
    of_plugin_configs,
    of_queue,
)
from harvester.config.upkeep_sections import CredManager

MODULE = "pandaharvester.harvestercredmanager.no_voms_cred_manager"


def section(**keys: object) -> CredManager:
    return CredManager.model_validate(keys)


def queue_with(**attributes: JsonValue) -> QueueConfig:
    raw: dict[str, JsonValue] = {"submitter": {"plugin": "dummy"}, **attributes}
    queue = build_queue(MergedQueue("Q", raw), Path("/state"), Findings())
    assert queue is not None
    return queue


@pytest.mark.shows(
    "credmanager.moduleName", "credmanager.className", "credmanager.inCertFile", "credmanager.outCertFile",
    "credmanager.voms",
)  # fmt: skip
def test_parallel_lists_are_paired_in_their_order():
    lists = section(
        moduleName=[MODULE, MODULE], className=["NoVomsCredManager"] * 2, inCertFile=["/in", "/in"],
        outCertFile=["/prod", "/pilot"], voms=["atlas:/atlas/Role=production", "atlas:/atlas/Role=pilot"],
    )  # fmt: skip
    found = of_credential_lists(lists, "/cert")
    assert [each.block.settings for each in found if isinstance(each, Setup)] == [
        {"inCertFile": "/in", "outCertFile": "/prod", "voms": "atlas:/atlas/Role=production"},
        {"inCertFile": "/in", "outCertFile": "/pilot", "voms": "atlas:/atlas/Role=pilot"},
    ]


@pytest.mark.shows("credmanager.certFile")
def test_the_certificate_of_the_server_is_made_where_no_other_is_named():
    lists = section(moduleName=MODULE, className="NoVomsCredManager", certFile="/in", voms="vo")
    (found,) = of_credential_lists(lists, "/cert")
    assert isinstance(found, Setup)
    assert found.block.settings["outCertFile"] == "/cert"


TWO = {
    "moduleName": [MODULE] * 2, "className": ["C"] * 2, "inCertFile": ["/in"] * 2, "outCertFile": ["/a", "/b"],
    "voms": ["vo:/vo/Role=production", "vo:/vo/Role=pilot"],
}  # fmt: skip


@pytest.mark.parametrize("uneven", ["className", "inCertFile", "outCertFile", "voms"])
@pytest.mark.parametrize("number", [1, 3])
def test_a_list_that_is_longer_or_shorter_is_an_error_and_nothing_is_guessed(uneven: str, number: int):
    (found,) = of_credential_lists(section(**{**TWO, uneven: ["/x"] * number}), None)
    assert isinstance(found, KeyProblem)
    assert (found.key, found.is_grave) == (uneven, True)
    assert found.problem.startswith(f"has {number} lines, and moduleName has 2")


def test_what_is_left_of_lists_without_plugins_does_nothing():
    assert of_credential_lists(section(**{**TWO, "moduleName": []}), None) == []


def test_an_uneven_list_keeps_the_service_from_starting(tmp_path: Path):
    path = tmp_path / "panda_harvester.cfg"
    path.write_text(
        "[master]\nharvester_id = h\n[pandacon]\nserver_api_url_ssl = https://h/api/v1\n[credmanager]\n"
        f"moduleName =\n  {MODULE}\n  {MODULE}\nclassName =\n  C\n  C\noutCertFile =\n  /a\n"
    )
    loaded = load_settings([path], {})
    assert loaded.settings is None
    (found,) = [each for each in loaded.findings if each.severity is Severity.ERROR]
    assert (found.key, found.line, found.advice) == (
        "credmanager.outCertFile", 12, "write 2 lines, one for each plugin",
    )  # fmt: skip


@pytest.mark.parametrize("missing", ["inCertFile", "voms"])
def test_of_a_list_that_is_not_there_no_plugin_gets_anything(missing: str):
    found = of_credential_lists(section(**{key: each for key, each in TWO.items() if key != missing}), None)
    settings = [each.block.settings for each in found if isinstance(each, Setup)]
    assert [each[missing] for each in settings] == [None, None]
    assert [each["outCertFile"] for each in settings] == ["/a", "/b"]


@pytest.mark.parametrize("missing", ["className", "outCertFile"])
def test_a_list_that_has_to_be_there_is_missed(missing: str):
    (found,) = of_credential_lists(section(**{key: each for key, each in TWO.items() if key != missing}), "/cert")
    assert isinstance(found, KeyProblem)
    assert (found.key, found.is_grave) == (missing, False)


@pytest.mark.shows("credmanager.pluginConfigs", "file_syncer.pluginConfigs")
def test_one_plugin_has_several_setups():
    configs: list[dict[str, JsonValue]] = [
        {"module": MODULE, "name": "C", "configs": {"production": {"outCertFile": "/a"}, "pilot": {}}}
    ]
    found = of_plugin_configs(configs)
    assert [(each.name, each.block.settings) for each in found if isinstance(each, Setup)] == [
        ("production", {"outCertFile": "/a", "setup_name": "production"}),
        ("pilot", {"setup_name": "pilot"}),
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"module": MODULE, "configs": {}}, "entry 1 does not say name"),
        ({"module": MODULE, "name": "C"}, 'entry 1 has no "configs"'),
        ({"module": MODULE, "name": "C", "configs": {"a": 1}}, 'entry 1 has no "configs"'),
    ],
)
def test_an_entry_without_setups_is_told(entry: dict[str, JsonValue], words: str):
    (found,) = of_plugin_configs([entry])
    assert isinstance(found, KeyProblem)
    assert words in found.problem


@pytest.mark.shows("queue.credmanagers", "queue.file_syncer")
@pytest.mark.parametrize("attribute", ["credmanagers", "file_syncer"])
def test_placeholders_of_a_queue_are_filled_in(attribute: str):
    plugin = {
        "plugin": "dummy",
        "outCertFile": "/p/${queueName}-${harvesterID}-${common.k8s_namespace}-${common.count}",
        "ports": "${common.ports}",
    }
    queue = queue_with(common={"k8s_namespace": "here", "ports": [1, 2], "count": 7}, **{attribute: [plugin]})
    (found,) = of_queue(queue, attribute, getattr(queue, attribute), "inst")
    assert isinstance(found, Setup)
    assert found.block.settings == {
        "setup_name": "Q",
        "queueName": "Q",
        "outCertFile": "/p/Q-inst-here-7",
        "ports": [1, 2],
    }


def test_a_placeholder_that_stands_for_nothing_is_told():
    queue = queue_with(credmanagers=[{"plugin": "dummy", "outCertFile": "/p/${common.nowhere}"}])
    (found,) = of_queue(queue, "credmanagers", queue.credmanagers, "inst")
    assert isinstance(found, KeyProblem)
    assert "${common.nowhere}" in found.problem


def test_a_queue_out_of_service_has_none():
    queue = queue_with(queueStatus="offline", credmanagers=[{"plugin": "dummy"}])
    assert of_queue(queue, "credmanagers", queue.credmanagers, "inst") == []


def test_what_is_no_setup_keeps_no_other_from_being_one():
    configs = [{"name": "half"}, {"plugin": "dummy", "configs": {"one": {}}}]
    queue = queue_with(credmanagers=[{}, {"plugin": "dummy"}])
    found = credential_setups(section(pluginConfigs=configs), None, [queue], "inst")
    assert [(each.name, each.queue) for each in found] == [("one", ""), ("Q", "Q")]
