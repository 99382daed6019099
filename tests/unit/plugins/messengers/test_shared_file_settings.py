import pytest
from messenger_tools import MakeMessenger
from pydantic import JsonValue, ValidationError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("accessPoint", ""),
        ("jobSpecFileFormat", "xml"),
        ("leftOverPatterns", ["("]),
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


def test_keys_of_other_plugins_are_left_alone(make_messenger: MakeMessenger):
    messenger = make_messenger(worker_heartbeat=30, leftOverPatterns=None)
    assert messenger.access_point_template().endswith("/work/${workerID}")
