"""Jobs whose outputs are merged on site share a directory of their task."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from messenger_tools import MakeMessenger, Place
from pydantic import JsonValue

from harvester.core.files import FileKind
from harvester.core.workers import MapType
from harvester.plugins.api import Done, Later, PluginContext
from harvester.plugins.messengers.shared_file import SharedFileMessenger, SharedFileSettings

PARAMS: dict[str, JsonValue] = {
    "onSiteMerging": "True",
    "taskID": 42,
    "inFiles": "a.root,b.root,c.root",
    "outFiles": "merged.root,log.tgz",
    "logFile": "NULL",
}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "tasks"


@pytest.fixture
def merging(make_messenger: MakeMessenger, base: Path) -> SharedFileMessenger:
    return make_messenger(taskWorkBaseDir=str(base))


def merged(base: Path, books: JsonValue, *outputs: str) -> None:
    task = base / "42"
    task.mkdir(parents=True, exist_ok=True)
    for name in outputs:
        (task / name).write_text(name)
    (task / "state.json").write_text(json.dumps(books))


@pytest.mark.shows("payload_interaction.taskWorkBaseDir")
def test_the_worker_is_told_where_the_directory_of_its_task_is(merging: SharedFileMessenger, place: Place, base: Path):
    assert merging.feed([place.assignment(PARAMS)]) == [Done()]
    assert (base / "42").is_dir()
    assert (place.directory / "task_workdir_path.txt").read_text() == str(base / "42")


def test_each_job_of_a_worker_is_told(merging: SharedFileMessenger, make_place: Callable[..., Place], base: Path):
    place = make_place(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    assert merging.feed([place.assignment(PARAMS)]) == [Done()]
    told = {path.read_text() for path in place.directory.glob("*/task_workdir_path.txt")}
    assert told == {str(base / "42")}
    assert len(list(place.directory.glob("*/task_workdir_path.txt"))) == 2


@pytest.mark.parametrize("other", [{"onSiteMerging": "False"}, {"taskID": "../42"}, {"taskID": "NULL"}])
def test_other_jobs_get_no_such_directory(
    merging: SharedFileMessenger, place: Place, base: Path, other: dict[str, JsonValue]
):
    assert merging.feed([place.assignment(PARAMS | other)]) == [Done()]
    assert merging.finish([place.assignment(PARAMS | other)]) == [Done()]
    assert not base.exists()
    assert not {"task_workdir_path.txt", "post_process_job_attrs.json"} & place.names()


@pytest.mark.shows("payload_interaction.taskWorkStateFile")
def test_merged_outputs_of_the_jobs_inputs_are_told_and_the_other_inputs_are_skipped(
    merging: SharedFileMessenger, place: Place, base: Path
):
    output: JsonValue = {"merged.root": {"path": str(base / "42" / "merged.root"), "guid": "G-9"}}
    others: JsonValue = {"others.root": {"path": "others.root"}}
    merged(base, {"merged": {"a.root": output, "b.root": output, "z.root": others}}, "merged.root", "others.root")
    assert merging.finish([place.assignment(PARAMS)]) == [Done()]
    (news,) = merging.collect([place.worker])
    assert [(each.lfn, each.kind, each.guid, each.size) for each in news.files] == [
        ("merged.root", FileKind.OUTPUT, "G-9", len("merged.root"))
    ]
    assert news.attributes[101]["skippedInputs"] == ["c.root"]


def test_without_books_all_inputs_are_skipped(merging: SharedFileMessenger, place: Place):
    merging.finish([place.assignment(PARAMS)])
    (news,) = merging.collect([place.worker])
    assert news.attributes[101]["skippedInputs"] == ["a.root", "b.root", "c.root"]


@pytest.mark.parametrize("text", ['{"merged": {"a.ro', "[]", '{"merged": []}'])
def test_broken_books_are_waited_for(merging: SharedFileMessenger, place: Place, base: Path, text: str):
    merged(base, {})
    (base / "42" / "state.json").write_text(text)
    (answer,) = merging.finish([place.assignment(PARAMS)])
    assert isinstance(answer, Later)
    assert "merged outputs are not known" in answer.reason
    assert str(base / "42" / "state.json") in answer.reason
    merged(base, {"merged": {}})
    assert merging.finish([place.assignment(PARAMS)]) == [Done()]


def test_books_cannot_name_files_elsewhere(merging: SharedFileMessenger, place: Place, base: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("x")
    merged(base, {"merged": {"a.root": {"merged.root": {"path": "../../secret"}}}})
    merging.finish([place.assignment(PARAMS)])
    (news,) = merging.collect([place.worker])
    assert news.files == ()
    assert "outside the access point" in news.problem


def test_names_of_the_instance_and_of_the_queue(context: PluginContext, place: Place, base: Path):
    names = {"taskWorkBaseDir": str(base / "instance"), "taskWorkStateFile": "books.json"}
    settings = {"accessPoint": "/a/${workerID}"}
    ours = SharedFileMessenger(SharedFileSettings.model_validate(settings), replace(context, file_names=names))
    ours.feed([place.assignment(PARAMS)])
    assert (place.directory / "task_workdir_path.txt").read_text() == str(base / "instance" / "42")
    queues = SharedFileSettings.model_validate(settings | {"taskWorkBaseDir": str(base), "taskWorkStateFile": "q.json"})
    own = SharedFileMessenger(queues, replace(context, file_names=names))
    merged(base, {"merged": {}})
    (base / "42" / "state.json").rename(base / "42" / "q.json")
    (base / "42" / "q.json").write_text(json.dumps({"merged": {"c.root": {}}}))
    own.finish([place.assignment(PARAMS)])
    (news,) = own.collect([place.worker])
    assert news.attributes[101]["skippedInputs"] == ["a.root", "b.root"]


def test_no_input_may_have_the_name_of_such_a_file(
    merging: SharedFileMessenger, place: Place, make_input: Callable[..., object]
):
    (answer,) = merging.feed([place.assignment(PARAMS, [make_input("task_workdir_path.txt", "/x")])])  # type: ignore[list-item]  # the fixture makes files
    assert "has a name that no link" in answer.reason  # type: ignore[union-attr]  # it has failed
