"""What workers say and hear at the door, and which files that becomes."""

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from door_tools import House, MakeHouse, Visitor, a_queue
from pydantic import JsonValue
from sqlalchemy import update

from harvester.config.served_queues import ServedQueues
from harvester.core.workers import MapType
from harvester.plugins.api import News
from harvester.store import leases, queues, workers
from harvester.store.schema import workers as worker_table
from refused_threads import refuse_one

NOT_NOW = "previous request is not yet processed"


def read(path: Path) -> JsonValue:
    content: JsonValue = json.loads(path.read_text())
    return content


def said(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.text  # type: ignore[attr-defined]  # falcon's result


def news_of(house: House, worker_id: int = 7) -> News:
    """What the monitor hears of a worker."""
    with house.db.read() as connection:
        (held,) = workers.find(connection, [worker_id])
    (news,) = house.plugins.messenger(held.worker.queue).collect([held.worker])
    return news


# ---- the test that the installation page has


@pytest.mark.parametrize("shows_token", [True, False])
def test_a_healthy_door_says_that_worker_123_is_not_there(visitor: Visitor, house: House, *, shows_token: bool):
    body = '{"methodName":"test", "workerID":123, "data":"none"}'
    answer = visitor.post(body, house.token(123) if shows_token else None)
    assert said(answer) == (400, "workerID=123 not found in DB")
    assert answer.headers["content-type"].startswith("text/plain")


def test_curl_need_not_be_told_a_content_type(visitor: Visitor):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = visitor.post('{"methodName":"test","workerID":123,"data":"none"}', headers=form)
    assert said(answer) == (400, "workerID=123 not found in DB")


# ---- writing


WRITTEN = {
    "requestJobs": ("worker_requestjob.json", {"nJobs": 2}),
    "requestEventRanges": ("worker_requestevents.json", {"101": {"nRanges": 8}}),
    "updateJobs": ("worker_attributes.json", {"101": {"jobStatus": "running"}}),
    "uploadJobReport": ("jobReport.json", {"exitCode": 0}),
    "uploadEventOutputDump": ("event_status.dump.json", {"101": [{"eventRangeID": "r", "eventStatus": "failed"}]}),
    "killWorker": ("kill_worker.json", "please"),
    "heartbeat": ("worker_heartbeat.json", None),
}
ONCE = ("requestJobs", "requestEventRanges", "uploadEventOutputDump")


@pytest.mark.parametrize("method", WRITTEN)
def test_what_a_worker_says_becomes_its_file(house: House, visitor: Visitor, method: str):
    name, data = WRITTEN[method]
    place = house.add_worker()
    assert said(visitor.say(method, data)) == (200, "OK")
    assert read(place / name) == data
    assert [each.name for each in place.iterdir()] == [name], "nothing is left beside it"


@pytest.mark.parametrize("method", sorted(WRITTEN.keys() - {*ONCE}))
def test_what_may_change_is_replaced(house: House, visitor: Visitor, method: str):
    name, data = WRITTEN[method]
    place = house.add_worker()
    for _ in range(3):
        assert said(visitor.say(method, data)) == (200, "OK")
    other = {"101": {"jobStatus": "finished"}}
    assert said(visitor.say(method, other)) == (200, "OK")
    assert read(place / name) == other


@pytest.mark.parametrize("method", ONCE)
def test_what_was_not_read_yet_is_not_replaced(house: House, visitor: Visitor, method: str):
    name, data = WRITTEN[method]
    place = house.add_worker()
    visitor.say(method, data)
    assert said(visitor.say(method, {"9": []})) == (503, NOT_NOW)
    assert read(place / name) == data
    (place / name).unlink()
    assert said(visitor.say(method, {"9": []})) == (200, "OK")


def test_only_one_of_many_requests_at_once_is_taken(house: House, visitor: Visitor):
    place = house.add_worker()
    answers: list[int] = []
    gate = threading.Barrier(8)

    def ask(number: int) -> None:
        gate.wait()
        answers.append(visitor.say("requestJobs", {"nJobs": number}).status_code)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(answers) == [200] + [503] * 7
    assert [each.name for each in place.iterdir()] == ["worker_requestjob.json"]


def test_the_monitor_hears_at_once_what_came_through_the_door(house: House, visitor: Visitor):
    house.add_worker()
    visitor.say("updateJobs", {"101": {"jobStatus": "finished", "nEvents": 5}})
    visitor.say("killWorker")
    visitor.say("heartbeat")
    news = news_of(house)
    assert news.attributes[101]["nEvents"] == 5
    assert news.kill_requested
    assert news.heartbeat_at is not None
    assert news.problem == ""


def test_workers_that_fetch_their_own_jobs_tell_which(house: House, visitor: Visitor):
    place = house.add_worker(map_type=MapType.NO_JOB, job_ids=())
    assert said(visitor.say("setPandaIDs", [5, 6])) == (200, "OK")
    assert said(visitor.say("setPandaIDs", [5, 6, 7])) == (200, "OK")
    assert read(place / "worker_pandaids.json") == [5, 6, 7]
    assert news_of(house).job_ids == (5, 6, 7)


def test_the_list_of_given_jobs_is_harvester_s_own(house: House, visitor: Visitor):
    place = house.add_worker()
    assert visitor.say("setPandaIDs", [5]).status_code == 400
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("updateJobs", []),
        ("updateJobs", None),
        ("uploadEventOutputDump", "x"),
        ("requestEventRanges", 5),
        ("setPandaIDs", {"1": 2}),
        ("setPandaIDs", ["1"]),
        ("setPandaIDs", [True]),
    ],
)
def test_data_of_another_form_are_refused(house: House, visitor: Visitor, method: str, data: JsonValue):
    place = house.add_worker(map_type=MapType.NO_JOB, job_ids=())
    answer = visitor.say(method, data)
    assert answer.status_code == 400
    assert answer.text.startswith(f"data of {method} has to be a ")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("status", [["finished"], {"a": 1}, 5, None])
def test_attributes_may_be_of_any_form(house: House, visitor: Visitor, status: JsonValue):
    house.add_worker()
    assert said(visitor.say("updateJobs", {"101": {"jobStatus": status}, "jobStatus": status})) == (200, "OK")


# ---- reading


def test_jobs_are_read_and_may_be_read_again(house: House, visitor: Visitor):
    place = house.add_worker()
    assert said(visitor.say("getJobs")) == (503, NOT_NOW)
    (place / "pandaJobData.out").write_text('{"101": {"PandaID": 101}}')
    for _ in range(2):
        answer = visitor.say("getJobs")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.json == {"101": {"PandaID": 101}}


def test_harvester_sees_that_jobs_were_taken_up(house: House, visitor: Visitor):
    place = house.add_worker()
    (place / "pandaJobData.out").write_text('{"101": {}}')
    (place / "worker_pandaids.json").write_text("[101]")
    with house.db.read() as connection:
        (held,) = workers.find(connection, [7])
    messenger = house.plugins.messenger_of(held.worker)
    assert [set(each) for each in messenger.untaken([held.worker])] == [{101}]
    visitor.say("getJobs")
    assert [set(each) for each in messenger.untaken([held.worker])] == [set()]


def test_whoever_asks_for_more_does_not_get_the_old_ones_again(house: House, visitor: Visitor):
    place = house.add_worker()
    (place / "pandaJobData.out").write_text('{"101": {}}')
    visitor.say("getJobs")
    assert said(visitor.say("requestJobs", {"nJobs": 1})) == (200, "OK")
    assert said(visitor.say("getJobs")) == (503, NOT_NOW)
    (place / "pandaJobData.out").write_text('{"102": {}}')
    (place / "worker_requestjob.json").unlink()
    assert visitor.say("getJobs").json == {"102": {}}


def test_asking_again_loses_no_jobs_that_were_not_read(house: House, visitor: Visitor):
    place = house.add_worker()
    (place / "pandaJobData.out").write_text('{"101": {}}')
    visitor.say("requestJobs", {"nJobs": 1})
    assert visitor.say("getJobs").json == {"101": {}}


def test_event_ranges_are_read_like_jobs(house: House, visitor: Visitor):
    place = house.add_worker()
    (place / "JobsEventRanges.json").write_text('{"101": []}')
    assert visitor.say("getEventRanges").json == {"101": []}
    assert visitor.say("getEventRanges").json == {"101": []}
    visitor.say("requestEventRanges", {"101": {"nRanges": 1}})
    assert said(visitor.say("getEventRanges")) == (503, NOT_NOW)


def test_jobs_as_a_form_come_as_text(house: House, visitor: Visitor):
    place = house.add_worker()
    (place / "pandaJobData.out").write_text("PandaID=101&jobPars=x")
    answer = visitor.say("getJobs")
    assert said(answer) == (200, "PandaID=101&jobPars=x")
    assert answer.headers["content-type"].startswith("text/plain")


# ---- jobs with directories of their own


def a_shared_worker(house: House) -> Path:
    place = house.add_worker(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    for job in (101, 102):
        (place / str(job)).mkdir()
        (place / str(job) / "pandaJobData.out").write_text(json.dumps({str(job): {"PandaID": job}}))
    (place / "worker_pandaids.json").write_text("[101, 102]")
    return place


def test_all_jobs_of_a_worker_are_read_at_once(house: House, visitor: Visitor):
    a_shared_worker(house)
    for _ in range(2):
        assert visitor.say("getJobs").json == {"101": {"PandaID": 101}, "102": {"PandaID": 102}}


def test_one_job_is_read_from_its_own_directory(house: House, visitor: Visitor):
    place = a_shared_worker(house)
    assert visitor.say("getJobs", pandaID=102).json == {"102": {"PandaID": 102}}
    assert (place / "101" / "pandaJobData.out").exists()


@pytest.mark.parametrize("method", ["updateJobs", "uploadJobReport", "uploadEventOutputDump"])
def test_reports_of_one_job_go_into_its_directory(house: House, visitor: Visitor, method: str):
    name, _ = WRITTEN[method]
    place = a_shared_worker(house)
    assert said(visitor.say(method, {"n": 1}, pandaID=102)) == (200, "OK")
    assert read(place / "102" / name) == {"n": 1}
    assert said(visitor.say(method, {"n": 2})) == (200, "OK")
    assert read(place / name) == {"n": 2}


def test_a_job_that_was_given_a_moment_ago_is_known(house: House, visitor: Visitor):
    place = a_shared_worker(house)
    visitor.say("heartbeat")
    house.give_jobs(7, 103)
    (place / "103").mkdir()
    assert said(visitor.say("updateJobs", {"103": {}}, pandaID=103)) == (200, "OK")


def test_asking_for_more_ends_the_jobs_that_were_read(house: House, visitor: Visitor):
    place = a_shared_worker(house)
    visitor.say("getJobs")
    visitor.say("requestJobs", {"nJobs": 1})
    assert said(visitor.say("getJobs")) == (503, NOT_NOW)
    (place / "103").mkdir()
    (place / "103" / "pandaJobData.out").write_text('{"103": {}}')
    (place / "worker_pandaids.json").write_text("[101, 102, 103]")
    assert visitor.say("getJobs").json == {"103": {}}


# ---- names


def test_the_names_of_the_queue_and_of_the_instance_are_heeded(build: MakeHouse, tmp_path: Path):
    queue = a_queue(tmp_path, jsonAttrsFileName="attributes.of.queue")
    house = build(queue, names={"jobSpecFile": "HPCJobs.json"})
    place, visitor = house.add_worker(), house.visitor()
    visitor.say("updateJobs", {"101": {}})
    (place / "HPCJobs.json").write_text("{}")
    assert (place / "attributes.of.queue").exists()
    assert visitor.say("getJobs").json == {}


def test_a_worker_keeps_the_names_that_it_was_made_with(build: MakeHouse, tmp_path: Path):
    house = build()
    place = house.add_worker()
    with house.db.write() as connection:
        connection.execute(update(worker_table).values(config_version=1))
    present, former = a_queue(tmp_path, jsonAttrsFileName="new.json"), a_queue(tmp_path)
    house.plugins.replace(ServedQueues({"HERE": present}, frozenset({"HERE"}), {"HERE": 2}, {1: former}))
    visitor = house.visitor()
    assert said(visitor.say("updateJobs", {"101": {}})) == (200, "OK")
    assert [each.name for each in place.iterdir()] == ["worker_attributes.json"]
    house.add_worker(8)
    visitor.say("updateJobs", {"101": {}}, worker_id=8)
    assert (tmp_path / "access" / "8" / "new.json").exists()


# ---- waking


def await_news() -> None:
    """What was told at doors has reached the agents."""
    for each in threading.enumerate():
        if each.name == "door news":
            each.join(20)


def test_agents_are_woken_by_what_somebody_waits_for(house: House, visitor: Visitor):
    house.add_worker()
    visitor.say("requestJobs", {"nJobs": 1})
    await_news()
    assert set(house.woken) == {"monitor"}


def test_news_for_which_there_was_no_thread_are_told_with_the_next(
    house: House, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
):
    house.add_worker()
    refuse_one(monkeypatch, "door news")
    assert said(visitor.say("requestJobs", {"nJobs": 1})) == (200, "OK")
    assert house.woken == []
    visitor.say("updateJobs", {"101": {"jobStatus": "finished"}})
    await_news()
    assert set(house.woken) == {"monitor"}


def test_the_queue_is_looked_at_at_once(house: House, visitor: Visitor):
    house.add_worker()
    later = house.time.clock() + timedelta(hours=1)
    with house.db.write() as connection:
        queues.activate(connection, ["HERE"], later)
    visitor.say("updateJobs", {"101": {"jobStatus": "finished"}})
    await_news()
    with house.db.read() as connection:
        due = leases.next_due(connection, leases.QUEUE_MONITOR)
    assert due is not None
    assert due < later


def test_nobody_is_woken_by_a_heartbeat(house: House, visitor: Visitor):
    house.add_worker()
    visitor.say("heartbeat")
    visitor.say("updateJobs", {"101": {"jobStatus": "running"}})
    await_news()
    assert house.woken == []
