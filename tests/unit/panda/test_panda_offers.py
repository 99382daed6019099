import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panda_tools import json_values
from pydantic import JsonValue

from harvester.panda.devserver.samples import complete_job
from harvester.panda.messages import BadJob, InputFile, OutputFile, parse_job
from harvester.panda.offers import MAX_FIELD_CHARACTERS

relaxed = settings(suppress_health_check=[HealthCheck.too_slow])


def job(**given_values: object) -> dict[str, object]:
    return {**complete_job({}, 7), **given_values}


def nested(levels: int) -> JsonValue:
    value: JsonValue = []
    for _ in range(levels):
        value = [value]
    return value


def test_a_complete_job_is_understood():
    offer = parse_job(
        job(
            PandaID=6800000002,
            taskID=41,
            coreCount=8,
            inFiles="a.root,b.root",
            GUID="AAAA,BBBB",
            fsize="10,20",
            checksum="ad:0a0b0c0d,NULL",
            scopeIn="mc23,mc23",
            realDatasetsIn="ds,ds",
            ddmEndPointIn="SITE_DISK,SITE_DISK",
            outFiles="HITS.root,log.tgz",
            logFile="log.tgz",
            scopeOut="mc23",
            scopeLog="logs",
            realDatasets="out,outlog",
            ddmEndPointOut="D1,D2",
        )
    )
    assert (offer.job_id, offer.task_id, offer.jobset_id, offer.cores) == (6800000002, 41, None, 8)
    assert offer.input_files[1] == InputFile("b.root", "BBBB", 20, None, "mc23", "ds", "SITE_DISK")
    assert offer.output_files == (
        OutputFile("HITS.root", "mc23", "out", "D1"),
        OutputFile("log.tgz", "logs", "outlog", "D2"),
    )
    assert offer.log_file is not None
    assert offer.log_file.lfn == "log.tgz"


@pytest.mark.parametrize("names", ["", "NULL"])
def test_unset_file_names_are_no_files(names: str):
    assert parse_job(job(inFiles=names, outFiles=names)).input_files == ()
    assert parse_job(job(inFiles=names, outFiles=names)).output_files == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attemptNr", "1"),
        ("attemptNr", None),
        ("attemptNr", -1),
        ("coreCount", -4),
        ("coreCount", 10**9),
        ("coreCount", True),
        ("attemptNr", 2**63),
        ("taskID", "41"),
        ("taskID", 2**63),
        pytest.param("taskID", 10**5000, id="an integer too long to print"),
        ("currentPriority", -(2**63)),
        ("minRamCount", 2**63),
        ("ioIntensity", float("nan")),
        ("preprocess", {"command": [float("-inf")]}),
        ("preprocess", nested(101)),
        ("preprocess", nested(900)),
        ("currentPriority", 1.5),
        ("prodSourceLabel", None),
        ("resource_type", 3),
        ("inFiles", "../../etc/passwd"),
        ("inFiles", "/etc/passwd"),
        ("inFiles", "a\nb"),
        ("inFiles", "a" * 300),
        ("inFiles", ["a"]),
        ("outFiles", "x/../../y"),
        ("logFile", "../log"),
        ("jobPars", "x" * (MAX_FIELD_CHARACTERS + 1)),
        ("preprocess", {"command": "x" * (MAX_FIELD_CHARACTERS + 1)}),
    ],
)
def test_a_job_with_an_absurd_field_is_refused_by_name(field: str, value: object):
    with pytest.raises(BadJob, match=field) as caught:
        parse_job(job(**{field: value}))
    assert caught.value.job_id == 7
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("job_id", ["7", 0, -1, None, True, 7.0, 2**63, pytest.param(10**5000, id="too long to print")])
def test_a_job_without_a_usable_id_is_refused(job_id: object):
    with pytest.raises(BadJob, match="PandaID") as caught:
        parse_job(job(PandaID=job_id))
    assert caught.value.job_id is None


@pytest.mark.parametrize("field", ["GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn"])
def test_lists_of_different_lengths_are_refused(field: str):
    with pytest.raises(BadJob, match=field):
        parse_job(job(inFiles="a,b", **{field: "1,2,3"}))


@pytest.mark.parametrize("size", ["-5", "1.5", "\u00b2", "9" * 19, "9" * 5000])
def test_a_size_must_be_a_number_of_bytes(size: str):
    with pytest.raises(BadJob, match="fsize"):
        parse_job(job(inFiles="a", fsize=size))


def test_a_refused_job_is_blamed_on_the_attempt_only_if_that_can_be_told():
    for attempt, told in ((3, 3), (2**63, None), ("3", None)):
        with pytest.raises(BadJob) as caught:
            parse_job(job(attemptNr=attempt, coreCount=-1))
        assert caught.value.attempt == told


def test_a_job_never_prints_what_it_carries():
    assert "hunter2" not in repr(parse_job(job(secrets='{"password": "hunter2"}')))


def as_stored(value: int | None) -> bool:
    return value is None or -(2**63) <= value < 2**63


@relaxed
@given(st.dictionaries(st.sampled_from(sorted(complete_job({}, 7))) | st.text(), json_values, max_size=5))
def test_any_dictionary_is_either_a_job_that_can_be_stored_or_a_bad_job(changes: dict[str, JsonValue]):
    with suppress(BadJob):
        offer = parse_job(job(**changes))
        assert json.loads(json.dumps(offer.params, allow_nan=False)) == offer.params
        numbers = [offer.job_id, offer.task_id, offer.jobset_id, offer.attempt, offer.priority, offer.cores]
        assert all(map(as_stored, [*numbers, *(each.size for each in offer.input_files)]))
        assert all(".." not in each.lfn.split("/") for each in (*offer.input_files, *offer.output_files))


@relaxed
@given(json_values)
def test_anything_else_is_a_bad_job(value: JsonValue):
    with pytest.raises(BadJob):
        parse_job(value)
