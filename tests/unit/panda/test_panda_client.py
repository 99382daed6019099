import pytest

from harvester.panda import PandaClient, PandaRefused
from harvester.panda.devserver import DevControl, DevServer, FaultKind
from harvester.panda.messages import Acquired, JobReport, WorkerReport
from moving_clock import NOW, MovingClock


def acquire(client: PandaClient, n_jobs: int = 10, **criteria: str) -> Acquired:
    return client.acquire_jobs(
        site="SITE_A", node="here", label="managed", n_jobs=n_jobs, computing_element="here", criteria=criteria
    )


def report(job_id: int, status: str = "running", attempt: int = 1, **more: object) -> JobReport:
    return JobReport(job_id, status, status, attempt, "SITE_A", "harvester-harvester_1", 1, **more)  # type: ignore[arg-type]


def test_a_server_is_alive(client: PandaClient):
    assert client.is_alive()


def test_the_first_heartbeat_already_leaves_everything(client: PandaClient, server: DevServer):
    client.heartbeat(start_time=NOW, version="v" * 90, commit="abc")
    instance = server._state.instances.get("harvester_1")
    assert instance is not None
    assert instance.columns["sw_version"] == "v" * 50
    assert instance.columns["startTime"] == "datetime/2026-08-10 07:00:00.000000"


def test_no_jobs_is_no_error(client: PandaClient):
    assert acquire(client) == Acquired(message="No jobs in PanDA")


def test_no_jobs_while_the_database_is_down_is_no_error_either(client: PandaClient, control: DevControl):
    control.add_jobs([{"site": "SITE_A"}])
    control.fault("db_down", count=1)
    assert acquire(client).offers == ()
    assert len(acquire(client).offers) == 1


def test_jobs_are_given_once_and_best_first(client: PandaClient, control: DevControl):
    low, high = control.add_jobs([{"site": "SITE_A", "currentPriority": 1}, {"site": "SITE_A", "currentPriority": 9}])
    assert [offer.job_id for offer in acquire(client, 1).offers] == [high]
    assert [offer.job_id for offer in acquire(client, 5).offers] == [low]
    assert acquire(client).offers == ()


def test_a_bad_job_is_refused_alone(client: PandaClient, control: DevControl):
    good, bad, twin = control.add_jobs(
        [{"site": "SITE_A"}, {"site": "SITE_A", "raw": {"coreCount": -1}}, {"site": "SITE_A"}]
    )
    acquired = acquire(client)
    assert {offer.job_id for offer in acquired.offers} == {good, twin}
    assert [refusal.job_id for refusal in acquired.refused] == [bad]


def test_criteria_are_renamed_and_converted(client: PandaClient, control: DevControl):
    small, big = control.add_jobs([{"site": "SITE_A", "minRamCount": n} for n in (1000, 9000)])
    assert [offer.job_id for offer in acquire(client, resourceType="SCORE", mem="2000").offers] == [small]
    assert [offer.job_id for offer in acquire(client, via_topic="false").offers] == [big]


@pytest.mark.parametrize("criteria", [{"colour": "red"}, {"memory": "much"}, {"background": "perhaps"}])
def test_a_criterion_the_server_does_not_know_is_named(client: PandaClient, criteria: dict[str, str]):
    with pytest.raises(PandaRefused, match=f"{next(iter(criteria))}.*SITE_A"):
        acquire(client, **criteria)


def test_a_job_s_life_is_reported_to_its_end(client: PandaClient, control: DevControl, clock: MovingClock):
    (job_id,) = control.add_jobs([{"site": "SITE_A", "outFiles": "out.1,log.1", "logFile": "log.1"}])
    acquire(client)
    facts = {"guid": "G", "fsize": 1, "adler32": "00000001"}
    for each in (
        report(job_id, "starting"),
        report(job_id, "running", attributes={"pilotErrorCode": "0", "token": "x"}),
        report(job_id, "finished", output_report={"out.1": facts, "log.1": facts}, meta_data="{}"),
    ):
        (reply,) = client.update_jobs([each])
        assert (reply.accepted, reply.command) == (True, frozenset())
    assert client.job_statuses([job_id])[job_id].status == "holding"
    clock.forward(seconds=11)
    assert client.job_statuses([job_id])[job_id].status == "finished"
    row = control.job(job_id)
    assert [entry[1] for entry in row["received"]] == ["starting", "running", "finished"]
    assert row["attributes"]["pilot_error_code"] == 0


def test_a_repeated_final_report_is_accepted(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    client.update_jobs([report(job_id, "finished")])
    (reply,) = client.update_jobs([report(job_id, "finished")])
    assert (reply.accepted, reply.command) == (True, {"alreadydone"})


def test_unknown_jobs_and_wrong_attempts_are_to_be_killed(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    replies = client.update_jobs([report(job_id, attempt=5), report(404)])
    assert [(reply.accepted, reply.to_be_killed) for reply in replies] == [(True, True)] * 2
    assert client.job_statuses([404])[404].to_be_killed


def test_a_sleeping_database_accepts_nothing(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    control.fault("db_down")
    (reply,) = client.update_jobs([report(job_id, "finished")])
    assert not reply.accepted
    assert "30" in reply.reason
    assert client.job_statuses([job_id])[job_id].status is None
    control.clear_faults()
    assert client.job_statuses([job_id])[job_id].status == "sent"


def test_an_entry_the_server_refuses_does_not_touch_its_neighbours(client: PandaClient, control: DevControl):
    ids = control.add_jobs([{"site": "SITE_A"}] * 3)
    acquire(client)
    replies = client.update_jobs([report(ids[0]), report(ids[1], "dancing"), report(ids[2])])
    assert [reply.accepted for reply in replies] == [True, False, True]
    assert "dancing" in replies[1].reason


def test_a_mad_attribute_does_not_hold_back_other_jobs(client: PandaClient, control: DevControl):
    ids = control.add_jobs([{"site": "SITE_A"}] * 2)
    acquire(client)
    mad, sane = {"nEvents": "--5", "maxRSS": 10**400}, {"nEvents": "5"}
    replies = client.update_jobs([report(ids[0], attributes=mad), report(ids[1], attributes=sane)])
    assert [reply.accepted for reply in replies] == [True, True]
    assert control.job(ids[1])["attributes"]["n_events"] == 5


def test_a_diagnosis_reaches_the_worker_s_jobs(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    client.update_workers([WorkerReport(1, "failed", error_code=1009, diag_message="out of memory", job_ids=(job_id,))])
    assert control.job(job_id)["errors"]["supErrorDiag"] == "Diag from worker : out of memory"


def test_answers_that_are_too_few_are_asked_for_again(client: PandaClient, control: DevControl):
    ids = control.add_jobs([{"site": "SITE_A"}] * 5)
    acquire(client)
    control.fault("short_list", "pilot/update_jobs_bulk", count=1)
    assert all(reply.accepted for reply in client.update_jobs([report(job_id) for job_id in ids]))


def test_hundreds_of_jobs_go_in_several_calls(client: PandaClient, control: DevControl):
    ids = control.add_jobs([{"site": "SITE_A"}] * 250)
    assert len(acquire(client, 250).offers) == 250
    assert all(reply.accepted for reply in client.update_jobs([report(job_id) for job_id in ids]))
    assert {status.status for status in client.job_statuses(ids).values()} == {"running"}


def test_big_reports_travel(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    client.update_jobs([report(job_id, "finished", meta_data="m" * 300_000)])
    assert control.job(job_id)["meta_data"] == "m" * 300_000


def test_workers_are_stored_with_their_jobs(client: PandaClient, control: DevControl):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    long = WorkerReport(1, "running", "b" * 500, start_time=NOW, job_ids=(job_id,))
    assert [reply.accepted for reply in client.update_workers([long, WorkerReport(2, "submitted")])] == [True, True]
    assert control.job(job_id)["workers"] == [["harvester_1", 1]]


def test_no_workers_need_no_call(client: PandaClient, control: DevControl):
    control.fault("http_500")
    assert client.update_workers([]) == []
    assert client.update_jobs([]) == []


def test_one_worker_that_the_database_refuses_does_not_hold_back_the_others(client: PandaClient, control: DevControl):
    reports = [WorkerReport(n, "running", cores=8 if n != 37 else "many") for n in range(1, 101)]  # type: ignore[arg-type]
    replies = client.update_workers(reports)
    assert [n for n, reply in enumerate(replies, start=1) if not reply.accepted] == [37]
    assert len(control.workers()) == 99


def test_commands_come_once_and_can_be_acknowledged(client: PandaClient, control: DevControl):
    command_id = control.order(
        "harvester_1", "SET_N_WORKERS_JOBTYPE:SITE_A", {"managed": {"SCORE": 4}}, ack_requested=1
    )
    (command,) = client.acquire_commands(20)
    assert (command.command_id, command.target, command.params) == (command_id, "SITE_A", {"managed": {"SCORE": 4}})
    assert command.ack_requested
    assert client.acquire_commands(20) == []
    client.acknowledge_commands([command_id])
    assert [row["state"] for row in control.commands()] == ["acknowledged"]


def test_a_malformed_command_does_not_hold_back_the_others(client: PandaClient, control: DevControl):
    control.order("harvester_1", "", {})
    good = control.order("harvester_1", "KILL_WORKERS", {"status": "ALL"})
    assert [command.command_id for command in client.acquire_commands(20)] == [good]


def test_worker_statistics_replace_the_earlier_ones(client: PandaClient, server: DevServer):
    client.report_worker_statistics("SITE_A", {"managed": {"SCORE": {"running": 1}}})
    client.report_worker_statistics("SITE_A", {"managed": {"MCORE": {"running": 2}, "Undefined": {"running": 1}}})
    instance = server._state.instances.get("harvester_1")
    assert instance is not None
    assert instance.statistics["SITE_A"]["counts"] == {"managed": {"MCORE": {"running": 2}}}


def test_worker_statistics_of_a_sleeping_database_are_refused(client: PandaClient, control: DevControl):
    control.fault(FaultKind.DB_DOWN)
    with pytest.raises(PandaRefused, match="rows locked"):
        client.report_worker_statistics("SITE_A", {})


def test_a_killed_job_is_told_so(client: PandaClient, control: DevControl, clock: MovingClock):
    (job_id,) = control.add_jobs([{"site": "SITE_A"}])
    acquire(client)
    control.kill_jobs([job_id])
    (reply,) = client.update_jobs([report(job_id)])
    assert reply.to_be_killed
    client.update_jobs([report(job_id, "failed")])
    clock.forward(minutes=1)
    assert client.job_statuses([job_id])[job_id].status == "cancelled"
