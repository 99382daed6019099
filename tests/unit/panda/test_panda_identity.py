import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme
from panda_tools import call, request

from harvester.panda import AuthType, Credentials, PandaClient, PandaRefused, PandaUnavailable, credentials_for
from harvester.panda.devserver import Access, DevControl, DevServer

SECURED = Access(is_open=False, tokens=frozenset({"good-token"}))
TOKEN = Credentials(AuthType.OIDC, auth_token="good-token", auth_origin="vo:production")


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority, its server and its clients."""

    folder: Path
    authority: trustme.CA

    def issue(self, name: str) -> Path:
        file = self.folder / f"{name}.pem"
        self.authority.issue_cert(f"{name}@example.org", common_name=name).private_key_and_cert_chain_pem.write_to_path(
            file
        )
        return file


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    server = authority.issue_cert("127.0.0.1")
    server.cert_chain_pems[0].write_to_path(tmp_path / "server.pem")
    server.private_key_pem.write_to_path(tmp_path / "server.key")
    return Certificates(tmp_path, authority)


@pytest.fixture
def secure(certificates: Certificates) -> Iterator[DevServer]:
    with DevServer(
        access=replace(SECURED, production_dns=("robot",)),
        certificate=certificates.folder / "server.pem",
        private_key=certificates.folder / "server.key",
        client_ca=certificates.folder / "ca.pem",
    ) as server:
        yield server


def x509(certificates: Certificates, name: str | None = "robot") -> Credentials:
    file = str(certificates.issue(name)) if name else None
    return Credentials(cert_file=file, key_file=file, ca_cert=str(certificates.folder / "ca.pem"))


def test_a_certificate_is_an_identity(secure: DevServer, certificates: Certificates):
    with PandaClient(secure.url, x509(certificates), "h", timeout=10) as client:
        assert client.acquire_commands(1) == []


def test_a_certificate_without_the_production_role_is_refused(secure: DevServer, certificates: Certificates):
    with (
        PandaClient(secure.url, x509(certificates, "pilot"), "h", timeout=10) as client,
        pytest.raises(PandaRefused, match="production or pilot role required"),
    ):
        client.acquire_commands(1)


def test_nobody_is_refused_but_may_ask_whether_the_server_lives(secure: DevServer, certificates: Certificates):
    with PandaClient(secure.url, x509(certificates, None), "h", timeout=10) as client:
        assert client.is_alive()
        with pytest.raises(PandaRefused, match="SSL secure connection is required"):
            client.acquire_commands(1)


def test_an_unknown_server_is_not_believed_unless_told_so(secure: DevServer, certificates: Certificates):
    mine = x509(certificates)
    with (
        PandaClient(secure.url, replace(mine, ca_cert=None), "h", timeout=10) as client,
        pytest.raises(PandaUnavailable, match=r"(?i)certificate verify failed"),
    ):
        client.is_alive()
    with PandaClient(secure.url, replace(mine, ca_cert=False), "h", timeout=10) as client:
        assert client.is_alive()


def test_a_renewed_certificate_is_used_without_a_restart(secure: DevServer, certificates: Certificates):
    mine = x509(certificates, "pilot")
    with PandaClient(secure.url, mine, "h", timeout=10) as client:
        with pytest.raises(PandaRefused, match="role required"):
            client.acquire_commands(1)
        Path(str(mine.cert_file)).write_bytes(certificates.issue("robot").read_bytes() + b"\n")
        assert client.acquire_commands(1) == []


@pytest.mark.parametrize("broken", ["cert_file", "ca_cert"])
def test_a_certificate_file_that_cannot_be_used_is_named(secure: DevServer, certificates: Certificates, broken: str):
    mine = replace(x509(certificates), **{broken: "/no/such/file.pem"})
    with (
        PandaClient(secure.url, mine, "h", timeout=10) as client,
        pytest.raises(PandaUnavailable, match=f"{broken} /no/such/file.pem"),
    ):
        client.is_alive()


def test_plain_http_needs_no_certificate(server: DevServer):
    with PandaClient(server.url, Credentials(cert_file="/no/such/file.pem"), "h", timeout=10) as client:
        assert client.is_alive()


@pytest.fixture
def guarded() -> Iterator[DevServer]:
    with DevServer(access=SECURED) as server:
        yield server


def call_as(server: DevServer, origin: str, path: str, **arguments: object) -> dict[str, object]:
    body = json.dumps(arguments).encode()
    _, answer = request(server.url, "POST", path, body, Authorization="Bearer good-token", Origin=origin)
    return json.loads(answer)


def test_a_good_token_with_the_production_role_may_do_all(guarded: DevServer):
    with PandaClient(guarded.url, TOKEN, "h", timeout=10) as client:
        assert client.acquire_commands(1) == []


def test_a_token_without_the_role_is_refused_in_the_envelope(guarded: DevServer):
    with (
        PandaClient(guarded.url, replace(TOKEN, auth_origin="vo"), "h", timeout=10) as client,
        pytest.raises(PandaRefused, match="production or pilot role required"),
    ):
        client.acquire_commands(1)


@pytest.mark.parametrize(
    ("origin", "is_production"),
    [
        ("atlas:production", True),
        ("atlas.production", True),
        ("vo.cta.org:production", True),
        ("vo.cta.org.production", False),
        ("vo.cta.org", False),
        ("atlas:pilot", False),
        ("production", False),
    ],
)
def test_the_role_is_read_from_the_origin(guarded: DevServer, *, origin: str, is_production: bool):
    answer = call_as(guarded, origin, "harvester/acquire_commands", harvester_id="h", n_commands=1)
    assert answer["success"] is is_production


@pytest.mark.parametrize("origin", ["nosuchvo:production", "nosuchvo", "vo.cta.org.production"])
def test_a_token_of_an_unknown_vo_is_refused(origin: str):
    known = replace(SECURED, known_vos=frozenset({"atlas", "vo.cta.org"}))
    with DevServer(access=known) as server:
        with (
            PandaClient(server.url, replace(TOKEN, auth_origin=origin), "h", timeout=10) as client,
            pytest.raises(PandaRefused, match=r"403.*Unknown vo : (nosuchvo|vo\.cta\.org\.production)"),
        ):
            client.acquire_commands(1)
        with PandaClient(server.url, replace(TOKEN, auth_origin="vo.cta.org:production"), "h", timeout=10) as client:
            assert client.acquire_commands(1) == []


def test_without_the_production_role_only_one_s_own_jobs_are_given(guarded: DevServer):
    with DevControl(guarded.url) as control:
        users = ("robot pilot", "somebody else")
        mine, _ = control.add_jobs([{"site": "S", "prodSourceLabel": "user", "prodUserID": user} for user in users])
    wish = {"site_name": "S", "prod_source_label": "user", "n_jobs": 5, "prod_user_id": "somebody else"}
    answer = call_as(guarded, "atlas:pilot", "pilot/acquire_jobs", **wish)
    assert [job["PandaID"] for job in answer["data"]["jobs"]] == [mine]
    wish["prod_source_label"] = "managed"
    assert "no production/pilot role" in call_as(guarded, "atlas:pilot", "pilot/acquire_jobs", **wish)["message"]


def test_a_bad_token_is_refused_even_for_is_alive_and_never_shown(guarded: DevServer):
    with PandaClient(guarded.url, replace(TOKEN, auth_token="stolen"), "h", timeout=10) as client:
        assert not client.is_alive()
        with pytest.raises(PandaRefused, match=r"403.*Token authentication failed") as caught:
            client.acquire_commands(1)
    assert "stolen" not in str(caught.value)


def test_a_token_that_was_refused_is_read_again(guarded: DevServer, tmp_path: Path):
    file = tmp_path / "token"
    file.write_text("expired")
    with PandaClient(guarded.url, replace(TOKEN, auth_token=f"file:{file}"), "h", timeout=10) as client:
        assert not client.is_alive()
        file.write_text("good-token\n")
        assert client.is_alive()


def test_no_credentials_at_all_are_refused_in_the_envelope(guarded: DevServer):
    answer = call(guarded.url, "harvester/heartbeat", harvester_id="h", data={})
    assert answer["message"] == "SSL secure connection is required"


def test_each_host_is_shown_its_own_credentials(guarded: DevServer):
    netloc = guarded.origin.removeprefix("http://")
    hosts = {netloc: {"auth_token": "good-token"}}
    general = Credentials(AuthType.OIDC, auth_token="for another host", auth_origin="vo:production")
    with PandaClient(guarded.url, credentials_for(guarded.url, general, hosts), "h", timeout=10) as client:
        assert client.is_alive()


def test_a_server_that_speaks_tls_wants_https(secure: DevServer):
    with (
        PandaClient(secure.url.replace("https:", "http:"), Credentials(), "h", timeout=10) as client,
        pytest.raises(PandaUnavailable, match="if it speaks TLS, write https://"),
    ):
        client.is_alive()


def test_a_server_that_does_not_speak_tls_wants_http(certificates: Certificates):
    with (
        DevServer() as server,
        PandaClient(server.url.replace("http:", "https:"), x509(certificates), "h", timeout=10) as client,
        pytest.raises(PandaUnavailable, match=r"does not speak TLS on this port; write http:// in \[pandacon\]"),
    ):
        client.is_alive()
