"""Documents come from files, web servers and the PanDA server; what is no document is refused with its reason."""

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import trustme
from world import World

from harvester.agents.fetching import Fetcher, FetchError
from harvester.config.cache_lines import CacheLine
from harvester.config.instance_sections import Pandacon
from harvester.panda.devserver import DevControl, DevServer

Answer = Callable[[httpx2.Request], httpx2.Response]


def line(source: str, main_key: str = "key") -> CacheLine:
    return CacheLine(main_key, "", source)


def fetcher(world: World, answer: Answer | None = None, **pandacon: object) -> Fetcher:
    settings = Pandacon.model_validate({"server_api_url_ssl": "http://x/api/v1", **pandacon})
    return Fetcher(world.panda, settings, httpx2.MockTransport(answer) if answer else None)


def answering(status: int = 200, content: bytes = b"{}") -> Answer:
    return lambda _: httpx2.Response(status, content=content)


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["file:{}", "file://{}", "file://localhost{}"])
def test_files_are_json_or_text(world: World, tmp_path: Path, form: str):
    path = tmp_path / "with space"
    path.write_text('\ufeff{"a": [1, null]}')
    assert fetcher(world).fetch(line(form.format(path))) == {"a": [1, None]}
    path.write_text("-----BEGIN\n")
    assert fetcher(world).fetch(line(form.format(path))) == "-----BEGIN\n"


@pytest.mark.parametrize(
    ("content", "main_key", "words"),
    [
        (b'{"a": ', "key", "no JSON"),
        (b"plain", "key.json", "no JSON"),
        (b"", "key", "empty answer"),
        (b"{}", "key", "empty answer"),
        (b"\xff", "key", "UTF-8"),
        (b"[" * 99_999, "key", "too deep"),
        (b'{"a": NaN}', "key", "no JSON"),
        (b'{"a": %d}' % 10**30, "key", "64 bits"),
    ],
)
def test_a_file_that_is_no_document(world: World, tmp_path: Path, content: bytes, main_key: str, words: str):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(FetchError, match=words) as told:
        fetcher(world).fetch(line(f"file:{path}", main_key))
    assert str(path) in str(told.value)


def test_a_file_that_is_not_there(world: World, tmp_path: Path):
    with pytest.raises(FetchError, match=r"No such file.*check the path"):
        fetcher(world).fetch(line(f"file:{tmp_path}/none"))


# ---- web servers -----------------------------------------------------------------------------------------------------


def test_a_web_server_gives_json(world: World):
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(200, content=b'{"SITE": {}}')

    assert fetcher(world, answer).fetch(line("http://cric/q?json&a=1")) == {"SITE": {}}
    assert asked == ["http://cric/q?json&a=1"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answering(500), "HTTP 500"),
        (answering(404), "HTTP 404"),
        (answering(content=b"<html>"), "no JSON"),
        (answering(content=b""), "no JSON"),
        (answering(content=b"[]"), "empty"),
        (answering(content=b"null"), "empty"),
    ],
)
def test_an_answer_that_is_no_document(world: World, answer: Answer, words: str):
    with pytest.raises(FetchError, match=words) as told:
        fetcher(world, answer).fetch(line("http://me:pass@cric/q?token=secret"))
    assert "http://cric/q" in str(told.value)
    assert not {"pass", "secret"} & set(str(told.value).replace("@", " ").replace(":", " ").split())


def test_a_page_for_people_is_told_as_such(world: World):
    with pytest.raises(FetchError, match="HTML page"):
        fetcher(world, answering(content=b"\n <html>")).fetch(line("http://cric/q"))


@pytest.mark.parametrize(("first", "then", "follows"), [("http", "http", True), ("https", "http", False)])
def test_no_redirect_leads_away_from_tls(world: World, first: str, then: str, *, follows: bool):
    def answer(request: httpx2.Request) -> httpx2.Response:
        is_first = request.url.host == "first"
        return (
            httpx2.Response(302, headers={"Location": f"{then}://then/q?x=HUSH"}) if is_first else answering()(request)
        )

    source = line(f"{first}://first/q")
    if follows:
        with pytest.raises(FetchError, match="empty answer"):
            fetcher(world, answer).fetch(source)
    else:
        with pytest.raises(FetchError, match=r"https://first/q: it refers to an address without TLS") as told:
            fetcher(world, answer).fetch(source)
        assert "HUSH" not in str(told.value)


def test_a_server_that_is_not_there(world: World):
    with pytest.raises(FetchError, match="check the address"):
        fetcher(world).fetch(line("http://127.0.0.1:1/q"))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA, tmp_path: Path) -> Iterator[DevServer]:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    own = authority.issue_cert("localhost", "127.0.0.1")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    with DevServer(certificate=tmp_path / "server.pem", private_key=tmp_path / "server.pem") as running:
        yield running


def test_https_believes_whom_pandacon_believes(world: World, secure: DevServer, tmp_path: Path):
    source = line(f"{secure.url}/system/is_alive")
    trusting = fetcher(world, ca_cert=str(tmp_path / "ca.pem"))
    document = trusting.fetch(source)
    assert isinstance(document, dict)
    assert document["success"] is True
    assert fetcher(world, ca_cert="False").fetch(source) == document
    with pytest.raises(FetchError, match=r"without certificate.*check \[cacher\] data, and ca_cert"):
        fetcher(world).fetch(source)


def test_a_queue_configuration_comes_from_nobody_else_than_pandacon_believes(
    world: World, secure: DevServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    address = f"{secure.url}/system/is_alive"
    assert isinstance(fetcher(world, ca_cert=str(tmp_path / "other.pem")).fetch(line(address)), dict)
    with pytest.raises(FetchError, match="without certificate"):
        fetcher(world, ca_cert=str(tmp_path / "other.pem")).fetch(line(address, "queues_config_file"))


def test_without_a_usable_certificate_it_is_asked_as_anybody_would(world: World, tmp_path: Path):
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.url.host)
        return httpx2.Response(200, content=b"[1]")

    broken = fetcher(world, answer, cert_file=str(tmp_path / "none"), key_file=str(tmp_path / "none"))
    assert broken.fetch(line("https://cric/q")) == [1]
    assert seen == ["cric"]


def test_trouble_with_tls_is_met_by_a_second_attempt(world: World):
    attempts: list[int] = []

    def answer(_: httpx2.Request) -> httpx2.Response:
        attempts.append(1)
        if len(attempts) == 1:
            raise httpx2.ConnectError("TLS") from ssl.SSLError("certificate unknown")
        return httpx2.Response(200, content=b"[1]")

    assert fetcher(world, answer).fetch(line("https://cric/q")) == [1]


# ---- the PanDA server ------------------------------------------------------------------------------------------------


def test_the_panda_server_tells_what_it_knows(served: World, control: DevControl):
    control.add_jobs([{"site": "SITE_A"}])
    served.panda.report_worker_statistics("SITE_A", {"managed": {"SCORE": {"running": 3}}})
    known = {
        method: fetcher(served).fetch(line(f"panda_server:{method}"))
        for method in ("get_job_stats", "get_job_stats_new", "get_worker_stats_from_panda")
    }
    assert known == {
        "get_job_stats": {"SITE_A": {"assigned": 0, "activated": 1, "running": 0}},
        "get_job_stats_new": {"SITE_A": {"SCORE": {"managed": {"activated": 1}}}},
        "get_worker_stats_from_panda": {"SITE_A": {"test": {"managed": {"SCORE": {"running": 3}}}}},
    }
    types = fetcher(served).fetch(line("panda_server:get_resource_types"))
    assert "MCORE_HIMEM" in json.dumps(types)


def test_key_pairs_have_the_names_of_today_and_of_yesterday(served: World):
    pair = fetcher(served).fetch(line("panda_cache:pub&priv"))
    assert isinstance(pair, dict)
    assert pair["publicKey"] == pair["public_key"] == "public key pub"
    assert pair["privateKey"] == pair["private_key"] == "private key priv"


def test_a_server_without_active_jobs_looks_like_one_in_trouble(served: World):
    with pytest.raises(FetchError, match="Database failure"):
        fetcher(served).fetch(line("panda_server:get_job_stats"))
