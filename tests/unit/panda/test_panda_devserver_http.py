import gzip
import json

import pytest
from panda_tools import call, look, request, speak

from harvester.panda.devserver import DevControl, DevServer

HEARTBEAT = json.dumps({"harvester_id": "h", "data": {}}).encode()


def test_an_answer_is_labelled_plain_text_even_when_it_is_json(server: DevServer):
    asked = b"GET /api/v1/system/is_alive HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    _, head, body = speak(server.url, asked)
    assert b"Content-Type: text/plain" in head
    assert json.loads(body) == {"success": True, "message": "", "data": None}


@pytest.mark.parametrize("accept", ["*/*", "application/json, */*", "application/json;q=1"])
def test_a_get_with_another_accept_is_answered_in_python(server: DevServer, accept: str):
    assert request(server.url, "GET", "system/is_alive", Accept=accept)[1].startswith(b"{'success': True")


def test_a_post_as_json_is_answered_as_json_whatever_accept_says(server: DevServer):
    _, body = request(server.url, "POST", "harvester/heartbeat", HEARTBEAT, Accept="*/*")
    assert json.loads(body)["success"] is False


def test_a_content_type_with_a_suffix_hides_the_arguments(server: DevServer):
    _, body = request(
        server.url,
        "POST",
        "harvester/heartbeat",
        HEARTBEAT,
        "application/json; charset=utf-8",
        Accept="application/json",
    )
    assert "missing a required argument" in json.loads(body)["message"]


def test_chunked_bodies_are_refused_in_html(server: DevServer):
    head = (
        b"POST /api/v1/harvester/heartbeat HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    )
    asked = head + b"Content-Type: application/json\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    status, _, body = speak(server.url, asked)
    assert status == 411
    assert body.startswith(b"<html>")


def test_gzip_bodies_are_read(server: DevServer):
    packed = gzip.compress(HEARTBEAT)
    request(server.url, "POST", "harvester/heartbeat", packed, Content_Encoding="gzip")
    _, body = request(server.url, "POST", "harvester/heartbeat", packed, Content_Encoding="gzip")
    assert json.loads(body)["success"] is True


def test_long_urls_are_refused_in_html(server: DevServer):
    status, body = request(server.url, "GET", "job/get_status?" + "&".join(["job_ids=1000000001"] * 500))
    assert status == 414
    assert body.startswith(b"<html>")


@pytest.mark.parametrize("body", [b"{", b"not json", b"\x1f\x8b"])
def test_a_body_that_is_no_json_is_a_plain_500(server: DevServer, body: bytes):
    status, answer = request(server.url, "POST", "harvester/heartbeat", body)
    assert status == 500
    assert answer.startswith(b"ERROR : received invalid JSON")


@pytest.mark.parametrize("path", ["harvester/dance", "nothing", "harvester/heartbeat/", "a/b/c"])
def test_unknown_methods_are_a_plain_403(server: DevServer, path: str):
    status, answer = request(server.url, "POST", path, HEARTBEAT)
    assert status == 403
    assert answer.startswith(b"ERROR : method ")


def test_the_latest_version_is_not_served(server: DevServer):
    asked = b"GET /api/latest/system/is_alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert speak(server.url, asked)[0] == 403


def test_the_wrong_verb_is_told(server: DevServer):
    assert look(server.url, "harvester/heartbeat")["message"] == "expecting POST, received GET"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Argument error: missing a required argument: 'site_name'"),
        ({"site_name": "S", "colour": 1}, "Argument error: got an unexpected keyword argument 'colour'"),
        ({"site_name": "S", "n_jobs": "5"}, "Type error: 'n_jobs' must be of type int, got str."),
        ({"site_name": "S", "n_jobs": None}, "Type error: 'n_jobs' must be of type int, got NoneType."),
        ({"site_name": "S", "resource_type": None}, "No jobs in PanDA"),
        ({"site_name": 5}, "Type error: 'site_name' must be of type str, got int."),
    ],
)
def test_arguments_are_taken_to_the_letter(server: DevServer, arguments: dict[str, object], message: str):
    assert call(server.url, "pilot/acquire_jobs", **arguments) == {"success": False, "message": message, "data": None}


def test_json_text_must_be_text(server: DevServer):
    answer = call(server.url, "harvester/report_worker_statistics", harvester_id="h", panda_queue="Q", statistics={})
    assert "must be of type str, got dict" in str(answer["message"])


def test_a_get_is_cast(server: DevServer, control: DevControl):
    control.add_jobs([{"site": "S", "PandaID": 7}])
    assert look(server.url, "job/get_status?job_ids=7.0")["data"] == [{"status": "activated", "command": None}]
    assert "could not be casted" in str(look(server.url, "job/get_status?job_ids=x")["message"])


def test_a_handler_that_breaks_is_a_plain_500_with_its_text(server: DevServer, capsys: pytest.CaptureFixture[str]):
    status, answer = request(server.url, "GET", "job/get_status?job_ids=1e400")
    assert (status, answer) == (500, b"ERROR : cannot convert float infinity to integer")
    assert "OverflowError" in capsys.readouterr().err
    assert look(server.url, "system/is_alive")["success"] is True


def test_a_connection_is_kept_after_a_refusal(server: DevServer):
    bad = b"POST /api/v1/no/such HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    good = b"GET /api/v1/system/is_alive HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    status, _, rest = speak(server.url, bad + good)
    assert status == 403
    assert b'"success": true' in rest


def test_the_door_tells_what_it_has(server: DevServer):
    asked = b"GET /dev/nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    status, _, body = speak(server.url, asked)
    assert status == 404
    assert b"GET /dev/journal" in body


def test_the_door_wants_json_so_that_no_web_page_can_knock(server: DevServer):
    head = b"POST /dev/jobs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    assert speak(server.url, head + b'Content-Length: 11\r\n\r\n{"jobs":[]}')[0] == 415


def test_only_this_machine_is_served():
    with pytest.raises(ValueError, match="loopback"):
        DevServer(host="0.0.0.0")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("jobs", {"jobs": [{"site": "S"}, {"queue": "S"}]}, 'jobs.1: "site" has to name the queue'),
        ("jobs", {"jobs": [{"site": ""}]}, 'jobs.0: "site" has to name the queue'),
        ("jobs", {}, "jobs: it is missing"),
        ("faults", {"kind": "slwo"}, "kind: it has to be 'http_500', 'html', "),
        ("faults", {"kind": "slow", "sceonds": 5}, "sceonds: there is no such argument"),
        ("faults", {"kind": "slow", "count": 0}, "count: it has to be greater than or equal to 1"),
        ("faults", {"kind": "slow", "seconds": -1}, "seconds: it has to be greater than or equal to 0"),
        ("faults", {"kind": "slow", "method": "pilot/acquire_job"}, "method: pilot/acquire_job is not served; did you"),
        ("faults", {"kind": "slow", "method": "?"}, "method: ? is not served; write pilot/acquire_jobs, say, or *"),
    ],
)
def test_its_own_door_says_in_plain_words_what_is_wrong(
    server: DevServer, control: DevControl, *, name: str, arguments: dict[str, object], words: str
):
    body = json.dumps(arguments).encode()
    head = f"POST /dev/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    status, _, said = speak(server.url, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert status == 400
    assert said.decode().startswith(words)
    assert b"pydantic" not in said
    assert control.job_counts() == {}
