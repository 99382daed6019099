"""`[master] extraPluginConfigs`: settings that the instance gives to the plugins of all queues."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from harvester.config.check import check
from harvester.config.findings import Finding
from harvester.config.instance_sections import Qconf
from harvester.config.plugin_blocks import PluginDefaults
from harvester.config.queue_loader import NOTHING, Outside, QueueLoader
from harvester.config.queues import QueueConfig
from harvester.config.service import load_settings
from harvester.config.versions import digest_of, stored_queue
from harvester.core.facts import read_queues

UPSTREAM = "pandaharvester.harvestersubmitter.htcondor_submitter"
SUBMITTER: dict[str, JsonValue] = {"module": UPSTREAM, "name": "HTCondorSubmitter", "templateFile": "/t"}
CONFIGURATION = """[master]
harvester_id = u
extraPluginConfigs =
  {"HTCondorSubmitter": {"submit_arc_grid_type": "nordugrid", "nProcesses": 4},
   "local": {"cores": 3}}
[pandacon]
server_api_url_ssl = http://127.0.0.1:1/api/v1
"""


def loaded(
    directory: Path,
    queue: dict[str, JsonValue],
    defaults: PluginDefaults,
    qconf: Qconf | None = None,
    outside: Outside = NOTHING,
) -> QueueConfig:
    path = directory / "queues.json"
    path.write_text(json.dumps({"Q": {"nQueueLimitJob": 1, **queue}}))
    return QueueLoader(path, qconf or Qconf(), directory, plugin_defaults=defaults).load(outside).queues["Q"]


def stated(directory: Path) -> PluginDefaults:
    (directory / "panda_harvester.cfg").write_text(CONFIGURATION)
    settings = load_settings([directory / "panda_harvester.cfg"], {}).settings
    assert settings is not None
    return settings.master.extra_plugin_configs


@pytest.mark.shows("master.extraPluginConfigs")
def test_plugins_of_a_class_get_what_the_instance_says(tmp_path: Path):
    others = {"module": "pandaharvester.harvestermonitor.htcondor_monitor", "name": "HTCondorMonitor"}
    queue = loaded(tmp_path, {"submitter": SUBMITTER, "monitor": others, "sweeper": others}, stated(tmp_path))
    given = {"templateFile": "/t", "submit_arc_grid_type": "nordugrid", "nProcesses": 4}
    assert queue.submitter.settings == given
    assert queue.monitor.settings == {}


def test_a_plugin_by_its_short_name_gets_them_in_all_its_roles(tmp_path: Path):
    queue = loaded(tmp_path, {"submitter": {"plugin": "local", "command": ["x"]}}, stated(tmp_path))
    assert {role: block.settings.get("cores") for role, block in queue.blocks.items() if block.plugin == "local"} == {
        "submitter": 3,
        "monitor": 3,
        "sweeper": 3,
    }


def test_what_harvester_itself_reads_of_a_block_counts_too(tmp_path: Path):
    queue = loaded(tmp_path, {"submitter": {"plugin": "local"}}, {"local": {"uploadLog": True}})
    assert queue.core.submitter.upload_log


def test_a_queue_that_the_information_system_knows_gets_them_as_any_other(tmp_path: Path):
    asking = Qconf.model_validate({"resolverModule": "m", "resolverClass": "PandaQueuesDict"})
    known = Outside(book=read_queues({"Q": {"nickname": "Q", "panda_resource": "Q"}}, "u"))
    queue = loaded(tmp_path, {"submitter": {"plugin": "local"}}, {"local": {"cores": 3}}, asking, known)
    assert queue.panda_queue_name == "Q"
    assert queue.submitter.settings == {"cores": 3}


NAMES = st.sampled_from("abcd")
SETTINGS = st.dictionaries(NAMES, st.integers(0, 3))


@given(instance=SETTINGS, common=SETTINGS, block=SETTINGS)
def test_the_block_wins_over_common_and_common_over_the_instance(
    tmp_path_factory: pytest.TempPathFactory, instance: dict[str, int], common: dict[str, int], block: dict[str, int]
):
    raw: dict[str, JsonValue] = {"common": {**common}, "submitter": {"plugin": "local", **block}}
    queue = loaded(tmp_path_factory.getbasetemp(), raw, {"local": {**instance}})
    assert queue.submitter.settings == {**instance, **common, **block}


def test_middleware_gets_its_own_and_what_it_runs_gets_its_own(tmp_path: Path):
    raw: dict[str, JsonValue] = {
        "submitter": {"plugin": "local", "middleware": "there"},
        "there": {"module": "a.b", "name": "Herder"},
    }
    queue = loaded(tmp_path, raw, {"Herder": {"host": "h"}, "local": {"cores": 3, "host": "l"}})
    assert (queue.submitter.name, queue.submitter.settings["host"]) == ("Herder", "h")
    assert queue.submitter.original is not None
    assert queue.submitter.original.settings["host"] == "l"


def test_a_former_version_is_built_with_the_present_ones(tmp_path: Path):
    raw: dict[str, JsonValue] = {"submitter": {"plugin": "local"}}
    defaults = {"local": {"cores": 3}}
    again = stored_queue("Q", raw, raw, tmp_path, defaults)
    assert again is not None
    assert digest_of(again) == digest_of(loaded(tmp_path, raw, defaults))
    assert digest_of(again) != digest_of(loaded(tmp_path, raw, {}))


def complaints(directory: Path, queue: dict[str, JsonValue], configuration: str = CONFIGURATION) -> list[Finding]:
    main, path = directory / "panda_harvester.cfg", directory / "queues.json"
    main.write_text(configuration)
    path.write_text(json.dumps({"Q": {"nQueueLimitJob": 1, **queue}}))
    return [each for each in check([main], path, {}, None) if each.key == "master.extraPluginConfigs"]


def test_settings_for_a_plugin_that_no_queue_has_are_told(tmp_path: Path):
    (found,) = complaints(tmp_path, {"submitter": {"plugin": "local"}})
    assert "HTCondorSubmitter" in found.problem
    assert found.line == 3
    queue: dict[str, JsonValue] = {"submitter": SUBMITTER, "monitor": SUBMITTER, "sweeper": {"plugin": "local"}}
    assert complaints(tmp_path, queue) == []


def test_what_is_no_object_of_objects_is_refused(tmp_path: Path):
    wrong = CONFIGURATION.replace('{"cores": 3}', "3")
    (found,) = complaints(tmp_path, {"submitter": {"plugin": "local"}}, wrong)
    assert found.severity == "error"
