"""What the information system decides of queues, and what it cannot decide."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.config.findings import Severity
from harvester.config.instance_sections import Qconf
from harvester.config.json_lines import parse_json
from harvester.config.queues import LoadedQueues, QueueSources, RunMode, load_queues
from harvester.config.resolver import Resolver
from harvester.core.facts import read_queues
from harvester.core.workers import MapType

PLUGINS = {"submitter": {"plugin": "local"}, "maxWorkers": 9, "nQueueLimitJob": 9}
TEMPLATES = {
    name: {**PLUGINS, "isTemplateQueue": True, "prodSourceLabel": label}
    for name, label in (("production.pull", "a"), ("named", "b"), ("fallback", "c"))
}
OURS = {"pilot_manager": "Harvester", "harvester": "me", "type": "production", "workflow": "pull", "status": "online"}
CLASSES = {"resolverModule": "pandaharvester.harvestermisc.info_utils", "resolverClass": "PandaQueuesDict"}


def load(queues: dict[str, Any], entries: dict[str, Any] | None = None, **qconf: Any) -> LoadedQueues:  # noqa: ANN401 (any key)
    document = {name: {"nickname": name, "panda_resource": name, **OURS, **entry} for name, entry in queues.items()}
    section = Qconf.model_validate({"queueList": ["DYNAMIC"], **CLASSES, **qconf})
    return load_queues(
        QueueSources(parse_json(json.dumps({**TEMPLATES, **(entries or {})}), "q.json")),
        section.queue_list,
        work_dir=Path("/w"),
        resolver=Resolver.of(section, read_queues(document, "me")),
    )


def errors(loaded: LoadedQueues) -> list[str]:
    return [
        f"{each.file}: {each.key}: {each.problem}; {each.advice}"
        for each in loaded.findings
        if each.severity is Severity.ERROR
    ]


@pytest.mark.shows("queue.pandaQueueName")
def test_submitters_are_told_what_cric_calls_the_queue_if_that_is_another_name():
    entry = {"submitter": {"plugin": "local"}, "nQueueLimitJob": 1}
    loaded = load({"CRIC_NAME": {"panda_resource": "OURS"}}, {"OURS": entry, "UNKNOWN": entry})
    assert loaded.queues["OURS"].submitter.settings == {"pandaQueueName": "CRIC_NAME"}
    assert loaded.queues["OURS"].monitor.settings == {}
    assert loaded.queues["UNKNOWN"].submitter.settings == {}


@pytest.mark.shows("qconf.defaultTemplateQueueName")
@pytest.mark.parametrize(
    ("entry", "qconf", "label"),
    [
        ({}, {}, "a"),
        ({"type": "unified"}, {}, "a"),
        ({"harvester_template": "named"}, {}, "b"),
        ({"type": None}, {"defaultTemplateQueueName": "fallback"}, "c"),
        ({"workflow": ""}, {"defaultTemplateQueueName": "fallback"}, "c"),
    ],
)
def test_the_template_of_a_queue_that_only_the_resolver_names(entry: dict[str, Any], qconf: dict[str, Any], label: str):
    loaded = load({"SITE": entry}, **qconf)
    assert loaded.active == {"SITE"}
    assert loaded.queues["SITE"].prod_source_label == label
    assert loaded.queues["SITE"].panda_queue_name == "SITE"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"harvester_template": "unknown"}, "there is no template unknown"),
        ({"type": None}, "set [qconf] defaultTemplateQueueName"),
    ],
)
def test_a_queue_without_template_loses_only_itself(entry: dict[str, Any], words: str):
    loaded = load({"BAD": entry, "GOOD": {}})
    assert loaded.active == {"GOOD"}
    (error,) = errors(loaded)
    assert words in error
    assert error.startswith("panda_queues.json (cached): BAD")
    assert loaded.refused == {"BAD"}


def test_queues_of_others_are_no_queues_of_ours():
    assert not load({"A": {"harvester": "other"}, "B": {"pilot_manager": "APF"}}).queues


@pytest.mark.shows("qconf.resolverModule", "qconf.resolverClass")
def test_without_dynamic_or_resolver_only_configured_queues_count():
    for qconf in ({"queueList": ["ALL"]}, {"resolverModule": None}, {"resolverClass": "Own"}):
        loaded = load({"SITE": {}}, {"LOCAL": PLUGINS}, **qconf)
        assert loaded.active == {"LOCAL"}


def test_only_limits_are_taken_and_a_bad_one_loses_only_itself():
    params = {
        "maxWorkers": "7",
        "nQueueLimitWorker": 5.0,
        "nQueueLimitJob": "many",
        "prodSourceLabel": "x",
        "maxNewWorkersPerCycle": "",
    }
    loaded = load({"SITE": {"params": params}})
    queue = loaded.queues["SITE"]
    assert (queue.max_workers, queue.n_queue_limit_worker, queue.n_queue_limit_job) == (7, 5, 9)
    assert queue.prod_source_label == "a"
    assert [each.key for each in loaded.findings if "no whole number" in each.problem] == ["SITE.params.nQueueLimitJob"]


def test_what_the_file_says_is_stronger():
    loaded = load({"SITE": {"params": {"maxWorkers": 7}}}, {"SITE": {"maxWorkers": 3, "templateQueueName": "named"}})
    assert (loaded.queues["SITE"].max_workers, loaded.queues["SITE"].prod_source_label) == (3, "b")


def test_a_configured_queue_needs_no_template_of_the_resolver():
    loaded = load({"SITE": {"type": None, "params": {"maxWorkers": 7}}}, {"SITE": {"submitter": {"plugin": "local"}}})
    assert loaded.queues["SITE"].max_workers == 7
    assert errors(loaded) == []


def test_a_queue_that_the_server_steers():
    loaded = load({"SITE": {"workflow": "pull_ups", "capability": "ucore", "harvester_template": "named"}})
    queue = loaded.queues["SITE"]
    assert (queue.run_mode, queue.map_type, queue.n_queue_limit_job) == (RunMode.SLAVE, MapType.NO_JOB, None)
    steered = {"workflow": "pull_ups", "capability": "ucore"}
    assert load({"SITE": steered}, {"SITE": PLUGINS}, queueList=["ALL"]).queues["SITE"].run_mode is RunMode.SELF


@pytest.mark.shows("qconf.autoBlacklist")
@pytest.mark.parametrize(
    ("entry", "stated", "active"),
    [
        ({"status": "offline"}, None, False),
        ({"status": "OFFLINE"}, None, False),
        ({"status": "brokeroff"}, None, True),
        ({"status": None}, None, True),
        ({"status": "offline"}, "online", True),
        ({"status": "online"}, "offline", False),
        ({"harvester": "other"}, None, False),
    ],
)
def test_offline_by_the_resolver(entry: dict[str, Any], stated: str | None, active: bool):  # noqa: FBT001 (a column of the table)
    queue = {**PLUGINS, **({"queueStatus": stated} if stated else {})}
    loaded = load({"SITE": entry}, {"SITE": queue, "UNKNOWN": PLUGINS}, autoBlacklist=True)
    assert loaded.active == ({"SITE", "UNKNOWN"} if active else {"UNKNOWN"})
    assert set(load({"SITE": entry}, {"SITE": queue}).queues) == {"SITE"}


def test_the_reason_why_a_queue_is_not_served_is_the_true_one():
    stated, bad = {**PLUGINS, "queueStatus": "offline"}, {**PLUGINS, "maxWorkers": "many"}
    book = {"DOWN": {"status": "offline"}, "THEIRS": {"pilot_manager": "other"}, "OLD": {"pilot_version": "2"}}
    entries = {"STATED": stated, "BAD": bad, "GOOD": PLUGINS, "THEIRS": PLUGINS}
    loaded = load(book, entries, autoBlacklist=True, pilotVersion="3")
    assert loaded.active == {"GOOD"}
    assert loaded.unserved == {
        "STATED": "its queueStatus is offline (q.json, line 1)",
        "BAD": "its configuration has an error, which `harvester check` tells",
        "DOWN": "the information system says that it is offline",
        "THEIRS": "the information system does not give it to this instance ([qconf] autoBlacklist)",
        "OLD": "its pilot version is 2 in the information system, and 3 in [qconf] pilotVersion",
    }
    assert load({}, {"GOOD": PLUGINS}, queueList=["OTHER"]).unserved == {"GOOD": "[qconf] queueList does not name it"}


@pytest.mark.shows("qconf.pilotVersion")
def test_the_pilot_version_counts_with_or_without_resolver():
    queues = {"NEW": {"pilot_version": "3"}, "OLD": {"pilot_version": 2}, "SILENT": {}}
    entries = dict.fromkeys((*queues, "UNKNOWN"), PLUGINS)
    for more in ({}, {"resolverModule": None, "queueList": ["ALL"]}):
        assert load(queues, entries, pilotVersion="3", **more).active == {"NEW", "UNKNOWN"}
    assert load(queues, entries).active == {*entries}
