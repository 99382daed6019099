import json

import pytest
from panda_tools import call, look

from harvester.panda.devserver import DevControl, DevServer

WHEN = "2026-08-10 07:30:00.000000"
DIALOG = {
    "diagID": 77,
    "moduleName": "m" * 100,
    "identifier": "i" * 100,
    "creationTime": "2026-08-10 07:29:11.004211",
    "messageLevel": "ERROR",
    "diagMessage": "d" * 500,
}


def beat(server: DevServer, harvester_id: str = "h", **data: object) -> None:
    call(server.url, "harvester/heartbeat", harvester_id=harvester_id, data=data)


def test_the_first_heartbeat_fails_and_keeps_nothing_but_the_locks(server: DevServer):
    data = {"sw_version": "1", "commands": [{"command": "X", "computingSite": "S", "resourceType": "ANY"}]}
    assert call(server.url, "harvester/heartbeat", harvester_id="h", data=data)["success"] is False
    instance = server._state.instances.get("h")
    assert instance is not None
    assert (instance.columns, len(instance.locks)) == ({}, 1)
    assert call(server.url, "harvester/heartbeat", harvester_id="h", data=data)["success"] is True
    assert instance.columns == {"sw_version": "1"}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"data": {"colour": "red"}},
        {"data": {"sw_version": "x" * 51}},
        {"data": {"startTime": "never"}},
        {"data": {"startTime": "datetime/2026-08-10 07:12:44"}},
    ],
)
def test_a_heartbeat_that_does_not_fit_its_columns_fails(server: DevServer, more: dict[str, object]):
    beat(server)
    assert call(server.url, "harvester/heartbeat", harvester_id="h", **more)["success"] is False


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"unheard": "of"}, True),
        ({"diagID": "77"}, False),
        ({"moduleName": "m" * 101}, False),
        ({"identifier": "i" * 101}, False),
        ({"creationTime": "2026-08-10 07:29:11"}, False),
        ({"messageLevel": "E" * 11}, False),
        ({"diagMessage": "d" * 501}, False),
    ],
)
def test_dialogs_must_fit_their_columns(server: DevServer, *, change: dict[str, object], fits: bool):
    beat(server)
    answer = call(server.url, "harvester/add_dialogs", harvester_id="h", dialogs=[DIALOG, DIALOG | change])
    assert (answer["success"], answer["data"]) == (fits, None)


def test_messages_and_metrics_are_kept(server: DevServer):
    beat(server)
    for text in ("old", "new"):
        dialogs = [DIALOG | {"diagMessage": text}, DIALOG | {"diagID": 78}]
        call(server.url, "harvester/add_dialogs", harvester_id="h", dialogs=dialogs)
    call(server.url, "harvester/update_service_metrics", harvester_id="h", metrics=[[WHEN, "host", "{}"]])
    with DevControl(server.url) as control:
        (known,) = control.instances()
    assert known["dialogs"] == {"77": DIALOG | {"diagMessage": "new"}, "78": DIALOG | {"diagID": 78}}
    assert known["metrics"] == [[WHEN, "host", "{}"]]


@pytest.mark.parametrize("name", sorted(DIALOG))
def test_a_dialog_needs_all_its_keys(server: DevServer, name: str):
    beat(server)
    dialog = {key: value for key, value in DIALOG.items() if key != name}
    assert call(server.url, "harvester/add_dialogs", harvester_id="h", dialogs=[dialog])["success"] is False


@pytest.mark.parametrize(
    ("metrics", "data"),
    [
        ([[WHEN, "host", "{}"]], [True]),
        ([[WHEN, "host", "{}"]] * 3, [True]),
        ([[WHEN, "host", "x" * 4000]], [True]),
        ([[WHEN, "host", "x" * 4001]], None),
        ([["yesterday", "host", "{}"]], None),
        ([["2026-08-10 07:30:00", "host", "{}"]], None),
        ([[WHEN, "host", {}]], None),
        ([[WHEN, 5, "{}"]], None),
        ([[WHEN, "host"]], None),
    ],
)
def test_metrics_are_answered_by_one_true(server: DevServer, metrics: list[object], data: list[bool] | None):
    beat(server)
    answer = call(server.url, "harvester/update_service_metrics", harvester_id="h", metrics=metrics)
    assert (answer["success"], answer["data"]) == (data is not None, data)


@pytest.mark.parametrize(
    ("statistics", "message"),
    [
        ({"managed": {"SCORE": {"running": 1}}}, "OK"),
        ({"managed": {}}, "OK"),
        ([], "database error in the PanDA server"),
        ({"managed": 5}, "database error in the PanDA server"),
        ({"managed": {"SCORE": 5}}, "database error in the PanDA server"),
        ({"managed": {"SCORE": {"running": "1"}}}, "database error in the PanDA server"),
    ],
)
def test_statistics_must_be_counts_by_job_and_resource_type(server: DevServer, statistics: object, message: str):
    beat(server)
    text = json.dumps(statistics)
    answer = call(server.url, "harvester/report_worker_statistics", harvester_id="h", panda_queue="Q", statistics=text)
    assert (answer["success"], answer["message"]) == (message == "OK", message)


def test_a_queue_is_swept_by_the_instances_that_serve_it(server: DevServer, control: DevControl):
    beat(server, "locked", commands=[{"command": "X", "computingSite": "Q", "resourceType": "ANY"}])
    beat(server, "reporting")
    call(server.url, "harvester/report_worker_statistics", harvester_id="reporting", panda_queue="Q", statistics="{}")
    beat(server, "stranger", commands=[{"command": "X", "computingSite": "OTHER", "resourceType": "ANY"}])
    sweep = {"panda_queue": "Q", "status_list": ["submitted"], "ce_list": [], "submission_host_list": ["s"]}
    assert call(server.url, "harvester/add_sweep_command", **sweep)["success"] is True
    wanted = {"status": ["submitted"], "computingSite": ["Q"], "computingElement": [], "submissionHost": ["s"]}
    orders = [(row["harvester_id"], row["command"], row["params"]) for row in control.commands()]
    assert orders == [(name, "KILL_WORKERS", wanted) for name in ("locked", "reporting")]


def test_a_queue_that_nobody_serves_cannot_be_swept(server: DevServer, control: DevControl):
    beat(server)
    sweep = {"panda_queue": "Q", "status_list": [], "ce_list": [], "submission_host_list": []}
    assert call(server.url, "harvester/add_sweep_command", **sweep)["success"] is False
    assert control.commands() == []


def test_a_command_s_date_is_plain_text(server: DevServer, control: DevControl):
    control.order("h", "KILL_WORKERS", {})
    (taken,) = call(server.url, "harvester/acquire_commands", harvester_id="h", n_commands=1)["data"]
    assert taken["creation_date"] == "2026-08-10T07:00:00"


def test_a_command_of_the_same_name_replaces_the_earlier_one(server: DevServer, control: DevControl):
    control.order("h", "KILL_WORKERS", {"computingSite": ["A"]})
    control.order("h", "KILL_WORKERS", {"computingSite": ["B"]})
    control.order("h", "SET_N_WORKERS_JOBTYPE:A", {})
    control.order("other", "KILL_WORKERS", {})
    taken = call(server.url, "harvester/acquire_commands", harvester_id="h", n_commands=20)["data"]
    assert [(each["command"], each["params"]) for each in taken] == [
        ("KILL_WORKERS", {"computingSite": ["B"]}),
        ("SET_N_WORKERS_JOBTYPE:A", {}),
    ]
    assert call(server.url, "harvester/acquire_commands", harvester_id="h", n_commands=20)["data"] == []


def test_a_fresh_instance_has_no_worker_id(server: DevServer):
    assert look(server.url, "harvester/get_current_worker_id?harvester_id=h")["success"] is False
    call(server.url, "harvester/update_workers", harvester_id="h", workers=[{"workerID": 9, "status": "running"}])
    assert look(server.url, "harvester/get_current_worker_id?harvester_id=h")["data"] == 9
