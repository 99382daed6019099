"""The built-in server on real sockets."""

import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from door_tools import House, MakeHouse
from structlog.testing import capture_logs

from harvester.config.instance_sections import Frontend
from harvester.store import queues
from harvester.web import embedded
from harvester.web.embedded import EmbeddedServer
from harvester.web.listening import DoorError
from harvester.web.tls import TlsAdapter
from loopback import free_port, free_socket
from waiting import until

TEST = json.dumps({"methodName": "test", "workerID": 123, "data": "none"})
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def opened(house: House) -> Iterator[Callable[..., EmbeddedServer]]:
    """Opens doors, which are shut in the end."""
    servers: list[EmbeddedServer] = []

    def make(app: Any = None, **frontend: object) -> EmbeddedServer:  # noqa: ANN401 (any WSGI application)
        deadline = frontend.pop("deadline", 15.0)
        assert isinstance(deadline, float)
        settings = Frontend.model_validate(frontend)
        servers.append(EmbeddedServer(app or house.app(), settings, sockets=[free_socket()], deadline=deadline))
        return servers[-1].start()

    yield make
    for each in servers:
        each.stop()


def connect(server: EmbeddedServer, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
    place = server.url.partition("://")[2]
    if context:
        return http.client.HTTPSConnection(place, timeout=20, context=context)
    return http.client.HTTPConnection(place, timeout=20)


def ask(connection: http.client.HTTPConnection, body: str = TEST, **headers: str) -> tuple[int, str]:
    connection.request("POST", "/entry", body, {**JSON, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_an_answer_tells_when_it_was_sent(opened: Callable[..., EmbeddedServer], monkeypatch: pytest.MonkeyPatch):
    told = []
    with closing(connect(opened())) as connection:
        for now in (1_800_000_000.2, 1_800_000_000.9, 1_800_003_601.0):
            monkeypatch.setattr(time, "time", lambda now=now: now)
            connection.request("POST", "/entry", TEST, JSON)
            answer = connection.getresponse()
            answer.read()
            told += answer.headers.get_all("Date", [])
    assert told == [*["Fri, 15 Jan 2027 08:00:00 GMT"] * 2, "Fri, 15 Jan 2027 09:00:01 GMT"]


def test_one_connection_serves_many_requests(opened: Callable[..., EmbeddedServer], house: House):
    place = house.add_worker()
    body = json.dumps({"methodName": "heartbeat", "workerID": 7, "data": {"n": 1}})
    with closing(connect(opened())) as connection:
        assert ask(connection) == (400, "workerID=123 not found in DB")
        line = connection.sock
        for _ in range(5):
            assert ask(connection, body, Authorization=f"Bearer {house.token()}") == (200, "OK")
        assert connection.sock is line
    assert json.loads((place / "worker_heartbeat.json").read_text()) == {"n": 1}


@pytest.mark.shows("frontend.portNumber", "frontend.address")
def test_address_and_port_are_those_of_the_configuration(house: House):
    port = free_port()
    frontend = Frontend.model_validate({"address": "127.0.0.2", "portNumber": port})
    with EmbeddedServer(house.app(), frontend) as server:
        assert server.url == f"http://127.0.0.2:{port}"
        with closing(connect(server)) as connection:
            assert ask(connection)[0] == 400


def test_a_taken_port_is_named(house: House):
    with closing(free_socket()) as other:
        frontend = Frontend.model_validate({"portNumber": other.getsockname()[1]})
        with pytest.raises(DoorError, match="cannot be had: Address already in use; stop whatever listens there"):
            EmbeddedServer(house.app(), frontend)


def test_an_address_of_others_is_named(house: House):
    frontend = Frontend.model_validate({"address": "192.0.2.1", "trustedNetworks": "192.0.2.0/24"})
    with pytest.raises(DoorError, match=r"address: 192\.0\.2\.1 cannot be used: Cannot assign requested"):
        EmbeddedServer(house.app(), frontend)


def test_tokens_do_not_travel_where_all_can_read_them(house: House):
    frontend = Frontend.model_validate({"address": "0.0.0.0"})
    with pytest.raises(DoorError, match="tokens would travel without TLS"):
        EmbeddedServer(house.app(), frontend)


def test_processes_can_share_a_socket(house: House):
    shared = free_socket()
    with EmbeddedServer(house.app(), Frontend(), sockets=[shared]) as first:
        with EmbeddedServer(house.app(), Frontend(), sockets=[shared.dup()]):
            for _ in range(20):
                with closing(connect(first)) as connection:
                    assert ask(connection)[0] == 400
        with closing(connect(first)) as connection:
            assert ask(connection)[0] == 400


@pytest.mark.shows("frontend.nThreads")
def test_so_many_requests_are_served_at_once(opened: Callable[..., EmbeddedServer]):
    together = threading.Barrier(3)

    def app(_environment: Any, start: Any) -> list[bytes]:  # noqa: ANN401 (WSGI)
        together.wait(20)
        start("200 OK", [("Content-Length", "2")])
        return [b"OK"]

    server = opened(app, nThreads=3)
    answers: list[int] = []

    def call() -> None:
        with closing(connect(server)) as connection:
            answers.append(ask(connection)[0])

    threads = [threading.Thread(target=call) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers == [200] * 3


# ---- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    file = tmp_path / "host.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(file)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return file, context


@pytest.mark.shows("frontend.certFile", "frontend.keyFile")
def test_tls_is_spoken(opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]):
    file, context = certificate
    server = opened(certFile=str(file), keyFile=str(file))
    assert server.url.startswith("https://")
    with closing(connect(server, context)) as connection:
        for _ in range(3):
            assert ask(connection) == (400, "workerID=123 not found in DB")


def test_who_does_not_shake_hands_holds_nobody_up(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]
):
    file, context = certificate
    server = opened(certFile=str(file), nThreads=2, deadline=600.0)
    host, port = server.url.rpartition("/")[2].split(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(5)]
    with closing(socket.create_connection((host, int(port)))) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"200 OK" not in plain.recv(1000)
    with closing(connect(server, context)) as connection:
        assert ask(connection)[0] == 400
    for each in silent:
        each.close()


def first_bytes(context: ssl.SSLContext) -> bytes:
    """What a client says first when it shakes hands."""
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(heard, said, server_hostname="127.0.0.1").do_handshake()
    return said.read()


def test_who_says_little_under_tls_holds_no_thread(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]
):
    file, context = certificate
    server = opened(certFile=str(file), nThreads=1, deadline=600.0)
    host, port = server.url.rpartition("/")[2].split(":")
    hello = first_bytes(context)
    with ExitStack() as lines:
        for text in (b"", hello[:1], hello[:-1], hello):
            for _ in range(3):
                line = lines.enter_context(closing(socket.create_connection((host, int(port)))))
                line.sendall(text)
        for text in (b"", b"P", b"POST /entry HTTP/1.1\r\nHost: h\r\n"):
            for _ in range(3):
                line = socket.create_connection((host, int(port)), 20)
                spoken = lines.enter_context(closing(context.wrap_socket(line, server_hostname=host)))
                spoken.sendall(text)
        with closing(connect(server, context)) as connection:
            assert ask(connection) == (400, "workerID=123 not found in DB")
        spoken.sendall(f"Content-Type: application/json\r\nContent-Length: {len(TEST)}\r\n\r\n{TEST}".encode())
        assert spoken.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_a_handshake_may_come_in_pieces(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]
):
    file, context = certificate
    host, port = opened(certFile=str(file), nThreads=1).url.rpartition("/")[2].split(":")
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(heard, said, server_hostname=host)
    text = f"POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {len(TEST)}\r\n\r\n"
    with closing(socket.create_connection((host, int(port)), 20)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def pass_on() -> None:
            for byte in said.read():
                line.sendall(bytes([byte]))

        while client.version() is None:
            with suppress(ssl.SSLWantReadError):
                client.do_handshake()
            pass_on()
            if client.version() is None:
                heard.write(line.recv(65536))
        client.write(text.encode() + TEST.encode())
        pass_on()
        answer = b""
        while b"not found in DB" not in answer:
            with suppress(ssl.SSLWantReadError):
                answer += client.read(65536)
                continue
            part = line.recv(65536)
            assert part
            heard.write(part)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_handshake_that_never_ends_is_cut_off(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]
):
    file, context = certificate
    host, port = opened(certFile=str(file), nThreads=1, deadline=0.3).url.rpartition("/")[2].split(":")
    with closing(socket.create_connection((host, int(port)), 0.02)) as line:
        for byte in first_bytes(context)[:-1]:
            try:
                line.sendall(bytes([byte]))
                assert line.recv(1) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                pass
            break
        else:
            pytest.fail("it was not cut off")


def test_large_bodies_come_by_tls(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext], house: House
):
    file, context = certificate
    place = house.add_worker()
    report = "x" * 1_000_000
    body = json.dumps({"methodName": "uploadJobReport", "workerID": 7, "data": report})
    with closing(connect(opened(certFile=str(file)), context)) as connection:
        assert ask(connection, body, Authorization=f"Bearer {house.token()}") == (200, "OK")
        assert ask(connection)[0] == 400
    assert any(report in each.read_text() for each in place.iterdir())


def test_a_renewed_certificate_is_shown_to_those_who_come(
    opened: Callable[..., EmbeddedServer], certificate: tuple[Path, ssl.SSLContext]
):
    file, context = certificate
    server = opened(certFile=str(file))
    authority, renewed = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(renewed)
    with closing(connect(server, context)) as before:
        assert ask(before)[0] == 400
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(file)

        def come() -> int | None:
            with suppress(ssl.SSLCertVerificationError), closing(connect(server, renewed)) as connection:
                return ask(connection)[0]
            return None

        assert until(come, what="the new certificate is shown") == 400
        assert ask(before)[0] == 400, "who is there stays"


def test_a_certificate_that_is_unfit_changes_nothing(certificate: tuple[Path, ssl.SSLContext]):
    file, _ = certificate
    adapter = TlsAdapter(str(file), str(file))
    shown = adapter.context
    with capture_logs() as lines:
        adapter.renew()
        for text in ("x", "no certificate"):
            file.write_text(text)
            for _ in range(3):
                adapter.renew()
        file.unlink()
        adapter.renew()
    assert [each["log_level"] for each in lines] == ["warning"] * 3
    assert str(file) in str(lines[0])
    assert adapter.context is shown


@pytest.mark.parametrize(("content", "words"), [(None, "cannot be read"), ("x", "cannot be used")])
def test_a_certificate_that_is_none_is_named(house: House, tmp_path: Path, content: str | None, words: str):
    file = tmp_path / "host.pem"
    if content:
        file.write_text(content)
    with pytest.raises(DoorError, match=words):
        EmbeddedServer(house.app(), Frontend.model_validate({"certFile": str(file)}))


# ---- limits


def send(server: EmbeddedServer, text: bytes) -> bytes:
    """What comes back until the other side closes, or 20 seconds have passed."""
    host, port = server.url.rpartition("/")[2].split(":")
    received = b""
    with closing(socket.create_connection((host, int(port)), 20)) as line, suppress(ConnectionError):
        line.sendall(text)
        while part := line.recv(65536):
            received += part
    return received


def test_a_request_that_never_ends_is_cut_off(opened: Callable[..., EmbeddedServer]):
    server = opened(deadline=0.3, nThreads=1)
    head = b"POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    assert b" 200 " not in send(server, head + b"{")
    with closing(connect(server)) as connection:
        assert ask(connection)[0] == 400, "the only thread is free again"


def test_clients_that_say_nothing_or_little_hold_no_thread(opened: Callable[..., EmbeddedServer]):
    server = opened(nThreads=1, deadline=600.0)
    host, port = server.url.rpartition("/")[2].split(":")
    with ExitStack() as lines:
        for text in (b"", b"P", b"POST /entry HTTP/1.1\r\nHost: h\r\n"):
            for _ in range(5):
                line = lines.enter_context(closing(socket.create_connection((host, int(port)))))
                line.sendall(text)
        with closing(connect(server)) as connection:
            assert ask(connection) == (400, "workerID=123 not found in DB")
        line.sendall(f"Content-Type: application/json\r\nContent-Length: {len(TEST)}\r\n\r\n{TEST}".encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 400 ")


def test_the_rest_of_what_is_refused_is_not_waited_for(opened: Callable[..., EmbeddedServer]):
    server = opened(nThreads=1, deadline=600.0)
    head = b"POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    assert send(server, head).startswith(b"HTTP/1.1 403 ")
    with closing(connect(server)) as connection:
        assert ask(connection)[0] == 400


def test_what_is_left_of_a_refused_request_is_no_request(opened: Callable[..., EmbeddedServer], house: House):
    hidden = "POST /entry HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    head = (
        "POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {house.token()}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = send(opened(), f"{head}{hidden}{len(hidden):x}\r\n{hidden}\r\n0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_client_that_waits_for_leave_gets_it(opened: Callable[..., EmbeddedServer]):
    host, port = opened().url.rpartition("/")[2].split(":")
    with closing(socket.create_connection((host, int(port)), 20)) as line:
        head = "POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        line.sendall(f"{head}Content-Length: {len(TEST)}\r\n\r\n".encode())
        assert line.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(TEST.encode())
        assert b" 400 Bad Request" in line.recv(1000)


def test_requests_may_come_one_behind_the_other(opened: Callable[..., EmbeddedServer]):
    one = (
        "POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(TEST)}\r\n\r\n{TEST}"
    )
    last = one.replace("Host: h", "Host: h\r\nConnection: close")
    assert send(opened(), f"{one}{one}{last}".encode()).count(b"not found in DB") == 3


def test_a_hundred_megabytes_are_not_read(opened: Callable[..., EmbeddedServer], house: House):
    head = (
        "POST /entry HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {house.token()}\r\n"
    )
    answer = send(opened(), f"{head}Content-Length: 100000000\r\n\r\n".encode() + b"x" * 1_000_000)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_long_heads_are_refused(opened: Callable[..., EmbeddedServer]):
    answer = send(opened(), b"POST /entry HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 20_000 + b"\r\n\r\n")
    assert answer[:12] in {b"HTTP/1.1 413", b"HTTP/1.1 414", b"HTTP/1.1 431"}


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /entry HTTP/9.9\r\n\r\n",
        b"POST http://other/entry HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"POST /entry HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
        b"POST /entry HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\nConnection: close\r\n\r\n",
        b"POST /entry HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello",
        b"POST /entry HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nffffffff\r\nx\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        b"\r\n\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_no_more_than_a_refusal(opened: Callable[..., EmbeddedServer], text: bytes):
    answer = send(opened(deadline=1.0), text)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 501", b"HTTP/1.1 505")), answer
    assert b"Traceback" not in answer


# ---- the end


@pytest.mark.parametrize("begun", [b"", b"POST /entry HTTP/1.1\r\nHost: h\r\n"])
def test_who_has_got_through_is_answered_in_the_end(
    opened: Callable[..., EmbeddedServer], monkeypatch: pytest.MonkeyPatch, begun: bytes
):
    monkeypatch.setattr(embedded, "_DRAIN_SECONDS", 60)
    looked, really = threading.Semaphore(0), embedded._Connection.is_owed_an_answer

    def look(connection: embedded._Connection) -> bool:
        looked.release()
        return really(connection)

    monkeypatch.setattr(embedded._Connection, "is_owed_an_answer", look)
    server = opened()
    host, port = server.url.rpartition("/")[2].split(":")
    with closing(socket.create_connection((host, int(port)), 20)) as line:
        line.sendall(begun)
        until(lambda: server._servers[0].there, what="the server has taken the connection")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        for _ in range(3):
            assert looked.acquire(timeout=20), "it does not wait"
        rest = f"Content-Type: application/json\r\nContent-Length: {len(TEST)}\r\n\r\n{TEST}"
        line.sendall((b"" if begun else b"POST /entry HTTP/1.1\r\nHost: h\r\n") + rest.encode())
        answer = line.recv(1000)
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close" in answer


def test_who_has_been_answered_is_not_waited_for(
    opened: Callable[..., EmbeddedServer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedded, "_DRAIN_SECONDS", 600)
    server = opened()
    with closing(connect(server)) as connection:
        assert ask(connection)[0] == 400
        server.stop()


def test_who_says_nothing_does_not_keep_the_door_open(
    opened: Callable[..., EmbeddedServer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embedded, "_DRAIN_SECONDS", 0.1)
    server = opened()
    host, port = server.url.rpartition("/")[2].split(":")
    with closing(socket.create_connection((host, int(port)), 20)) as line:
        until(lambda: server._servers[0].there, what="the server has taken the connection")
        server.stop()
        assert line.recv(1) == b""


# ---- the log


@pytest.mark.shows("frontend.verbose")
def test_every_request_is_logged_on_demand(build: MakeHouse):
    house = build(verbose=True)
    house.add_worker()
    token = house.token()
    with capture_logs() as lines:
        house.visitor().say("heartbeat", token=token)
    told = next(each for each in lines if each["event"] == "request")
    assert told.items() >= {"method": "heartbeat", "worker": 7, "status": 200}.items()
    assert token not in str(lines)


def test_refusals_are_logged_without_the_token(house: House):
    house.add_worker()
    token = house.forged(key=b"x" * 40)
    with capture_logs() as lines:
        for _ in range(50):
            house.visitor().say("heartbeat", token=token)
        visitor = house.visitor()
        for _ in range(50):
            visitor.say("heartbeat", token=token)
    told = [each for each in lines if each["event"] == "refused at the door"]
    assert told[0]["reason"] == "InvalidSignatureError"
    assert len(told) < 60
    assert token not in str(lines)


def test_a_door_without_tokens_says_so(build: MakeHouse):
    house = build(authEnable=False)
    with capture_logs() as lines:
        house.app()
    assert [each["log_level"] for each in lines if "open without tokens" in each["event"]] == ["warning"]


def test_a_door_without_tokens_stands_in_the_notes_of_its_queues(build: MakeHouse):
    house = build(authEnable=False)
    with house.db.write() as connection:
        queues.activate(connection, ["HERE"], house.time.clock())
    house.app()
    with house.db.read() as connection:
        (shown,) = queues.states(connection)
    assert [(each.agent, "no token is asked for" in each.note["problem"]) for each in shown.notes] == [("door", True)]
    build().app()
    with house.db.read() as connection:
        (shown,) = queues.states(connection)
    assert [each.note["problem"] for each in shown.notes] == [""]
