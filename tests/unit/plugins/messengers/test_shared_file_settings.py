import pytest
from messenger_tools import MakeMessenger
from pydantic import JsonValue, ValidationError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accessPoint", ""),
        ("jobSpecFileFormat", "xml"),
        ("leftOverPatterns", ["("]),
        ("leftOverZipPatterns", ["("]),
        ("subTarballName", "a/b"),
        ("taskWorkBaseDir", "relative"),
        ("taskWorkStateFile", "../x"),
        ("outputSubDir", "../x"),
        ("outputSubDir", "/x"),
        ("allowedOutputPaths", ["relative"]),
        ("killWorkerFile", "../kill"),
        ("jsonAttrsFileName", "a/b"),
        ("maxReportSize", 0),
    ],
)
def test_what_cannot_work_is_refused_by_key(make_messenger: MakeMessenger, key: str, value: JsonValue):
    with pytest.raises(ValidationError) as refusal:
        make_messenger(**{key: value})
    assert key in str(refusal.value)


@pytest.mark.parametrize(
    "key",
    [
        "leftOverPatterns",
        "leftOverZipPatterns",
        "subTarballName",
        "taskWorkBaseDir",
        "taskWorkStateFile",
        "outputSubDir",
        "jobSpecFileFormat",
        "stripJobParams",
        "postProcessInSubDir",
        "heartbeatFile",
        "maxReportSize",
        "settleTime",
        "allowedOutputPaths",
    ],
)
@pytest.mark.parametrize("empty", [None, ""])
def test_a_key_without_a_value_is_as_good_as_none(make_messenger: MakeMessenger, key: str, empty: JsonValue):
    assert make_messenger(**{key: empty}).settings == make_messenger().settings


def test_keys_of_other_plugins_are_left_alone(make_messenger: MakeMessenger):
    messenger = make_messenger(worker_heartbeat=30, leftOverPatterns=None)
    assert messenger.access_point_template().endswith("/access/${workerID}")
