import json

import pytest
from panda_tools import call, look

from harvester.panda.devserver import DevControl, DevServer
from moving_clock import MovingClock

FACTS = {"guid": "G", "fsize": 1, "adler32": "00000001"}


def send(server: DevServer, job_id: int, status: str, **more: object) -> dict[str, object]:
    answer = call(server.url, "pilot/update_job", job_id=job_id, job_status=status, **more)
    data = answer["data"]
    return data if isinstance(data, dict) else answer


def sent_job(server: DevServer, control: DevControl, **partial: object) -> int:
    (job_id,) = control.add_jobs([{"site": "S", **partial}])
    call(server.url, "pilot/acquire_jobs", site_name="S", prod_source_label="unified")
    return job_id


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("user", {"user", "panda", "install"}),
        ("managed", {"managed", "test", "install"}),
        (None, {"managed", "test", "install"}),
        ("unified", {"managed", "test", "install", "user", "panda"}),
        ("test", {"test", "install"}),
        ("rc_test2", {"rc_test2"}),
    ],
)
def test_labels_select_jobs(server: DevServer, control: DevControl, asked: str | None, given: set[str]):
    labels = ["user", "panda", "install", "managed", "test", "rc_test2"]
    control.add_jobs([{"site": "S", "prodSourceLabel": label} for label in labels])
    answer = call(server.url, "pilot/acquire_jobs", site_name="S", prod_source_label=asked, n_jobs=20)
    assert {job["prodSourceLabel"] for job in answer["data"]["jobs"]} == given


def test_a_malformed_entry_fails_the_bulk_but_not_what_came_before(server: DevServer, control: DevControl):
    first, last = control.add_jobs([{"site": "S"}] * 2)
    call(server.url, "pilot/acquire_jobs", site_name="S", n_jobs=2)
    entries = [{"job_id": first, "job_status": "running"}, {"job_id": 5}, {"job_id": last, "job_status": "running"}]
    answer = call(server.url, "pilot/update_jobs_bulk", harvester_id="h", job_list=entries)
    assert (answer["success"], answer["data"]) == (False, [])
    assert (control.job(first)["status"], control.job(last)["status"]) == ("running", "sent")


def test_an_entry_with_an_unknown_name_or_wrong_type_fails_alone(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    fine = {"job_id": job_id, "job_status": "running"}
    answer = call(
        server.url, "pilot/update_jobs_bulk", job_list=[fine | {"token": "x"}, fine | {"n_events": "5"}, fine]
    )
    assert [entry["success"] for entry in answer["data"]] == [False, False, True]
    assert answer["data"][0]["data"] is None


@pytest.mark.parametrize("name", ["meta_data", "job_output_report", "stdout", "pilot_log", "timeout"])
def test_null_is_no_value_where_the_default_is_another(server: DevServer, control: DevControl, name: str):
    answer = send(server, sent_job(server, control), "running", **{name: None})
    assert f"'{name}' must be of type" in str(answer["message"])


def test_what_is_left_out_or_empty_changes_nothing(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    send(server, job_id, "running", node="n", timeout=30)
    send(server, job_id, "running", meta_data="one", job_output_report="{}")
    send(server, job_id, "running", node="", job_output_report="")
    job = control.job(job_id)
    assert (job["meta_data"], job["output_report"], job["attributes"]) == ("one", "{}", {"node": "n"})


def test_an_unknown_state_has_status_code_50(server: DevServer, control: DevControl):
    assert send(server, sent_job(server, control), "dancing") == {"StatusCode": 50}


def test_between_the_end_and_the_adder_updates_change_nothing(
    server: DevServer, control: DevControl, clock: MovingClock
):
    job_id = sent_job(server, control)
    assert send(server, job_id, "finished") == {"StatusCode": 0, "command": "NULL"}
    assert control.job(job_id)["status"] == "holding"
    assert send(server, job_id, "running") == {"StatusCode": 0, "command": "NULL"}
    assert send(server, job_id, "failed") == {"StatusCode": 0, "command": "alreadydone"}
    clock.forward(seconds=11)
    assert control.job(job_id)["status"] == "finished"
    assert send(server, job_id, "finished") == {"StatusCode": 0, "command": "tobekilled"}


def test_a_running_job_does_not_start_again(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    send(server, job_id, "running")
    send(server, job_id, "starting")
    assert control.job(job_id)["status"] == "running"


def test_long_texts_are_cut_nulls_clear_nothing_and_the_first_metadata_stay(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    send(server, job_id, "running", job_sub_status="s" * 100, meta_data="one", pilot_error_diag="d" * 600)
    send(server, job_id, "running", job_sub_status=None, meta_data="two", start_time="10.08.2026")
    job = control.job(job_id)
    assert (job["sub_status"], job["meta_data"]) == ("s" * 80, "one")
    assert job["attributes"] == {"pilot_error_diag": "d" * 500}


def test_another_batch_id_is_to_be_killed(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    send(server, job_id, "running", batch_id="a.1")
    assert send(server, job_id, "running", batch_id="b.2")["command"] == "tobekilled"


@pytest.mark.parametrize(
    ("status", "report", "final"),
    [
        ("finished", None, "finished"),
        ("finished", {"o": FACTS, "l": FACTS}, "finished"),
        ("finished", {"o": FACTS, "l._7": FACTS, "l._8": FACTS}, "finished"),
        ("finished", {"o": FACTS, "m._7": FACTS}, "failed"),
        ("finished", {"o": FACTS}, "failed"),
        ("finished", {"o": FACTS, "l": FACTS, "x": FACTS}, "failed"),
        ("finished", {"o": FACTS, "l": {"guid": "G"}}, "failed"),
        ("failed", {"l": FACTS}, "failed"),
    ],
)
def test_the_adder_reads_the_output_report(
    *,
    server: DevServer,
    control: DevControl,
    clock: MovingClock,
    status: str,
    report: dict[str, object] | None,
    final: str,
):
    job_id = sent_job(server, control, outFiles="o,l", logFile="l")
    text = {} if report is None else {"job_output_report": json.dumps(report)}
    send(server, job_id, status, **text)
    clock.forward(seconds=11)
    assert control.job(job_id)["status"] == final


def test_a_missing_output_is_named(server: DevServer, control: DevControl, clock: MovingClock):
    job_id = sent_job(server, control, outFiles="o,l", logFile="l")
    send(server, job_id, "finished", job_output_report=json.dumps({"l": FACTS}))
    clock.forward(seconds=11)
    errors = {"ddmErrorCode": 200, "ddmErrorDiag": "expected output o is missing in pilot JSON"}
    assert control.job(job_id)["errors"] == errors


@pytest.mark.parametrize(
    ("status", "minutes", "code"), [("sent", 31, 102), ("starting", 121, 100), ("running", 121, 100)]
)
def test_silent_jobs_are_lost(
    *, server: DevServer, control: DevControl, clock: MovingClock, status: str, minutes: int, code: int
):
    job_id = sent_job(server, control)
    if status != "sent":
        send(server, job_id, status)
    clock.forward(minutes=minutes - 2)
    assert control.job(job_id)["status"] == status
    clock.forward(minutes=2)
    assert control.job(job_id)["errors"]["jobDispatcherErrorCode"] == code


def test_a_heartbeat_keeps_a_job(server: DevServer, control: DevControl, clock: MovingClock):
    job_id = sent_job(server, control)
    for _ in range(5):
        send(server, job_id, "running")
        clock.forward(minutes=100)
    assert control.job(job_id)["status"] == "running"


@pytest.mark.parametrize(
    "bad",
    [
        {"batchID": "x" * 81},
        {"diagMessage": "x" * 501},
        {"startTime": "datetime/2026-08-10 06:00:01"},
        {"startTime": "soon"},
        {"nCore": "8"},
    ],
)
def test_a_worker_that_does_not_fit_fails_the_call_and_all_behind_it(
    server: DevServer, control: DevControl, bad: dict[str, object]
):
    workers = [{"workerID": n, "status": "running"} for n in (1, 2, 3)]
    workers[1] |= bad
    answer = call(server.url, "harvester/update_workers", harvester_id="h", workers=workers)
    assert answer == {"success": False, "message": "database error in the PanDA server", "data": None}
    assert [worker["worker_id"] for worker in control.workers()] == [1]


@pytest.mark.parametrize("workers", [[], [{"workerID": 1}], [{"status": "running"}], [5]])
def test_workers_that_are_none_fail(server: DevServer, workers: list[object]):
    assert call(server.url, "harvester/update_workers", harvester_id="h", workers=workers)["success"] is False


def test_final_workers_stay_final_for_three_hours(server: DevServer, control: DevControl, clock: MovingClock):
    def tell(status: str) -> object:
        worker = {"workerID": 1, "status": status, "unheard": "of"}
        return call(server.url, "harvester/update_workers", harvester_id="h", workers=[worker])["data"]

    assert tell("finished") == [True]
    assert tell("running") == [True]
    assert control.workers()[0]["status"] == "finished"
    clock.forward(hours=3, seconds=1)
    tell("running")
    assert control.workers()[0]["status"] == "running"


def test_a_dead_worker_with_sync_level_takes_its_jobs_along(server: DevServer, control: DevControl, clock: MovingClock):
    job_id = sent_job(server, control)
    send(server, job_id, "running")
    worker = {"workerID": 1, "status": "running", "pandaid_list": [job_id]}
    call(server.url, "harvester/update_workers", harvester_id="h", workers=[worker])
    end = {"workerID": 1, "status": "failed", "syncLevel": 1, "errorCode": 1001, "diagMessage": "node died"}
    call(server.url, "harvester/update_workers", harvester_id="h", workers=[end])
    clock.forward(seconds=11)
    job = control.job(job_id)
    assert job["status"] == "failed"
    assert job["errors"] == {
        "supErrorCode": 1001,
        "supErrorDiag": "Diag from worker : node died",
        "taskBufferErrorCode": 300,
        "taskBufferErrorDiag": "The worker was failed while the job was running : node died",
    }


def test_a_pilot_s_jobs_belong_to_its_worker_only_after_a_heartbeat(server: DevServer, control: DevControl):
    first, second = control.add_jobs([{"site": "S"}] * 2)
    pilot = {"site_name": "S", "harvester_id": "h", "worker_id": 4}
    call(server.url, "pilot/acquire_jobs", **pilot)
    call(server.url, "harvester/heartbeat", harvester_id="h", data={})
    call(server.url, "pilot/acquire_jobs", **pilot)
    assert control.job(first)["workers"] == []
    assert control.job(second)["workers"] == [["h", 4]]
    assert control.workers()[0]["status"] == "running"


def test_a_pilot_reports_its_worker(server: DevServer, control: DevControl):
    told = {"worker_id": 4, "harvester_id": "h", "status": "started", "node_id": "n1"}
    assert call(server.url, "pilot/update_worker_status", **told)["success"] is False
    call(server.url, "harvester/update_workers", harvester_id="h", workers=[{"workerID": 4, "status": "running"}])
    assert call(server.url, "pilot/update_worker_status", **told)["success"] is True
    assert control.workers()[0]["pilot_status"] == "started"


def test_a_job_has_every_list_the_real_server_sends(server: DevServer, control: DevControl):
    control.add_jobs([{"site": "S", "inFiles": "a,b,c", "outFiles": "o,l", "logFile": "l"}])
    (job,) = call(server.url, "pilot/acquire_jobs", site_name="S")["data"]["jobs"]
    for name in ("prodDBlockToken", "dispatchDblock", "dispatchDBlockToken"):
        assert job[name] == "NULL,NULL,NULL"
    for name in ("dispatchDBlockTokenForOut", "fileDestinationSE"):
        assert job[name] == "NULL,NULL"


def test_statistics_count_active_jobs_and_fail_without_any(server: DevServer, control: DevControl):
    assert look(server.url, "statistics/active_job_stats_by_site")["success"] is False
    sent_job(server, control)
    control.add_jobs([{"site": "S", "resource_type": "MCORE"}])
    plain = look(server.url, "statistics/active_job_stats_by_site")["data"]
    assert plain == {"S": {"assigned": 0, "activated": 1, "running": 0, "sent": 1}}
    detailed = look(server.url, "statistics/active_job_detailed_stats_by_site")["data"]
    assert detailed == {"S": {"SCORE": {"managed": {"sent": 1}}, "MCORE": {"managed": {"activated": 1}}}}


def test_the_journal_shows_every_change_in_order(server: DevServer, control: DevControl):
    job_id = sent_job(server, control)
    send(server, job_id, "running")
    send(server, job_id, "running")
    send(server, job_id, "finished")
    assert [line["event"] for line in control.journal()] == ["activated", "sent", "running", "holding"]
    assert control.job(job_id)["updates"] == 3
