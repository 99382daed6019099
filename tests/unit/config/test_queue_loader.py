"""Sources that come and go, and configurations pushed with mistakes."""

import json
from pathlib import Path
from typing import Any

import pytest

from harvester.config.findings import Severity
from harvester.config.instance_sections import Qconf
from harvester.config.queue_changes import QueueChanges
from harvester.config.queue_loader import Outside, QueueLoader, with_last_good
from harvester.config.queues import LoadedQueues
from harvester.core.facts import read_queues

GOOD = {"submitter": {"plugin": "local"}, "maxWorkers": 1, "nQueueLimitJob": 1}
ENTRY = {"nickname": "DYN", "panda_resource": "DYN", "pilot_manager": "Harvester", "harvester": "me"}
RESOLVER = {"queueList": ["DYNAMIC"], "resolverModule": "m", "resolverClass": "PandaQueuesDict"}


class Files:
    """A local file, and the loader that reads it."""

    def __init__(self, directory: Path, **qconf: Any) -> None:  # noqa: ANN401 (any key)
        self.path = directory / "queues.json"
        self.loader = QueueLoader(self.path, Qconf.model_validate(qconf), directory)

    def load(self, text: str | dict[str, Any] | None, remote: Any = None, queues: Any = None) -> LoadedQueues:  # noqa: ANN401 (anything may be fetched)
        if text is None:
            self.path.unlink(missing_ok=True)
        else:
            self.path.write_text(text if isinstance(text, str) else json.dumps(text))
        return self.loader.load(Outside(remote, read_queues(queues or {}, "me")))


def errors(loaded: LoadedQueues) -> list[str]:
    return [each.as_line() for each in loaded.findings if each.severity is Severity.ERROR]


@pytest.mark.parametrize("broken", ['{"A": ', "[]", None])
def test_a_file_that_cannot_be_read_any_more_stands_for_what_it_said(tmp_path: Path, broken: str | None):
    files = Files(tmp_path)
    files.load({"A": GOOD})
    loaded = files.load(broken)
    assert loaded.active == {"A"}
    (error,) = errors(loaded)
    assert str(files.path) in error
    assert files.load({"B": GOOD}).active == {"B"}


def test_nothing_to_read_at_all_is_no_empty_configuration(tmp_path: Path):
    assert not Files(tmp_path).load(None).readable
    assert Files(tmp_path, configFromCacher=True).load(None, remote={"R": GOOD}).active == {"R"}
    assert Files(tmp_path, **RESOLVER).load(None).readable


@pytest.mark.shows("qconf.configFromCacher")
def test_remote_queues_are_merged_under_the_local_ones(tmp_path: Path):
    files = Files(tmp_path, configFromCacher=True)
    remote = {"X_TEMPLATE": GOOD, "A": {"templateQueueName": "X_TEMPLATE", "maxWorkers": 7}, "B": GOOD}
    loaded = files.load({"A": {"maxWorkers": 3}}, remote=remote)
    assert loaded.active == {"A", "B"}
    assert loaded.queues["A"].max_workers == 3
    assert not Files(tmp_path).load({"A": GOOD}, remote=remote).queues.keys() - {"A"}


@pytest.mark.parametrize("broken", [["A"], "text", None])
def test_a_remote_document_that_is_none_stands_for_what_it_said(tmp_path: Path, broken: Any):  # noqa: ANN401 (anything may be fetched)
    files = Files(tmp_path, configFromCacher=True)
    files.load({}, remote={"R": GOOD})
    loaded = files.load({}, remote=broken)
    assert loaded.active == {"R"}
    assert [("queues_config_file (cached)" in each) for each in errors(loaded)] == [True] * (broken is not None)


def test_what_was_not_fetched_yet_is_said(tmp_path: Path):
    loaded = Files(tmp_path, configFromCacher=True, **RESOLVER).load({})
    waits = [each for each in loaded.findings if "not fetched yet" in each.problem]
    assert [(each.severity, each.file.split()[0]) for each in waits] == [
        (Severity.INFO, "queues_config_file"),
        (Severity.INFO, "panda_queues.json"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        {"submitter": {}},
        {**GOOD, "maxWorkers": "many"},
        {**GOOD, "templateQueueName": "gone"},
        7,
        {},
    ],
)
def test_a_queue_with_an_error_keeps_its_last_good_configuration(tmp_path: Path, bad: Any):  # noqa: ANN401 (any entry)
    files = Files(tmp_path)
    last = files.load({"A": GOOD, "B": GOOD})
    new = with_last_good(files.load({"A": bad, "B": {**GOOD, "maxWorkers": 2}, "NEW": bad}), last)
    assert new.queues["A"] == last.queues["A"]
    assert new.queues["B"].max_workers == 2
    assert new.active == {"A", "B"}
    assert new.kept == {"A"}
    assert "A" not in new.left_out
    assert errors(new)
    again = with_last_good(files.load({"A": bad, "B": GOOD}), new)
    assert (again.active, again.kept) == ({"A", "B"}, {"A"})
    mended = with_last_good(files.load({"A": {**GOOD, "maxWorkers": 5}}), again)
    assert (mended.active, mended.kept, mended.queues["A"].max_workers) == ({"A"}, frozenset(), 5)


def test_a_queue_that_was_out_of_service_stays_so_with_an_error(tmp_path: Path):
    files = Files(tmp_path)
    last = files.load({"A": {**GOOD, "queueStatus": "offline"}})
    assert with_last_good(files.load({"A": {}}), last).active == frozenset()


def test_a_queue_that_is_not_mentioned_any_more_is_gone(tmp_path: Path):
    files = Files(tmp_path)
    last = files.load({"A": GOOD, "B": GOOD})
    assert set(with_last_good(files.load({"B": GOOD}), last).queues) == {"B"}


def test_a_resolver_that_loses_a_template_keeps_the_queue(tmp_path: Path):
    files = Files(tmp_path, **RESOLVER)
    last = files.load({"T_TEMPLATE": GOOD}, queues={"DYN": {**ENTRY, "harvester_template": "T_TEMPLATE"}})
    assert last.active == {"DYN"}
    new = with_last_good(files.load({}, queues={"DYN": {**ENTRY, "harvester_template": "T_TEMPLATE"}}), last)
    assert (new.active, new.kept) == ({"DYN"}, {"DYN"})


def test_changes_are_told_by_kind(tmp_path: Path):
    files = Files(tmp_path)
    last = files.load({"A": GOOD, "B": GOOD, "C": GOOD, "D": GOOD})
    new = files.load({"A": GOOD, "B": {**GOOD, "maxWorkers": 2}, "C": {**GOOD, "queueStatus": "offline"}, "E": GOOD})
    changes = QueueChanges.between(last, new)
    assert changes.words() == {
        "added": "E",
        "changed": "B, C",
        "removed": "D",
        "served_now": "E",
        "not_served_any_more": "C, D",
    }
    assert not QueueChanges.between(new, new)


def test_the_stamp_tells_when_to_read_again(tmp_path: Path):
    files = Files(tmp_path)
    assert files.loader.stamp() is None
    files.load({"A": GOOD})
    stamp = files.loader.stamp()
    assert stamp is not None
    assert files.loader.stamp_read == stamp
    files.path.write_text("{}")
    assert files.loader.stamp() != stamp
