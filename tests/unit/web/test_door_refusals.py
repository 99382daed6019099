"""Who and what is refused at the door (reliability §4)."""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from door_tools import INSTANCE, House, MakeHouse, Visitor, a_queue
from falcon.inspect import inspect_routes
from pydantic import JsonValue
from sqlalchemy import Connection, event
from structlog.testing import capture_logs

from harvester.core.errors import HarvesterError
from harvester.core.held import Held
from harvester.core.workers import MapType, Worker
from harvester.plugins.api import Messenger, PluginSettings
from harvester.plugins.tools.worker_tokens import KeyFileError
from harvester.store import workers
from harvester.store.engine import Database, StoreUnavailableError
from harvester.web import known_workers
from harvester.web.known_workers import KnownWorker, KnownWorkers
from waiting import until

FORBIDDEN = "Auth failed: Invalid token"
CALL: dict[str, JsonValue] = {"methodName": "heartbeat", "workerID": 7, "data": None}
BODY = json.dumps(CALL)


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements that are sent meanwhile."""
    statements: list[str] = []

    def note(*told: object) -> None:
        statements.append(str(told[2]))

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def unsigned(house: House) -> str:
    claims = jwt.decode(house.token(), options={"verify_signature": False})
    return jwt.encode(claims, None, "none", headers={"typ": "worker+jwt", "kid": "x"})


def unsigned_with_our_key_id(house: House) -> str:
    head = jwt.get_unverified_header(house.token())
    parts = [json.dumps({**head, "alg": "none"}).encode(), base64.urlsafe_b64decode(house.token().split(".")[1] + "==")]
    return ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts) + "."


def other_algorithm(house: House) -> str:
    claims = jwt.decode(house.token(), options={"verify_signature": False})
    head = jwt.get_unverified_header(house.token())
    return jwt.encode(claims, b"k" * 64, "HS512", headers={**head, "alg": "HS512"})


def nested(_: House) -> str:
    return f"{base64.urlsafe_b64encode(b'[' * 1200).decode()}.e30.e30"


TOKENS: dict[str, Callable[[House], str]] = {
    "no token at all": lambda _: " ",
    "no token but words": lambda _: "what is this",
    "not base64": lambda _: "a.b.c",
    "deeply nested": nested,
    "very long": lambda _: "x" * 10_000,
    "wrong signature": lambda house: house.token()[:-4] + "AAAA",
    "another key": lambda house: house.forged(key=b"x" * 40),
    "unknown key id": lambda house: house.forged(header={"kid": "nobody"}),
    "no key id": lambda house: house.forged(header={"kid": None}),
    "none algorithm": unsigned,
    "none algorithm with our key id": unsigned_with_our_key_id,
    "other algorithm": other_algorithm,
    "wrong type": lambda house: house.forged(header={"typ": "JWT"}),
    "no type": lambda house: house.forged(header={"typ": None}),
    "critical header": lambda house: house.forged(header={"crit": ["x"], "x": 1}),
    "wrong audience": lambda house: house.forged(aud="other"),
    "no audience": lambda house: house.forged(aud=None),
    "wrong issuer": lambda house: house.forged(iss="other"),
    "no issuer": lambda house: house.forged(iss=None),
    "expired": lambda house: house.forged(exp=int(house.time.clock().timestamp()) - 1),
    "no end": lambda house: house.forged(exp=None),
    "not yet valid": lambda house: house.forged(nbf=int(house.time.clock().timestamp()) + 3600),
    "no id of its own": lambda house: house.forged(jti=None),
    "times as text": lambda house: house.forged(exp="tomorrow"),
    "subject not a number": lambda house: house.forged(sub="seven"),
    "subject out of range": lambda house: house.forged(sub="9" * 30),
    "subject with a sign": lambda house: house.forged(sub="-7"),
    "subject not a text": lambda house: house.forged(sub=7),
    "another worker's": lambda house: house.token(8),
}


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_that_shows_nothing_is_refused(house: House, visitor: Visitor, kind: str):
    place = house.add_worker()
    house.add_worker(8)
    answer = visitor.post(BODY, headers={"Authorization": f"Bearer {TOKENS[kind](house)}"})
    assert (answer.status_code, answer.text) == (403, FORBIDDEN)
    assert list(place.iterdir()) == []


def test_without_any_token_nothing_is_done(house: House, visitor: Visitor):
    place = house.add_worker()
    for body in (BODY, "{", "", '{"methodName":"test","workerID":7,"data":1}', "[" * 900, "x" * 5000):
        assert (answer := visitor.post(body)).status_code == 403
        assert answer.text == FORBIDDEN
    assert list(place.iterdir()) == []


def test_a_token_is_valid_until_its_end(house: House, visitor: Visitor):
    house.add_worker()
    token = house.token(hours=1)
    assert visitor.say("heartbeat", token=token).status_code == 200
    house.time.forward(3599)
    assert visitor.say("heartbeat", token=token).status_code == 200
    house.time.forward(2)
    assert visitor.say("heartbeat", token=token).status_code == 403


def test_an_ended_worker_is_not_let_in_any_more(house: House, visitor: Visitor):
    place = house.add_worker()
    assert visitor.say("heartbeat").status_code == 200
    house.end_worker()
    house.time.forward(1)
    answer = visitor.say("updateJobs", {"101": {"jobStatus": "failed"}})
    assert (answer.status_code, answer.text) == (403, "workerID=7 has ended")
    assert not (place / "worker_attributes.json").exists()


def test_keys_change_while_the_door_is_open(house: House, visitor: Visitor, tmp_path: Path):
    house.add_worker()
    old = house.token()
    fresh = base64.urlsafe_b64encode(b"n" * 32).rstrip(b"=").decode()
    before = base64.urlsafe_b64encode(b"k" * 40).rstrip(b"=").decode()
    new = {"kty": "oct", "kid": "second", "k": fresh}
    key_file = tmp_path / "door.key"
    key_file.write_text(json.dumps({"keys": [new, {"kty": "oct", "k": before}]}))
    house.time.forward(1)
    assert jwt.get_unverified_header(house.token())["kid"] == "second"
    assert visitor.say("heartbeat", token=old).status_code == 200, "the old key is still accepted"
    assert visitor.say("heartbeat").status_code == 200
    key_file.write_text("{broken")
    house.time.forward(1)
    assert visitor.say("heartbeat", token=old).status_code == 200, "the last usable keys stay"
    key_file.write_text(json.dumps({"keys": [new]}))
    house.time.forward(1)
    assert visitor.say("heartbeat", token=old).status_code == 403
    assert visitor.say("heartbeat").status_code == 200


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        (None, 0, "is not there"),
        (b"k" * 40, 0o644, "has mode 644"),
        (b"k" * 31, 0o600, "has 31 bytes, HS256 needs 32"),
        (b"", 0o600, "has 0 bytes"),
        (b'{"keys": []}', 0o600, "holds no key"),
        (b'{"keys": [{"kty": "RSA"}]}', 0o600, "begins like a key set and is none"),
        (b'{"keys": [{"kty": "oct", "k": "c2hvcnQ"}]}', 0o600, "has 5 bytes"),
    ],
)
@pytest.mark.shows("frontend.secretFile")
def test_the_door_stays_shut_without_a_usable_key(
    build: MakeHouse, tmp_path: Path, content: bytes | None, mode: int, words: str
):
    key_file = tmp_path / "other.key"
    if content is not None:
        key_file.write_bytes(content)
        key_file.chmod(mode)
    house = build(secretFile=str(key_file))
    with pytest.raises(KeyFileError, match=words) as told:
        house.app()
    assert str(key_file) in str(told.value)
    assert "kkkk" not in str(told.value)


def test_a_key_file_is_named(build: MakeHouse):
    with pytest.raises(KeyFileError, match="it is not set"):
        build(secretFile=None).app()


@pytest.mark.shows("frontend.verifyToken")
def test_tokens_are_verified_whatever_the_configuration_says(build: MakeHouse):
    house = build(verifyToken=False)
    house.add_worker()
    answer = house.visitor().say("heartbeat", token=house.forged(key=b"x" * 40))
    assert (answer.status_code, answer.text) == (403, FORBIDDEN)


# ---- without tokens


@pytest.mark.shows("frontend.authEnable")
def test_without_tokens_this_host_alone_is_served(build: MakeHouse):
    house = build(authEnable=False)
    house.add_worker()
    visitor = house.visitor()
    for address in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", ""):
        assert visitor.post(BODY, remote_addr=address).status_code == 200
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fe80::1", "nonsense"):
        assert visitor.post(BODY, remote_addr=address).status_code == 403


@pytest.mark.shows("frontend.trustedNetworks")
def test_trusted_networks_are_served_without_tokens_too(build: MakeHouse):
    house = build(authEnable=False, trustedNetworks="10.1.0.0/16 fd00::/8")
    house.add_worker()
    visitor = house.visitor()
    for address, status in {"10.1.2.3": 200, "::ffff:10.1.2.3": 200, "fd00::1": 200, "10.2.0.1": 403}.items():
        assert visitor.post(BODY, remote_addr=address).status_code == status


def test_a_token_alone_does_not_open_the_door_where_anybody_could_read_it(house: House, visitor: Visitor):
    house.add_worker()
    assert visitor.post(BODY, house.token(), remote_addr="10.1.2.3").status_code == 403
    assert visitor.post(BODY, house.token(), remote_addr="10.1.2.3", protocol="https").status_code == 200


def test_ended_workers_are_refused_without_tokens_too(build: MakeHouse):
    house = build(authEnable=False)
    house.add_worker()
    house.end_worker()
    assert house.visitor().post(BODY).status_code == 403


def test_pages_of_a_browser_are_refused(build: MakeHouse):
    house = build(authEnable=False)
    house.add_worker()
    assert house.visitor().post(BODY, headers={"Origin": "https://evil.example"}).status_code == 403


# ---- the form of requests


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "TRACE", "OPTIONS"])
def test_other_methods_are_refused(visitor: Visitor, method: str):
    assert visitor.client.simulate_request(method, "/entry").status_code == 405


@pytest.mark.parametrize("path", ["/", "/entry/7", "/entry/../etc/passwd", "/%2e%2e/entry2", "/metricss"])
def test_other_places_are_not_there(visitor: Visitor, path: str):
    answer = visitor.client.simulate_post(path, body=BODY)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "application/xml", "", "application/json5"])
def test_other_content_types_are_refused(house: House, visitor: Visitor, kind: str):
    assert visitor.post(BODY, house.token(), headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{", "the request is not valid JSON"),
        (b"\xff\xfe\xfa", "the request is not valid JSON"),
        ('{"a": NaN}', "the request is not valid JSON"),
        ('{"a": 1e999}', "the request is not valid JSON"),
        ('{"a": ' + "9" * 5000 + "}", "the request is not valid JSON"),
        ('{"workerID": 7, "workerID": 8, "methodName": "heartbeat", "data": 1}', "the request is not valid JSON"),
        ('{"methodName": "updateJobs", "workerID": 7, "data": {"a": 1, "a": 2}}', "the request is not valid JSON"),
        ("[" * 100 + "]" * 100, "the request is nested more than 50 levels deep"),
        ("[" * 100_000, "the request is nested too deeply"),
        ("[]", "the request is not a JSON object"),
        ("7", "the request is not a JSON object"),
        ("{}", "methodName is not given"),
        ('{"methodName": "heartbeat"}', "workerID is not given"),
        ('{"methodName": "heartbeat", "workerID": 7}', "data is not given"),
        (json.dumps({**CALL, "path": "/etc/passwd"}), "unknown key 'path'"),
        (json.dumps({**CALL, "methodName": None}), "methodName is not a text"),
        (json.dumps({**CALL, "workerID": "seven"}), "workerID is not a whole number"),
        (json.dumps({**CALL, "workerID": 7.0}), "workerID is not a whole number"),
        (json.dumps({**CALL, "workerID": True}), "workerID is not a whole number"),
        (json.dumps({**CALL, "workerID": 2**70}), "workerID is out of range"),
        (json.dumps({**CALL, "workerID": -7}), "workerID is out of range"),
        (json.dumps({**CALL, "pandaID": "../101"}), "pandaID is not a whole number"),
        (json.dumps({**CALL, "pandaID": 101}), "heartbeat is not about one job; leave pandaID out"),
    ],
)
def test_what_is_not_well_formed_is_refused(house: House, visitor: Visitor, body: str | bytes, text: str):
    place = house.add_worker()
    answer = visitor.post(body, house.token())
    assert (answer.status_code, answer.text) == (400, text)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("method", ["test", "nothing", "__init__", "getJobs ", "../getJobs", "heartbeat\0x", ""])
def test_unknown_methods_are_not_implemented(house: House, visitor: Visitor, method: str):
    house.add_worker()
    answer = visitor.say(method)
    expected = (400, "the request has a text") if "\0" in method else (501, "method not implemented")
    assert answer.status_code == expected[0]
    assert answer.text.startswith(expected[1])


TRICKS = ["../../../etc/passwd", "/etc/passwd", "..", "a/b", "a\\b", "%2e%2e%2f", "x\ny", ".", "con", "~root"]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_text_of_a_request_becomes_a_path(house: House, visitor: Visitor, trick: str, tmp_path: Path):
    place = house.add_worker(map_type=MapType.MANY_TO_ONE, job_ids=(101,))
    visitor.say("getJobs")
    before = sorted(str(each) for each in tmp_path.rglob("*"))
    for field in ("methodName", "workerID", "pandaID"):
        assert visitor.post(json.dumps({**CALL, field: trick}), house.token()).status_code in {400, 501}
    assert sorted(str(each) for each in tmp_path.rglob("*")) == before
    visitor.say("updateJobs", {trick: {"path": trick}})
    visitor.say("uploadEventOutputDump", {"101": [{"path": trick, "type": "output"}]})
    assert {each.name for each in place.iterdir()} == {"worker_attributes.json", "event_status.dump.json"}


def test_jobs_of_others_are_out_of_reach(house: House, visitor: Visitor):
    house.add_worker(map_type=MapType.MANY_TO_ONE, job_ids=(101,))
    answer = visitor.say("updateJobs", {"201": {}}, pandaID=201)
    assert (answer.status_code, answer.text) == (400, "pandaID=201 is not a job of workerID=7")


def test_links_are_not_followed(house: House, visitor: Visitor, tmp_path: Path):
    place = house.add_worker(map_type=MapType.MANY_TO_ONE, job_ids=(101, 102))
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "pandaJobData.out").write_text("secret")
    (place / "101").symlink_to(secret)
    (place / "102").mkdir()
    (place / "102" / "pandaJobData.out").symlink_to(secret / "pandaJobData.out")
    for job in (101, 102):
        answer = visitor.say("getJobs", pandaID=job)
        assert answer.status_code == 503
        assert "secret" not in answer.text
    assert visitor.say("updateJobs", {}, pandaID=101).status_code == 503
    assert [each.name for each in secret.iterdir()] == ["pandaJobData.out"]


def test_where_things_are_is_not_told(house: House, visitor: Visitor, tmp_path: Path):
    house.add_worker().rmdir()
    answer = visitor.say("heartbeat")
    assert (answer.status_code, answer.text) == (503, "the access point is not there")
    assert str(tmp_path) not in answer.text


# ---- sizes and rates


def test_large_bodies_are_refused_before_they_are_read(house: House, visitor: Visitor):
    house.add_worker()
    answer = visitor.post("x", house.token(), headers={"Content-Length": str(100_000_000)})
    assert answer.status_code == 413


def test_more_than_the_messenger_reads_is_refused(build: MakeHouse, tmp_path: Path):
    house = build(a_queue(tmp_path, maxReportSize=1000))
    place = house.add_worker()
    assert house.visitor().say("uploadJobReport", "x" * 1000).status_code == 413
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(("length", "status"), {"-1": 400, "x": 400, "1.5": 400, "": 411, "0": 400, "5": 400}.items())
def test_lengths_that_are_none_are_refused(house: House, visitor: Visitor, length: str, status: int):
    house.add_worker()
    assert visitor.knock(BODY.encode(), house.token(), CONTENT_LENGTH=length)[0] == status


def test_a_worker_that_asks_too_often_has_to_wait_alone(house: House, visitor: Visitor):
    house.add_worker()
    house.add_worker(8)
    answers = [visitor.say("heartbeat").status_code for _ in range(70)]
    assert answers == [200] * 60 + [429] * 10
    assert visitor.say("heartbeat").headers["retry-after"] == "1"
    assert visitor.say("heartbeat", worker_id=8).status_code == 200
    house.time.forward(1)
    assert [visitor.say("heartbeat").status_code for _ in range(21)] == [200] * 20 + [429]


@pytest.mark.parametrize("with_tokens", [True, False])
def test_workers_of_other_messengers_are_not_served(build: MakeHouse, tmp_path: Path, *, with_tokens: bool):
    house = build(a_queue(tmp_path), a_queue(tmp_path, "FILES", plugin="shared_file"), authEnable=with_tokens)
    place = house.add_worker(9, queue="FILES")
    visitor = house.visitor()
    for method in ("killWorker", "updateJobs", "heartbeat", "getJobs"):
        answer = visitor.say(method, {}, worker_id=9)
        assert (answer.status_code, answer.text) == (403, "the workers of this queue do not talk HTTP")
    assert list(place.iterdir()) == []


def test_a_queue_that_is_gone_is_not_served(house: House, visitor: Visitor):
    house.add_worker(9, queue="GONE")
    answer = visitor.say("heartbeat", worker_id=9)
    assert (answer.status_code, answer.text) == (503, "the worker's queue cannot be served now")


def test_an_instance_has_its_own_tokens(house: House):
    assert jwt.decode(house.token(), options={"verify_signature": False})["aud"] == INSTANCE


# ---- trouble


def test_every_path_says_whom_it_admits(house: House):
    app = house.app()
    paths = [route.path for route in inspect_routes(app)]
    assert paths == ["/entry"]
    faces = [app._router.find(path)[0] for path in paths]
    assert all(face.admits for face in faces)


def test_a_mistake_of_ours_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(KnownWorkers, "find", fail)
    with capture_logs() as lines:
        answer = house.visitor().say("heartbeat")
    assert (answer.status_code, answer.text) == (500, "internal error")
    assert [each["event"] for each in lines if each["log_level"] == "error"] == ["a request could not be served"]


def test_without_the_database_known_workers_are_served_and_others_wait(
    house: House, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
):
    house.add_worker()
    house.add_worker(8)
    visitor.say("heartbeat")

    def away() -> None:
        raise StoreUnavailableError("it restarts")

    monkeypatch.setattr(house.db, "read", away)
    house.time.forward(2)
    assert visitor.say("heartbeat").status_code == 200
    answer = visitor.say("heartbeat", worker_id=8)
    assert (answer.status_code, answer.text) == (503, "the database is not available now")
    house.time.forward(60)
    assert visitor.say("heartbeat").status_code == 503


def test_answers_are_kept_by_nobody(house: House, visitor: Visitor):
    house.add_worker()
    headers = visitor.say("heartbeat").headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_many_workers_are_looked_up_together(house: House):
    for number in range(1, 31):
        house.add_worker(number)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    assert {known.find(each).worker.worker_id for each in range(1, 31)} == {*range(1, 31)}  # type: ignore[union-attr]  # all are there
    with counted(house.db) as statements:
        for each in range(1, 31):
            known.find(each)
    assert statements == []
    house.end_worker(5)
    house.time.forward(1)
    with counted(house.db) as statements:
        ended = [each for each in range(1, 31) if known.find(each).has_ended]  # type: ignore[union-attr]  # likewise
    assert ended == [5]
    assert len(statements) <= 4


def test_a_long_history_is_not_read_to_learn_who_has_changed(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_workers, "_MOST_EVENTS", 10)
    for number in range(1, 31):
        house.add_worker(number)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    known.find(30)
    for number in range(1, 31):
        house.end_worker(number)
    house.time.forward(1)
    with counted(house.db) as statements:
        found = known.find(30)
    assert found is not None
    assert found.has_ended
    assert [each for each in statements if "history.subject" in each] == []


def test_who_asks_while_the_same_worker_is_being_read_hears_that_it_is_there(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.add_worker(7)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    answers: list[object] = []
    other = threading.Thread(target=lambda: answers.append(known.find(7)))
    really = house.plugins.messenger_of

    def messenger_of(worker: Worker) -> Messenger[PluginSettings]:
        if not other.ident:
            other.start()
            until(lambda: 7 in known._wanted or not other.is_alive(), what="the other one asks")
        return really(worker)

    monkeypatch.setattr(house.plugins, "messenger_of", messenger_of)
    answers.append(known.find(7))
    other.join()
    assert len(answers) == 2
    assert None not in answers


def test_what_was_read_last_is_forgotten_last(house: House, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(known_workers, "_REMEMBERED", 2)
    for number in (1, 2, 3):
        house.add_worker(number)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    known.find(1)
    known.find(2)
    known._wanted.add(3)
    assert known.find(1, anew=True) is not None
    with counted(house.db) as statements:
        known.find(1)
        known.find(3)
    assert statements == []


class Noting(set[int]):
    """Tells when a number is added."""

    def __init__(self) -> None:
        super().__init__()
        self.added = threading.Event()

    def add(self, number: int) -> None:
        super().add(number)
        self.added.set()


def test_who_has_to_know_what_is_true_now_is_not_content_with_what_was_read_before(
    house: House, monkeypatch: pytest.MonkeyPatch
):
    house.add_worker(7)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    known._wanted = wanted = Noting()
    answers: list[object] = []
    other = threading.Thread(target=lambda: answers.append(known.find(7, anew=True)))
    really = workers.find

    def find(connection: Connection, ids: Sequence[int]) -> list[Held]:
        found = really(connection, ids)
        if not other.ident:
            house.end_worker(7)
            wanted.added.clear()
            other.start()
            assert wanted.added.wait(30)
        return found

    monkeypatch.setattr(workers, "find", find)
    known.find(7)
    other.join()
    (answer,) = answers
    assert isinstance(answer, KnownWorker)
    assert answer.has_ended


def test_who_waits_for_an_answer_that_fails_asks_for_itself(house: House, monkeypatch: pytest.MonkeyPatch):
    house.add_worker(7)
    house.add_worker(8)
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    known.find(7)
    asked: list[list[int]] = []
    really = workers.find

    def find(connection: Connection, ids: Sequence[int]) -> list[Held]:
        asked.append(list(ids))
        if len(asked) > 1:
            return really(connection, ids)
        until(lambda: known._wanted | {*ids} == {7, 8}, what="both ask")
        raise StoreUnavailableError("it restarts")

    monkeypatch.setattr(workers, "find", find)
    answers: list[object] = []

    def ask(worker_id: int) -> None:
        try:
            answers.append(known.find(worker_id, anew=True))
        except StoreUnavailableError:
            answers.append("unavailable")

    threads = [threading.Thread(target=ask, args=(worker_id,)) for worker_id in (7, 8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert answers.count("unavailable") == 1
    assert None not in answers, "a worker that is there is not known"


def test_a_queue_that_is_gone_does_not_hinder_others(house: House):
    house.add_worker(7)
    house.add_worker(9, queue="GONE")
    known = KnownWorkers(house.db, house.plugins, house.time.tick)
    known._wanted.update({7, 9})
    assert known.find(7) is not None
    with pytest.raises(HarvesterError, match="queue GONE is not in the queue configuration"):
        known.find(9)
