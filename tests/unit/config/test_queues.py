"""From the sources of the queue configuration to queues."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from harvester.config.findings import Severity
from harvester.config.instance_sections import Qconf
from harvester.config.json_lines import JsonDocument, parse_json
from harvester.config.queue_loader import QueueLoader
from harvester.config.queues import (
    LoadedQueues,
    PluginBlock,
    QueueConfig,
    QueueSources,
    RunMode,
    load_queues,
)
from harvester.core.workers import MapType

WORK_DIR = Path("/state")
UPSTREAM = {
    role: {"module": f"pandaharvester.harvester{role.lower()}.x", "name": f"X{role}"}
    for role in ("submitter", "monitor", "sweeper", "workerMaker", "messenger", "preparator", "stager")
}
Entries = Mapping[str, object]


def document(entries: Entries) -> JsonDocument:
    return parse_json(json.dumps(entries, indent=1), "queues.json")


def load(entries: Entries, *names: str, remote: Entries | None = None, **dynamic: dict[str, JsonValue]) -> LoadedQueues:
    sources = QueueSources(document(entries), document(remote) if remote else None, dynamic)
    return load_queues(sources, names or ("ALL",), work_dir=WORK_DIR)


def one(attributes: Mapping[str, object], name: str = "Q") -> QueueConfig:
    loaded = load({name: {"submitter": {"plugin": "local"}, **attributes}})
    told = [each for each in loaded.findings if each.severity is not Severity.INFO]
    assert [each for each in told if not each.key.endswith("nQueueLimitJob")] == []
    return loaded.queues[name]


@pytest.mark.shows(
    "queue.submitter",
    "queue.monitor",
    "queue.sweeper",
    "queue.workerMaker",
    "queue.messenger",
    "queue.preparator",
    "queue.stager",
)
def test_a_submitter_is_enough() -> None:
    loaded = load({"Q": {"nQueueLimitJob": 3, "submitter": {"plugin": "slurm", "partition": "p"}}})
    queue = loaded.queues["Q"]
    assert {role: block.label for role, block in queue.blocks.items()} == {
        "submitter": "slurm",
        "monitor": "slurm",
        "sweeper": "slurm",
        "workerMaker": "simple",
        "messenger": "shared_file",
        "preparator": "dummy",
        "stager": "dummy",
    }
    assert queue.monitor.settings == {"partition": "p"}
    assert queue.messenger.settings["accessPoint"] == "/state/workers/${_workerID_3.2}/${_workerID_1.0}/${workerID}"
    assert {each.severity for each in loaded.findings} == {Severity.INFO}
    assert {each.key for each in loaded.findings} >= {"Q.monitor", "Q.sweeper", "Q.workerMaker", "Q.messenger"}


def test_a_submitter_named_by_its_class_is_followed() -> None:
    loaded = load({"Q": {"submitter": {"module": "my.example", "name": "Mine", "templateFile": "t"}}})
    queue = loaded.queues["Q"]
    for block in (queue.monitor, queue.sweeper):
        assert (block.module, block.name, block.settings["templateFile"]) == ("my.example", "Mine", "t")
    (said,) = (each for each in loaded.findings if each.key == "Q.monitor")
    assert said.severity is Severity.INFO
    assert said.problem == "not set, so my.example : Mine is used"
    assert said.advice == 'write "monitor": {"module": "my.example", "name": "Mine"} to say so'


def test_a_submitter_of_upstream_is_not_followed() -> None:
    loaded = load({"Q": {"submitter": UPSTREAM["submitter"]}})
    assert not loaded.queues
    errors = [each.key for each in loaded.findings if each.severity is Severity.ERROR]
    assert errors == ["Q.monitor", "Q.sweeper"]


def test_blocks_of_their_own_are_kept_beside_a_submitter_named_by_its_class() -> None:
    own = {"module": "my.other", "name": "Watch"}
    queue = load({"Q": {"submitter": {"module": "my.example", "name": "Mine"}, "monitor": own}}).queues["Q"]
    assert (queue.monitor.name, queue.sweeper.name) == ("Watch", "Mine")


def test_defaults() -> None:
    queue = one({})
    assert (queue.map_type, queue.run_mode, queue.max_workers) == (MapType.ONE_TO_ONE, RunMode.SELF, 0)
    assert (queue.site_name, queue.site_family, queue.resource_type) == ("Q", "Q", "ANY")


def test_a_name_with_a_resource_type() -> None:
    queue = one({}, "SITE/SCORE")
    assert (queue.site_name, queue.site_family, queue.resource_type) == ("SITE", "SITE", "SCORE")


@pytest.mark.shows("queue.siteName")
def test_explicit_names_win() -> None:
    queue = one({"siteName": "S", "resourceType": "MCORE"}, "SITE/SCORE")
    assert (queue.site_name, queue.site_family, queue.resource_type) == ("S", "SITE", "MCORE")
    assert one({"siteFamily": "F"}, "SITE/SCORE").site_family == "F"


@pytest.mark.shows("queue.templateQueueName")
def test_merge_order_and_blocks() -> None:
    template = {
        **UPSTREAM,
        "maxWorkers": 1,
        "nQueueLimitJob": 1,
        "common": {"a": 1, "b": 1},
        "credmanagers": [{"x": 1}],
    }
    loaded = load(
        {"L_TEMPLATE": template, "Q": {"templateQueueName": "L_TEMPLATE", "common": {"b": 4}, "nQueueLimitWorker": 4}},
        remote={
            "R_TEMPLATE": {"maxWorkers": 9},
            "Q": {"templateQueueName": "R_TEMPLATE", "maxWorkers": 20, "common": {"b": 2, "c": 2}, "jobType": "r"},
        },
        Q={"maxWorkers": 30, "nQueueLimitJob": 3, "jobType": "not a limit"},
    )
    queue = loaded.queues["Q"]
    assert queue.template_queue_name == "L_TEMPLATE"
    assert (queue.max_workers, queue.n_queue_limit_worker, queue.n_queue_limit_job) == (30, 4, 3)
    assert queue.common == {"a": 1, "b": 4, "c": 2}
    assert queue.job_type == "r"
    assert queue.credmanagers == ({"x": 1},)
    assert queue.submitter.settings == {"a": 1, "b": 4, "c": 2}


def test_a_local_template_hides_the_remote_one() -> None:
    loaded = load(
        {"A_TEMPLATE": {"submitter": {"plugin": "local"}}},
        remote={"A_TEMPLATE": {"maxWorkers": 5}, "Q": {"templateQueueName": "A_TEMPLATE"}},
    )
    assert loaded.queues["Q"].max_workers == 0


def test_a_queue_survives_through_another_source() -> None:
    loaded = load(
        {"Q": {"templateQueueName": "NONE"}},
        remote={"Q": {"submitter": {"plugin": "local"}}},
    )
    assert list(loaded.queues) == ["Q"]
    assert [each.key for each in loaded.findings if each.severity is Severity.ERROR] == ["Q.templateQueueName"]


def test_templates_are_no_queues() -> None:
    loaded = load({"A_TEMPLATE": {}, "B": {"isTemplateQueue": True}, "_comment": "text"})
    assert loaded.queues == {}
    assert loaded.findings == ()


@pytest.mark.shows("queue.common")
def test_common_fills_in_and_never_overrides() -> None:
    queue = one({"common": {"a": 1, "b": 1, "name": "no"}, "submitter": {"plugin": "local", "b": 2}})
    assert queue.submitter.settings == {"a": 1, "b": 2}
    assert queue.submitter.name is None


def test_one_way_of_naming_a_plugin_replaces_the_other() -> None:
    loaded = load({"A_TEMPLATE": UPSTREAM, "Q": {"templateQueueName": "A_TEMPLATE", "submitter": {"plugin": "slurm"}}})
    assert loaded.queues["Q"].submitter == PluginBlock(plugin="slurm")
    assert loaded.queues["Q"].monitor.name == "Xmonitor"


def test_middleware_stands_before_the_plugin() -> None:
    queue = one(
        {
            "submitter": {"module": "m", "name": "N", "middleware": "rpc", "x": 1},
            "monitor": {"plugin": "local"},
            "sweeper": {"plugin": "local"},
            "rpc": {"module": "herders", "name": "Rpc", "host": "h"},
        }
    )
    assert (queue.submitter.module, queue.submitter.settings["host"]) == ("herders", "h")
    assert queue.submitter.original is not None
    assert queue.submitter.original.label == "m.N"
    assert "host" not in queue.submitter.original.settings


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        ({"truePilot": True}, "no_heartbeat", {"running", "transferring", "finished", "failed"}),
        ({"truePilot": True, "noHeartbeat": "running, failed"}, "no_heartbeat", {"running", "failed"}),
        ({"getJobCriteria": "a=1, b=x=y"}, "get_job_criteria", {"a": "1", "b": "x=y"}),
        ({"initEventsMultipler": 2}, "init_events_multiplier", 2),
        ({"zipPerMB": None}, "zip_per_mb", None),
        ({"maxWorkers": None}, "max_workers", 0),
        ({"walltimeLimit": None}, "walltime_limit", None),
    ],
)
def test_attributes(attributes: dict[str, JsonValue], name: str, value: object) -> None:
    assert getattr(one(attributes), name) == value


@pytest.mark.shows("qconf.queueList", "queue.queueStatus")
def test_active_queues() -> None:
    queue = {"submitter": {"plugin": "local"}}
    entries = {"A": queue, "B": {**queue, "queueStatus": "OFFLINE"}, "C": queue, "D": {}}
    assert load(entries, "ALL").active == {"A", "C"}
    assert load(entries, "DYNAMIC").active == {"A", "C"}
    assert load(entries, "A", "B").active == {"A"}
    assert set(load(entries, "A").queues) == {"A", "B", "C"}


def test_what_the_agents_read_from_plugin_blocks() -> None:
    queue = one(
        {
            "submitter": {
                "plugin": "local",
                "nCoreFactor": {"Any": {"Undefined": 2}},
                "computingElements": ["ce"],
            },
            "common": {"checkTimeout": 600, "nWorkersPerJob": 2},
            "monitor": {"plugin": "local", "fifoCheckInterval": 5.5},
            "messenger": {"accessPoint": "/${workerID}", "worker_heartbeat": 30},
            "workerMaker": {"nJobsPerWorker": 4, "staticWorkers": None},
        }
    )
    assert queue.core.submitter.n_core_factor == {"Any": {"Undefined": 2}}
    assert queue.core.submitter.computing_elements == ("ce",)
    assert (queue.core.monitor.check_timeout, queue.core.monitor.fifo_check_interval) == (600, 5.5)
    assert queue.core.messenger.heartbeat_minutes == 30
    assert (queue.core.worker_maker.n_jobs_per_worker, queue.core.worker_maker.n_workers_per_job) == (4, 2)
    assert queue.core.worker_maker.static_workers is None


def test_digits_in_quotes_are_the_number() -> None:
    block = {"plugin": "local", "nCorePerNode": "32", "checkTimeout": "60"}
    loaded = load(
        {"Q": {"nQueueLimitJob": 3, "submitter": block, "workerMaker": {"plugin": "simple", "nJobsPerWorker": "3"}}}
    )
    core = loaded.queues["Q"].core
    assert (core.submitter.n_core_per_node, core.monitor.check_timeout, core.worker_maker.n_jobs_per_worker) == (
        32,
        60,
        3,
    )
    told = [each.key for each in loaded.findings if each.severity is Severity.WARNING]
    assert told == ["Q.submitter.nCorePerNode", "Q.submitter.checkTimeout", "Q.workerMaker.nJobsPerWorker"]


def test_one_bad_queue_never_takes_the_others_down() -> None:
    good = {"submitter": {"plugin": "local"}}
    bad = [
        1,
        [],
        {},
        {"submitter": 1},
        {**good, "mapType": "x"},
        {**good, "templateQueueName": "x"},
        {**good, "maxWorkers": {}},
        {**good, "monitor": {"plugin": "local", "checkTimeout": []}},
    ]
    loaded = load({"GOOD": good, **{f"BAD{place}": entry for place, entry in enumerate(bad)}})
    assert list(loaded.queues) == ["GOOD"]
    broken = {each.key.split(".")[0] for each in loaded.findings if each.severity is Severity.ERROR}
    assert broken == {f"BAD{place}" for place in range(len(bad))}


def test_an_unreadable_file_is_not_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text("{}")
    assert QueueLoader(path, Qconf(), WORK_DIR).load().readable
    path.write_text('{"Q": ')
    broken = QueueLoader(path, Qconf(), WORK_DIR).load()
    assert not broken.readable
    assert [each.severity for each in broken.findings] == [Severity.ERROR]


def test_secrets_of_plugins_do_not_show() -> None:
    queue = one({"submitter": {"plugin": "local", "password": "hush"}, "common": {"token": "hush"}})
    assert "hush" not in repr(queue)


@pytest.mark.parametrize(
    ("attributes", "key"),
    [
        ({"mapType": "OneToOne", "maxWorkers": 3}, "Q.nQueueLimitJob"),
        ({"mapType": "NoJob"}, "Q.maxWorkers"),
        ({"mapType": "NoJob", "maxWorkers": 0}, "Q.maxWorkers"),
        ({"mapType": "NoJob", "nQueueLimitWorker": 3}, "Q.nQueueLimitWorker"),
        ({"mapType": "OneToOne", "nQueueLimitJobMax": 3}, None),
        ({"mapType": "NoJob", "maxWorkers": 3}, None),
    ],
)
def test_a_queue_that_would_look_stuck_is_told_once(attributes: dict[str, JsonValue], key: str | None) -> None:
    loaded = load({"Q": {"submitter": {"plugin": "local"}, **attributes}})
    told = [each.key for each in loaded.findings if each.severity is Severity.WARNING]
    assert told == ([key] if key else [])


def test_queues_with_an_error_are_known_by_name() -> None:
    good = {"submitter": {"plugin": "local"}}
    loaded = load({"GOOD": good, "BAD": {}, "OTHER": {}}, "GOOD", "BAD")
    assert loaded.left_out == {"BAD"}
