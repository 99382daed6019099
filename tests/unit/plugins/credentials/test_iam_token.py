"""Tokens from an issuer that misbehaves in every way; how a real one does is shown in tests/real."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from proxy_tools import NOW

from harvester.config.plugin_blocks import PluginBlock
from harvester.core.errors import HarvesterError
from harvester.core.facts import ComputingElement
from harvester.plugins.api import CredentialManager, Done, Invalid, Later, PluginContext, PluginSettings, Valid
from harvester.plugins.credentials import iam_token
from harvester.plugins.names import Role
from harvester.plugins.registry import PluginSettingsError, build, problems
from made_proxies import made_token

SECRET = "s3cret-of-the-client"
AUDIENCES = ["https://one.example.org", "https://two.example.org", "https://three.example.org"]
Answer = tuple[int, bytes]
Manager = CredentialManager[PluginSettings]


class Issuer:
    """What it answers to each audience is up to the test; it remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[Mapping[str, str]] = []
        self.url = ""

    def answer(self, form: Mapping[str, str]) -> Answer:
        self.asked.append(form)
        found = self.answers.get(form["audience"], given(made_token(NOW + timedelta(hours=1), aud=form["audience"])))
        return found() if callable(found) else found

    @property
    def audiences(self) -> list[str]:
        return sorted(form["audience"] for form in self.asked)


def given(token: str) -> Answer:
    return 200, json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": 3600}).encode()


@contextmanager
def served(issuer: Issuer) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, answer = issuer.answer(form) if self.path == "/token" else (404, b"")
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Whoever asked has not waited for the answer."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with served(made):
        yield made


class Place:
    """A directory with a client's account, and a clock."""

    def __init__(self, directory: Path, issuer: Issuer) -> None:
        self.directory, self.out, self.now = directory, directory / "tokens", NOW
        self.account = directory / "client.json"
        account = {"issuer": f"{issuer.url}/", "client_id": "harvester", "client_secret": SECRET}
        self.account.write_text(json.dumps(account))
        self.account.chmod(0o600)
        self.elements: list[ComputingElement] = []

    def settings(self, **more: object) -> dict[str, object]:
        return {"client_cred_file": str(self.account), "out_dir": str(self.out), "target_list": AUDIENCES, **more}

    def block(self, **more: object) -> PluginBlock:
        module = "pandaharvester.harvestercredmanager.iam_token_cred_manager"
        settings = {"inFile": more["inFile"]} if "inFile" in more else self.settings(**more)
        return PluginBlock.of({"module": module, "name": "IamTokenCredManager", **settings}, {})  # type: ignore[dict-item]

    def manager(self, server: object = None, **more: object) -> Manager:
        context = PluginContext(
            "h", "", lambda: self.now, self.directory, setup="ces",
            server=server, elements=lambda: self.elements,  # type: ignore[arg-type]
        )  # fmt: skip
        built = build(Role.CREDENTIAL_MANAGER, self.block(**more), context)
        assert isinstance(built, CredentialManager)
        return built

    def file(self, target: str) -> Path:
        return self.out / md5(target.encode(), usedforsecurity=False).hexdigest()

    def have(self, target: str, token: str, *, written: datetime = NOW) -> Path:
        self.out.mkdir(exist_ok=True)
        path = self.file(target)
        path.write_text(token)
        os.utime(path, (written.timestamp(), written.timestamp()))
        return path


@pytest.fixture
def place(tmp_path: Path, issuer: Issuer) -> Place:
    return Place(tmp_path, issuer)


def test_each_target_has_a_token_in_a_file_of_its_own(place: Place, issuer: Issuer, is_private: Callable[[Path], bool]):
    keeper = place.manager()
    names = keeper.names()
    assert names == [str(place.file(each)) for each in AUDIENCES]
    assert keeper.check(names)[0] == Invalid(f"there is no token for {AUDIENCES[0]} yet")
    assert keeper.renew(names) == [Done()] * 3
    assert keeper.check(names) == [Valid(NOW + timedelta(hours=1), is_due=False)] * 3
    assert all(is_private(Path(name)) for name in names)
    form = min(issuer.asked, key=lambda each: AUDIENCES.index(each["audience"]))
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "harvester",
        "client_secret": SECRET,
        "audience": AUDIENCES[0],
    }


def test_computing_elements_of_the_queues_get_tokens_for_computing(place: Place, issuer: Issuer):
    place.elements = [ComputingElement("ce.example.org", "htcondor-ce", "ACTIVE")]
    keeper = place.manager(target_type="ce", target_list=None)
    assert keeper.names() == [str(place.file("ce.example.org:9619"))]
    assert keeper.renew(keeper.names()) == [Done()]
    (form,) = issuer.asked
    assert form["scope"] == "compute.read compute.modify compute.create compute.cancel"
    place.elements.append(ComputingElement("arc.example.org", "arc-ce", "ACTIVE"))
    assert len(keeper.names()) == 2


def test_the_server_gets_a_token_under_the_name_that_is_asked_for(place: Place, issuer: Issuer):
    class Server:
        url = "https://panda.example.org:25443/api/v1"

    keeper = place.manager(Server(), target_type="panda", panda_token_filename="for_panda")
    assert keeper.names() == [str(place.out / "for_panda")]
    assert keeper.renew(keeper.names()) == [Done()]
    assert issuer.audiences == ["https://panda.example.org"]
    assert not place.manager(target_type="panda").names()


def test_all_may_stand_in_a_file_that_is_read_anew(place: Place, tmp_path: Path, issuer: Issuer):
    path = tmp_path / "setup.json"
    path.write_text(json.dumps(place.settings(target_list=AUDIENCES[:1])))
    keeper = place.manager(inFile=str(path))
    assert len(keeper.names()) == 1
    path.write_text(json.dumps(place.settings(target_list=AUDIENCES)))
    assert len(keeper.names()) == 3
    path.write_text('{"out_dir": ')
    assert len(keeper.names()) == 3
    assert keeper.renew(keeper.names()) == [Done()] * 3
    assert issuer.audiences == sorted(AUDIENCES)


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be used"), ("{", "cannot be used"), ("[]", "no JSON object"), ("{}", "client_cred_file")],
)
def test_a_file_that_cannot_be_used_is_named_when_the_service_starts(
    place: Place, tmp_path: Path, content: str | None, words: str
):
    path = tmp_path / "setup.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(PluginSettingsError, match=words):
        place.manager(inFile=str(path))


def test_further_targets_stand_in_a_list(place: Place, tmp_path: Path):
    path = tmp_path / "list"
    path.write_text("# those of the cloud\nhttps://four.example.org \n\n")
    keeper = place.manager(target_list_file=str(path))
    assert keeper.names()[-1] == str(place.file("https://four.example.org"))
    path.unlink()
    assert keeper.names()[-1] == str(place.file("https://four.example.org"))
    with pytest.raises(HarvesterError, match="target_list_file"):
        place.manager(target_list_file=str(path)).names()


REFUSALS: Mapping[str, Answer] = {
    "refused": (400, b'{"error": "invalid_target", "error_description": "no such audience"}'),
    "html": (502, b"<html>bad gateway</html>"),
    "empty": (200, b"{}"),
    "token as text": (200, made_token(NOW + timedelta(hours=1)).encode()),
    "two words": given("two words"),
    "a number": (200, b'{"access_token": 5}'),
    "a list": (200, b"[]"),
    "run out": given(made_token(NOW - timedelta(seconds=1))),
    "says the secret": (401, json.dumps({"error": "invalid_client", "error_description": f"not {SECRET}"}).encode()),
    "says a token": (400, json.dumps({"error": made_token(NOW)}).encode()),
}


@pytest.mark.parametrize("trouble", REFUSALS)
def test_a_target_that_fails_stops_no_other_and_loses_nothing(place: Place, issuer: Issuer, trouble: str):
    before = made_token(NOW + timedelta(minutes=10))
    path = place.have(AUDIENCES[1], before)
    issuer.answers[AUDIENCES[1]] = REFUSALS[trouble]
    keeper = place.manager()
    first, second, third = keeper.renew(keeper.names())
    assert (first, third) == (Done(), Done())
    assert isinstance(second, Later)
    assert second.reason.startswith(f"{AUDIENCES[1]}: ")
    assert SECRET not in second.reason
    assert "eyJ" not in second.reason
    assert path.read_text() == before


def test_an_issuer_that_is_away_loses_nothing(place: Place):
    account = {"issuer": "http://127.0.0.1:9", "client_id": "harvester", "client_secret": SECRET}
    place.account.write_text(json.dumps(account))
    before = made_token(NOW + timedelta(minutes=10))
    path = place.have(AUDIENCES[0], before)
    keeper = place.manager()
    outcomes = keeper.renew(keeper.names())
    assert all(isinstance(each, Later) and "no connection" in each.reason for each in outcomes)
    assert path.read_text() == before
    assert SECRET not in str(outcomes)


def test_what_was_refused_is_not_asked_for_again_at_once(place: Place, issuer: Issuer):
    issuer.answers[AUDIENCES[0]] = REFUSALS["refused"]
    keeper = place.manager(check_interval=300)
    keeper.renew(keeper.names())
    issuer.asked.clear()
    issuer.answers.clear()
    (first, *_) = keeper.renew(keeper.names())
    assert isinstance(first, Later)
    assert "invalid_target: no such audience" in first.reason
    assert issuer.audiences == sorted(AUDIENCES[1:])
    place.now += timedelta(seconds=300)
    assert keeper.renew(keeper.names())[0] == Done()


@pytest.mark.parametrize(("age", "due"), [(3599, False), (3600, True)])
def test_a_token_is_due_after_the_refresh_interval(place: Place, age: int, *, due: bool):
    until = NOW + timedelta(days=4)
    place.have(AUDIENCES[0], made_token(until), written=NOW - timedelta(seconds=age))
    keeper = place.manager()
    assert keeper.check(keeper.names())[0] == Valid(until, is_due=due)


@pytest.mark.parametrize(
    ("content", "words"), [("", "holds no token"), ("a b", "holds no token"), (made_token(NOW), "has run out")]
)
def test_a_file_that_helps_nobody_is_not_valid(place: Place, content: str, words: str):
    place.have(AUDIENCES[0], content)
    keeper = place.manager()
    (state, *_) = keeper.check(keeper.names())
    assert isinstance(state, Invalid)
    assert words in state.reason


def test_an_opaque_token_is_judged_by_its_age(place: Place):
    place.have(AUDIENCES[0], "opaque", written=NOW - timedelta(hours=2))
    keeper = place.manager()
    assert keeper.check(keeper.names())[0] == Valid(None, is_due=True)


def test_files_of_targets_that_are_gone_go_after_their_lifetime_and_no_others(place: Place):
    long_ago = NOW - timedelta(seconds=1209601)
    gone = place.have("https://gone.example.org", "x", written=long_ago)
    lately = place.have("https://lately.example.org", "x", written=NOW - timedelta(days=1))
    valid = place.have("https://of-another-setup.example.org", made_token(NOW + timedelta(1)), written=long_ago)
    over = place.have("https://over.example.org", made_token(NOW - timedelta(1)), written=long_ago)
    wanted = place.have(AUDIENCES[0], "x", written=long_ago)
    foreign = place.out / "notes"
    foreign.write_text("not ours")
    os.utime(foreign, (1, 1))
    keeper = place.manager()
    keeper.renew(keeper.names())
    assert [each.exists() for each in (gone, over)] == [False, False]
    assert [each.exists() for each in (lately, valid, wanted, foreign)] == [True] * 4


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ("{}", "has no issuer"),
        ("{", "Invalid JSON"),
        (json.dumps({"issuer": "http://iam.example.org", "client_id": "h", "client_secret": SECRET}), "openly"),
        (json.dumps({"issuer": "ftp://iam", "client_id": "h", "client_secret": SECRET}), "openly"),
        (json.dumps({"issuer": f"https://u:{SECRET}@iam", "client_id": "h", "client_secret": "x"}), "password"),
        (json.dumps({"issuer": "https://iam", "client_id": "h", "client_secret": [SECRET]}), "valid string"),
    ],
)
def test_an_account_that_cannot_be_used_is_told_without_the_secret(place: Place, account: str, words: str):
    place.account.write_text(account)
    keeper = place.manager()
    outcomes = keeper.renew(keeper.names())
    assert all(isinstance(each, Later) and words in each.reason for each in outcomes)
    assert SECRET not in str(outcomes)


def test_the_account_may_change_while_the_service_runs(place: Place, issuer: Issuer):
    keeper = place.manager()
    known = {"issuer": issuer.url, "token_endpoint": f"{issuer.url}/token"}
    account = {**known, "client_id": "other", "client_secret": "new"}
    place.account.write_text(json.dumps(account))
    assert keeper.renew(keeper.names()) == [Done()] * 3
    assert {(form["client_id"], form["client_secret"]) for form in issuer.asked} == {("other", "new")}


def told(place: Place, **more: object) -> list[tuple[str | None, str]]:
    return [(each.key, each.problem) for each in problems("credmanagers", place.block(**more))]


def test_a_check_tells_of_an_account_that_is_missing_open_or_wrong(place: Place):
    assert not told(place)
    place.account.chmod(0o640)
    assert told(place) == [("client_cred_file", f"{place.account} can be read by others")]
    place.account.chmod(0o600)
    place.account.write_text("{}")
    ((key, problem),) = told(place)
    assert (key, "has no issuer" in problem) == ("client_cred_file", True)
    place.account.unlink()
    assert told(place) == [("client_cred_file", f"there is no {place.account}")]


def test_a_check_tells_that_nobody_is_to_get_a_token(place: Place):
    assert told(place, target_list=None) == [("target_list", "names nobody to ask tokens for")]
    assert not told(place, target_list=None, target_type="ce")


@pytest.mark.parametrize("listed", ["a, b", "a b", ["a", "b"]])
def test_targets_may_be_a_list_or_a_text(place: Place, listed: object):
    assert len(place.manager(target_list=listed).names()) == 2


def test_a_silent_issuer_is_not_waited_for_by_hundreds(place: Place, issuer: Issuer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(iam_token, "_MOST_SECONDS", 0.1)
    over = threading.Event()

    def silent() -> Answer:
        over.wait(20)
        return 500, b""

    many = [f"https://{n}.example.org" for n in range(20)]
    issuer.answers = dict.fromkeys(many, silent)
    keeper = place.manager(target_list=many, timeout=0.5)
    outcomes = keeper.renew(keeper.names())
    over.set()
    reasons = [each.reason for each in outcomes if isinstance(each, Later)]
    assert len(reasons) == 20
    assert sum("not asked for yet, since the issuer is slow" in each for each in reasons) == 12


def test_a_target_that_answers_late_holds_up_no_other(place: Place, issuer: Issuer):
    released = threading.Event()
    others = threading.Semaphore(0)

    def late() -> Answer:
        for _ in AUDIENCES[1:]:
            others.acquire(timeout=20)
        released.set()
        return given(made_token(NOW + timedelta(hours=1)))

    def soon() -> Answer:
        others.release()
        return given(made_token(NOW + timedelta(hours=1)))

    issuer.answers = {AUDIENCES[0]: late, **dict.fromkeys(AUDIENCES[1:], soon)}
    keeper = place.manager()
    assert keeper.renew(keeper.names()) == [Done()] * 3
    assert released.is_set()
