import gzip
import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from threading import Thread

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harvester.panda import Credentials, PandaClient, PandaRefused, PandaUnavailable, wire
from harvester.panda.delivery import Delivery
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.devserver.samples import complete_job
from harvester.panda.messages import JobReport, WorkerReport

ENVELOPE = b'{"success": true, "message": "", "data": null}'


def client_of(answer: Callable[[httpx2.Request], httpx2.Response]) -> PandaClient:
    return PandaClient(
        "http://panda.example.org:25080/api/v1", Credentials(), "h", transport=httpx2.MockTransport(answer), timeout=5
    )


def acquire(client: PandaClient) -> int:
    got = client.acquire_jobs(site="SITE_A", node="n", label="managed", n_jobs=5, computing_element="n")
    return len(got.offers)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>It works!</html>", "no JSON.*It works"),
        (200, b"{'success': True, 'message': '', 'data': None}", "no JSON"),
        (200, b"", "no JSON.*empty"),
        (200, b"[" * 100_000, "no JSON"),
        (200, b"[]", "no PanDA envelope"),
        (200, b'{"success": 1}', "no PanDA envelope"),
        (200, b"\xff\xfe", "no JSON"),
        (500, b"ERROR : out of memory", "HTTP 500.*out of memory"),
        (503, b"<html>Service Unavailable</html>", "HTTP 503"),
        (301, b"", "redirect.*server_api_url_ssl"),
    ],
)
def test_an_answer_that_is_none_says_where_and_what(status: int, body: bytes, words: str):
    with (
        client_of(lambda _: httpx2.Response(status, content=body)) as client,
        pytest.raises(PandaUnavailable, match=words) as caught,
    ):
        client.is_alive()
    assert caught.value.url == "http://panda.example.org:25080/api/v1/system/is_alive"


HALF = b'{"success": true, "data": [{"data": {"StatusCode": 0, "pilotSecrets": "{\\"token\\": \\"S3CR3T\\"}", "comm'


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, HALF, f"breaks off.*{len(HALF)} bytes"),
        (200, b"\n " + HALF, "breaks off"),
        (200, b"\xef\xbb\xbf" + HALF, "breaks off"),
        (200, b'{"pilotSecrets": "S3CR3T"}', "no PanDA envelope"),
        (500, b'{"pilotSecrets": "S3CR3T"}', "HTTP 500"),
    ],
)
def test_an_answer_that_may_hold_secrets_is_not_shown(status: int, body: bytes, words: str):
    with (
        client_of(lambda _: httpx2.Response(status, content=body)) as client,
        pytest.raises(PandaUnavailable, match=words) as caught,
    ):
        client.is_alive()
    assert "S3CR3T" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("status", [403, 404, 411, 414])
def test_a_no_of_the_web_server_is_a_refusal(status: int):
    with (
        client_of(lambda _: httpx2.Response(status, content=b"ERROR : you are banned")) as client,
        pytest.raises(PandaRefused, match=f"HTTP {status}.*banned"),
    ):
        client.acquire_commands(1)


@pytest.mark.parametrize(
    "body",
    [
        b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
        b"<center>The plain HTTP request was sent to HTTPS port</center>",
    ],
)
def test_a_web_server_that_wants_tls_is_no_refusal_of_what_was_told(body: bytes):
    with (
        client_of(lambda _: httpx2.Response(400, content=body)) as client,
        pytest.raises(PandaUnavailable, match=r"HTTP 400.*write https:// in \[pandacon\]"),
    ):
        client.acquire_commands(1)


def test_requests_are_exactly_as_the_server_wants_them():
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=ENVELOPE)

    with client_of(answer) as client:
        client.acknowledge_commands([1])
        client.is_alive()
    post, get = seen
    assert (post.headers["content-type"], post.headers["accept"]) == ("application/json", "application/json")
    assert "transfer-encoding" not in post.headers
    assert int(post.headers["content-length"]) == len(post.content)
    assert get.headers["accept"] == "application/json"
    assert "content-type" not in get.headers


def test_nobody_there(server: DevServer):
    url = server.url
    server.stop()
    with (
        PandaClient(url, Credentials(), "h", timeout=5) as client,
        pytest.raises(PandaUnavailable, match=r"no connection.*\[pandacon\] server_api_url_ssl") as caught,
    ):
        client.acquire_commands(1)
    assert not caught.value.reached


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wire, "MAX_ANSWER_BYTES", 10_000)

    def drip():
        while True:
            yield b" " * 1000

    with (
        client_of(lambda _: httpx2.Response(200, content=drip())) as client,
        pytest.raises(PandaUnavailable, match="longer than"),
    ):
        client.acquire_commands(1)


def test_silence_ends_with_the_time_out(server: DevServer, control: DevControl):
    control.fault("hang", "harvester/acquire_commands", seconds=60)
    with (
        PandaClient(server.url, Credentials(), "h", timeout=0.2) as client,
        pytest.raises(PandaUnavailable, match="no answer in time"),
    ):
        client.acquire_commands(1)


@pytest.mark.parametrize("fault", ["http_500", "html", "half_body", "drop_after"])
def test_a_harmless_call_is_repeated(client: PandaClient, control: DevControl, fault: str):
    control.add_jobs([{"site": "SITE_A", "PandaID": 7}])
    acquire(client)
    control.fault(fault, "pilot/update_jobs_bulk", count=2)
    (reply,) = client.update_jobs([JobReport(7, "finished", "staged", 1, "SITE_A", "harvester-h")])
    assert reply.accepted


@pytest.mark.parametrize("fault", ["http_500", "html", "half_body", "drop_after"])
def test_a_call_that_reserves_is_never_repeated(client: PandaClient, control: DevControl, fault: str):
    control.add_jobs([{"site": "SITE_A"}] * 20)
    control.fault(fault, "pilot/acquire_jobs", count=1)
    with pytest.raises(PandaUnavailable):
        acquire(client)
    assert control.job_counts().get("sent", 0) == (5 if fault in {"half_body", "drop_after"} else 0)


@pytest.mark.parametrize(
    ("trouble", "calls"),
    [(httpx2.ConnectTimeout, 2), (httpx2.PoolTimeout, 2), (httpx2.ReadTimeout, 1), (httpx2.WriteTimeout, 1)],
)
def test_a_time_out_is_repeated_only_where_no_server_was_reached(trouble: type[httpx2.TimeoutException], calls: int):
    made = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal made
        made += 1
        if made == 1:
            raise trouble("in vain")
        return httpx2.Response(200, content=ENVELOPE)

    with client_of(answer) as client:
        for call in (lambda: client.acquire_commands(1), client.is_alive):
            made = 0
            with nullcontext() if calls > 1 else pytest.raises(PandaUnavailable, match="no answer in time"):
                call()
            assert made == calls


def test_repetitions_are_bounded(client: PandaClient, control: DevControl):
    control.fault("html", "pilot/update_jobs_bulk", count=3)
    with pytest.raises(PandaUnavailable, match="503"):
        client.update_jobs([JobReport(7, "finished", "staged", 1, "SITE_A", "harvester-h")])
    (reply,) = client.update_jobs([JobReport(7, "finished", "staged", 1, "SITE_A", "harvester-h")])
    assert reply.accepted


def test_what_arrived_before_the_server_went_away_counts():
    calls = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        data = b"[" + b",".join([b"true"] * 100) + b"]"
        if calls == 1:
            return httpx2.Response(200, content=b'{"success": true, "message": "", "data": ' + data + b"}")
        return httpx2.Response(503)

    with client_of(answer) as other:
        replies = other.update_workers([WorkerReport(n, "running") for n in range(150)])
    assert [reply.accepted for reply in replies] == [True] * 100 + [False] * 50
    assert "503" in replies[-1].reason


def test_one_entry_that_crashes_the_server_does_not_hold_back_the_others():
    def answer(request: httpx2.Request) -> httpx2.Response:
        ids = [int(part.split(b",")[0].strip(b" :}]")) for part in request.content.split(b'"workerID"')[1:]]
        if 13 in ids:
            return httpx2.Response(500, content=b"KeyError")
        data = b",".join([b"true"] * len(ids))
        return httpx2.Response(200, content=b'{"success": true, "message": "", "data": [' + data + b"]}")

    with client_of(answer) as client:
        replies = client.update_workers([WorkerReport(n, "running") for n in range(100)])
    assert [n for n, reply in enumerate(replies) if not reply.accepted] == [13]


def test_a_server_that_refuses_everything_is_not_asked_for_each_entry():
    calls = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return httpx2.Response(200, content=b'{"success": false, "message": "database error", "data": null}')

    with client_of(answer) as client, pytest.raises(PandaUnavailable, match=r"no report was taken.*database error"):
        client.update_workers([WorkerReport(n, "running") for n in range(1000)])
    assert calls <= 16


@pytest.mark.parametrize("number", [1, 2, 1000])
@pytest.mark.parametrize("probe", [False, True])
def test_a_server_that_answers_and_refuses_each_report_has_not_failed(number: int, *, probe: bool):
    def answer(request: httpx2.Request) -> httpx2.Response:
        body = gzip.decompress(request.content) if "content-encoding" in request.headers else request.content
        answers = [False] * len(json.loads(body)["workers"])
        return httpx2.Response(200, content=json.dumps({"success": True, "message": "", "data": answers}).encode())

    with client_of(answer) as client:
        replies = client.update_workers([WorkerReport(n, "running") for n in range(number)], probe=probe)
    assert [reply.accepted for reply in replies] == [False] * number


def test_two_reports_that_the_server_cannot_read_are_themselves_to_blame():
    def send(part: Sequence[int], _probing: bool) -> list[str]:  # noqa: FBT001 (the delivery's word)
        raise PandaRefused("bulk", f"cannot read {len(part)}")

    assert Delivery(range(2), send, lambda why: why, per_call=100).run() == ["cannot read 1"] * 2
    with pytest.raises(PandaUnavailable, match="no report was taken"):
        Delivery(range(2), send, lambda why: why, per_call=100, probe=True).run()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 230), st.sets(st.integers(0, 229), max_size=5))
def test_exactly_the_bad_entries_are_left_out(n: int, bad: set[int]):
    def send(part: Sequence[int], _probing: bool) -> list[str]:  # noqa: FBT001 (the delivery's word)
        if bad.intersection(part):
            raise PandaRefused("bulk", "one of them")
        return [f"stored {each}" for each in part]

    replies = Delivery(range(n), send, lambda why: why, per_call=100).run()
    assert replies == ["one of them" if each in bad else f"stored {each}" for each in range(n)]


def test_a_job_that_is_offered_twice_in_one_answer_is_taken_once():
    jobs = json.dumps([complete_job({}, 7), complete_job({}, 7), complete_job({}, 8)])
    body = f'{{"success": true, "message": "", "data": {{"StatusCode": 0, "jobs": {jobs}}}}}'
    with client_of(lambda _: httpx2.Response(200, content=body.encode())) as client:
        assert acquire(client) == 2


@pytest.mark.parametrize(
    "poison",
    ['"x": NaN', '"x": [-Infinity]', f'"taskID": {10**30}', f'"x": {"9" * 5000}', f'"PandaID": {"9" * 5000}'],
)
def test_a_job_that_cannot_be_stored_does_not_touch_its_neighbours(poison: str):
    good, bad = json.dumps(complete_job({}, 7)), json.dumps(complete_job({}, 8)).removesuffix("}")
    body = f'{{"success": true, "message": "", "data": {{"StatusCode": 0, "jobs": [{bad}, {poison}}}, {good}]}}}}'
    with client_of(lambda _: httpx2.Response(200, content=body.encode())) as client:
        assert acquire(client) == 1


@pytest.mark.parametrize("status", [403, 404])
def test_a_door_that_is_shut_is_knocked_at_once(status: int):
    calls = 0

    def answer(_: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return httpx2.Response(status, content=b"ERROR : you are banned")

    with client_of(answer) as client, pytest.raises(PandaUnavailable, match="banned"):
        client.update_workers([WorkerReport(n, "running") for n in range(50)])
    assert calls == 1


def test_one_client_serves_many_threads(client: PandaClient, control: DevControl):
    control.add_jobs([{"site": "SITE_A"}] * 200)
    taken: list[int] = []

    def fetch() -> None:
        while n := acquire(client):
            taken.append(n)

    threads = [Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 200
    assert {row["times_acquired"] for row in control.jobs()} == {1}
