import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from panda_tools import json_values
from pydantic import JsonValue

from harvester.panda.devserver.job_fields import JOB_UPDATE
from harvester.panda.messages import JobReport, WorkerReport, parse_command, parse_job_reply, parse_job_status
from harvester.panda.reports import _ATTRIBUTES


def report(**attributes: object) -> dict[str, object]:
    return dict(JobReport(1, "running", "running", 1, "SITE_A", "harvester-h", 4, attributes).to_wire())


@pytest.mark.parametrize(
    ("name", "value", "wire_name", "wire_value"),
    [
        ("pilotErrorCode", "1144", "pilot_error_code", 1144),
        ("pilotErrorCode", 1144.0, "pilot_error_code", 1144),
        ("transExitCode", " 0 ", "trans_exit_code", 0),
        ("pilotErrorDiag", "x" * 900, "pilot_error_diag", "x" * 500),
        ("nEvents", "12.0", "n_events", 12),
        ("nEvents", "-5", "n_events", -5),
        ("nEvents", "9007199254740993", "n_events", 2**53 + 1),
        ("nEvents", str(2**63 - 1), "n_events", 2**63 - 1),
        ("maxRSS", "1.5", "max_rss", 1.5),
        ("avgSwap", 3, "avg_swap", 3),
        ("totRCHAR", 10, "tot_rchar", 10),
        ("rateWBYTES", 10, "rate_wbytes", 10),
        ("batchID", 4711, "batch_id", "4711"),
        ("coreCount", 8, "core_count", 8),
        ("startTime", "2026-08-10T07:00:00+00:00", "start_time", "2026-08-10 07:00:00"),
        ("endTime", "2026-08-10 09:00:00", "end_time", "2026-08-10 09:00:00"),
        ("node", "n\0ode", "node", "node"),
    ],
)
def test_attributes_get_the_server_s_names_and_types(name: str, value: object, wire_name: str, wire_value: object):
    assert report(**{name: value})[wire_name] == wire_value


@pytest.mark.parametrize(
    "attributes",
    [
        {"token": "secret"},
        {"somethingNew": 1},
        {"pilotErrorCode": "many"},
        {"nEvents": None},
        {"jobMetrics": ["leak=1"]},
        {"maxRSS": "nan"},
        {"maxRSS": "inf"},
        {"nEvents": "9" * 400},
        {"nEvents": "--5"},
        {"nEvents": "+-5"},
        {"nEvents": 10**400},
        {"nEvents": 2**63},
        {"nEvents": str(2**63)},
        {"nEvents": True},
        {"maxRSS": 10**400},
        {"maxRSS": False},
        {"node": 10**5000},
        {"startTime": "yesterday"},
        {"stdout": {"a": 1}},
    ],
)
def test_what_the_server_would_refuse_is_left_out(attributes: dict[str, object]):
    assert report(**attributes) == report()


def test_cores_are_sent_unless_the_worker_knows_better():
    assert report()["core_count"] == 4


def test_an_output_report_becomes_json_text_and_a_ready_one_stays():
    facts = {"out.root": {"guid": "A", "fsize": 1, "adler32": "0a0b0c0d"}}
    made = JobReport(1, "finished", "staged", 1, "S", "h", output_report=facts, meta_data="{}").to_wire()
    assert json.loads(str(made["job_output_report"])) == facts
    assert made["meta_data"] == "{}"
    ready = JobReport(1, "finished", "staged", 1, "S", "h", output_report="{ }").to_wire()
    assert ready["job_output_report"] == "{ }"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*_ATTRIBUTES, "token"]) | st.text(), json_values))
def test_whatever_a_worker_writes_the_server_s_types_are_met(attributes: dict[str, JsonValue]):
    wire = json.loads(json.dumps(report(**attributes), allow_nan=False))
    JOB_UPDATE.bind(wire, cast=False)
    assert not any(value is None or isinstance(value, bool) for value in wire.values())


def test_a_worker_is_cut_to_the_server_s_columns():
    wire = WorkerReport(
        5,
        "running",
        batch_id="b" * 200,
        computing_element="é" * 128,
        diag_message="d" * 900,
        native_exit_code=0,
        job_ids=(3, 4),
    ).to_wire()
    assert wire["batchID"] == "b" * 80
    assert len(str(wire["computingElement"]).encode()) <= 128
    assert len(str(wire["diagMessage"])) == 500
    assert wire["pandaid_list"] == [3, 4]
    assert wire["nativeExitCode"] == 0
    assert "nodeID" not in wire


@pytest.mark.parametrize(
    ("error_code", "error_diag", "diagnosis"),
    [
        (1001, "preempted", "preempted"),
        (1001, None, "plain"),
        (1001, "", "plain"),
        (0, "preempted", "plain"),
        (None, "preempted", "plain"),
    ],
)
def test_the_text_of_an_error_replaces_the_diagnosis_if_there_is_one(
    error_code: int | None, error_diag: str | None, diagnosis: str
):
    wire = WorkerReport(5, "failed", diag_message="plain", error_code=error_code, error_diag=error_diag).to_wire()
    assert wire["diagMessage"] == diagnosis


def test_worker_times_are_utc_with_prefix_and_fraction():
    summer = datetime(2026, 8, 10, 9, 0, tzinfo=timezone(timedelta(hours=2)))
    whole_second = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
    wire = WorkerReport(5, "running", submit_time=summer, start_time=whole_second).to_wire()
    assert wire["submitTime"] == wire["startTime"] == "datetime/2026-08-10 07:00:00.000000"


def test_no_jobs_leave_the_server_s_relations_alone():
    assert "pandaid_list" not in WorkerReport(5, "running").to_wire()


@pytest.mark.parametrize(
    ("raw", "accepted", "command"),
    [
        ({"success": True, "message": "", "data": {"StatusCode": 0, "command": "NULL"}}, True, set()),
        ({"success": True, "message": "", "data": {"StatusCode": 0, "command": None}}, True, set()),
        (
            {"success": True, "message": "", "data": {"StatusCode": 0, "command": "debug,tobekilled"}},
            True,
            {"debug", "tobekilled"},
        ),
        ({"success": True, "message": "", "data": {"StatusCode": 0, "command": "alreadydone"}}, True, {"alreadydone"}),
        ({"success": True, "message": "Database error", "data": {"StatusCode": 30}}, False, set()),
        ({"success": True, "message": "", "data": {"StatusCode": 10}}, False, set()),
        ({"success": False, "message": "Type error: ...", "data": None}, False, set()),
        ({"success": False, "message": "Invalid job status: X", "data": {"StatusCode": 50}}, False, set()),
        ({"success": True, "message": "", "data": {"StatusCode": "0"}}, False, set()),
        (None, False, set()),
        ([], False, set()),
    ],
)
def test_only_status_code_zero_is_acceptance(raw: JsonValue, accepted: object, command: set[str]):
    reply = parse_job_reply(raw)
    assert reply.accepted is accepted
    assert reply.command == command
    assert reply.to_be_killed == ("tobekilled" in command)
    assert accepted or reply.reason


def test_a_job_status_of_a_sleeping_database_is_no_status():
    assert parse_job_status({"status": None, "command": None}).status is None
    assert parse_job_status({"status": "unknown", "command": "tobekilled"}).to_be_killed


def test_a_command_s_target_is_split_from_its_name():
    command = parse_command({"command_id": 5, "command": "SET_N_WORKERS_JOBTYPE:SITE_A", "params": {"managed": {}}})
    assert (command.name, command.target, command.ack_requested) == ("SET_N_WORKERS_JOBTYPE", "SITE_A", False)
    assert parse_command({"command_id": 5, "command": "KILL_WORKERS"}).target is None


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"command_id": "5", "command": "X"},
        {"command_id": 5, "command": ""},
        {"command_id": 2**63, "command": "X"},
        {"command_id": 5, "command": "X", "params": {"managed": {"SCORE": float("nan")}}},
    ],
)
def test_a_command_that_cannot_be_named_or_stored_is_none(raw: JsonValue):
    with pytest.raises(ValueError, match="command"):
        parse_command(raw)
