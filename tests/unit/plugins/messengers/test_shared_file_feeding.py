import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from messenger_tools import MakeMessenger, Place
from pydantic import JsonValue

from harvester.core.files import File
from harvester.core.workers import MapType
from harvester.plugins.api import Assignment, Done, Failed, Later
from harvester.plugins.messengers.shared_file import SharedFileMessenger

MakeInput = Callable[..., File]


def test_a_worker_finds_its_job_inputs_and_job_list(
    messenger: SharedFileMessenger, place: Place, make_input: MakeInput, tmp_path: Path
):
    source = tmp_path / "staged.root"
    source.write_text("events")
    assignment = place.assignment({"inFiles": "in.root", "jobPars": "-x 1"}, [make_input("in.root", str(source))])

    assert messenger.feed([assignment]) == [Done()]

    assert place.read("pandaJobData.out") == {
        "101": {"PandaID": 101, "inFiles": "in.root", "jobPars": "-x 1", "inFilePaths": str(source)}
    }
    assert place.read("worker_pandaids.json") == [101]
    assert (place.directory / "in.root").read_text() == "events"
    assert place.names() == {"pandaJobData.out", "worker_pandaids.json", "in.root", "PoolFileCatalog_H.xml"}


def test_the_job_is_for_the_worker_alone(messenger: SharedFileMessenger, place: Place):
    messenger.feed([place.assignment({"secrets": "{}"})])
    assert (place.directory / "pandaJobData.out").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ('{"token": "t"}', {"token": "t"}),
        ({"token": "t"}, {"token": "t"}),
        ("not json", "not json"),
        ('["list"]', '["list"]'),
        ("[" * 10_000, "[" * 10_000),
        (None, None),
    ],
    ids=str,
)
def test_secrets_reach_the_worker_as_an_object(
    messenger: SharedFileMessenger, place: Place, sent: JsonValue, written: JsonValue
):
    messenger.feed([place.assignment({"secrets": sent})])
    assert place.read("pandaJobData.out") == {"101": {"PandaID": 101, "secrets": written}}


def test_the_pool_catalogue_names_each_input_once(messenger: SharedFileMessenger, place: Place, make_input: MakeInput):
    inputs = [make_input('a"<&>.root', guid="G&1"), make_input("b.root", guid=None), make_input("b.root")]
    messenger.feed([place.assignment(inputs=inputs)])
    text = (place.directory / "PoolFileCatalog_H.xml").read_text()
    assert '<!DOCTYPE POOLFILECATALOG SYSTEM "InMemory">' in text
    files = ET.fromstring(text).findall("File")
    assert [(file.get("ID"), file.find("physical/pfn").attrib, file.find("logical") is not None) for file in files] == [
        ("G&1", {"filetype": "ROOT_All", "name": 'a"<&>.root'}, True),
        ("G-1", {"filetype": "ROOT_All", "name": "b.root"}, True),
    ]


def test_a_worker_that_fetches_its_jobs_gets_an_empty_directory(
    messenger: SharedFileMessenger, make_place: Callable[..., Place]
):
    place = make_place(map_type=MapType.NO_JOB, job_ids=())
    assert messenger.feed([place.assignment()]) == [Done()]
    assert place.names() == set()


def test_feeding_again_starts_afresh(messenger: SharedFileMessenger, place: Place):
    place.write("worker_attributes.json", {"jobStatus": "failed"})
    place.write("sub/kill_worker.json", {})
    messenger.feed([place.assignment()])
    assert place.names() == {"pandaJobData.out", "worker_pandaids.json", "PoolFileCatalog_H.xml"}


@pytest.mark.shows("block messenger.accessPoint")
def test_an_access_point_that_workers_share_is_neither_emptied_nor_removed(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(accessPoint=str(place.directory))
    place.write("of_somebody_else", 1)
    place.write("worker_requestjob.json", {"nJobs": 1})
    assert messenger.feed([place.assignment()]) == [Done()]
    assert messenger.clean([place.worker]) == [Done()]
    assert place.read("of_somebody_else") == 1
    assert "worker_requestjob.json" not in place.names()


def test_bulky_parameters_stay_away_if_asked(make_messenger: MakeMessenger, place: Place):
    make_messenger(stripJobParams=True).feed([place.assignment({"scopeIn": "s", "prodDBlocks": "d", "scopeOut": "o"})])
    assert place.read("pandaJobData.out") == {"101": {"PandaID": 101, "scopeOut": "o"}}


@pytest.mark.shows("block messenger.jobSpecFileName")
def test_a_url_encoded_job(make_messenger: MakeMessenger, place: Place):
    messenger = make_messenger(jobSpecFileFormat="cgi", jobSpecFileName="pandaJobData.out")
    messenger.feed([place.assignment({"jobPars": "a=b&c ü", "secrets": {"k": 1}})])
    text = (place.directory / "pandaJobData.out").read_text()
    assert parse_qs(text) == {"PandaID": ["101"], "jobPars": ["a=b&c ü"], "secrets": ['{"k": 1}']}


def test_many_jobs_have_a_directory_each(messenger: SharedFileMessenger, make_place: Callable[..., Place]):
    place = make_place(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    assert messenger.feed([place.assignment()]) == [Done()]
    assert place.names() == {"101", "102", "worker_pandaids.json"}
    assert place.read("102/pandaJobData.out") == {"102": {"PandaID": 102}}


@pytest.mark.parametrize("lfn", ["../up.root", "a/b", "", "..", "pandaJobData.out", "x\0y"])
def test_an_input_cannot_be_linked_elsewhere_or_over_the_protocol(
    messenger: SharedFileMessenger, place: Place, make_input: MakeInput, lfn: str
):
    (result,) = messenger.feed([place.assignment(inputs=[make_input(lfn, "/staged")])])
    assert isinstance(result, Failed)
    assert repr(lfn) in result.reason


def test_one_unfeedable_worker_does_not_stop_its_neighbour(
    messenger: SharedFileMessenger, make_place: Callable[..., Place]
):
    good, lost, blocked = make_place(1), make_place(2), make_place(3)
    relative = replace(lost.worker, access_point="relative/2")
    under_a_file = replace(blocked.worker, access_point=f"{blocked.write('file', 1)}/3")
    results = messenger.feed(
        [
            Assignment(relative, lost.assignment().job_params),
            Assignment(under_a_file, blocked.assignment().job_params),
            Assignment(lost.worker),
            good.assignment(),
        ]
    )
    assert [type(result) for result in results] == [Failed, Later, Failed, Done]
    assert "worker 2" in results[0].reason
    assert "accessPoint" in results[0].reason


def test_clean_removes_the_access_point_and_may_be_repeated(messenger: SharedFileMessenger, place: Place):
    place.write("deep/er/file", 1)
    assert messenger.clean([place.worker]) == [Done()]
    assert not place.directory.exists()
    assert messenger.clean([place.worker]) == [Done()]


def test_an_access_point_that_could_never_be_made_is_clean(messenger: SharedFileMessenger, place: Place):
    file = place.directory.with_name("file")
    file.touch()
    assert messenger.clean([replace(place.worker, access_point=str(file / "7"))]) == [Done()]
