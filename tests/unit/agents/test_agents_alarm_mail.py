"""Alarms arrive at a real mail server."""

import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from world import settings_with

from harvester.agents.alarm_mail import AlarmMail, MailError

SEALED_USER, SEALED_PASSWORD = "MDEyMzQ1Njc4OWFiY2RlZq9C", "MDEyMzQ1Njc4OWFiY2RlZqqxJyw="
"""`me` and `hush`, encrypted with `phrase`."""
STUCK = {"monitor": "it has done nothing for 301 s"}


class Receiver:
    """Keeps what it gets; knows one account."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[LoginPassword] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticate(self, _server: object, _session: object, _envelope: object, _kind: str, given: Any) -> AuthResult:  # noqa: ANN401 - aiosmtpd's word
        self.logins.append(given)
        return AuthResult(success=given == LoginPassword(b"me", b"hush"))


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


class Server(Controller):
    """Listens on a free port."""

    @property
    def bound(self) -> int:
        assert self.server is not None
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def _trigger_server(self) -> None:
        self.port = self.bound
        super()._trigger_server()


def serving(receiver: Receiver, **options: Any) -> Iterator[int]:  # noqa: ANN401 - aiosmtpd's options
    server = Server(receiver, hostname="127.0.0.1", port=0, ready_timeout=30, **options)
    server.start()
    yield server.bound
    server.stop()


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    yield from serving(receiver)


@pytest.fixture
def secure_port(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield from serving(
        receiver, tls_context=context, require_starttls=True, auth_required=True, authenticator=receiver.authenticate
    )


def mail(port: int, environ: dict[str, str] | None = None, **more: object) -> AlarmMail:
    keys = {"mailServer": "127.0.0.1", "mailPort": port, "mailFrom": "h@edge", "mailTo": "a@x, b@y", **more}
    return AlarmMail(settings_with(watcher=keys), "Harvester unit on edge, process 7,", environ or {})


@pytest.mark.shows("watcher.mailServer", "watcher.mailPort", "watcher.mailFrom", "watcher.mailTo")
def test_everybody_is_told_what_is_stuck(receiver: Receiver, port: int):
    mail(port).send(STUCK)
    (received,) = receiver.mails
    assert (received["Subject"], received["From"], received["To"]) == ("Harvester Alarm", "h@edge", "a@x, b@y")
    text = received.get_content()
    assert "Harvester unit on edge, process 7, is stuck." in text
    assert "monitor: it has done nothing for 301 s" in text


@pytest.mark.shows("watcher.mailUseSSL", "watcher.mailUser", "watcher.mailPassword", "watcher.passphraseEnv")
@pytest.mark.parametrize(
    ("user", "password", "environ"), [("me", "hush", {}), (SEALED_USER, SEALED_PASSWORD, {"PHRASE": "phrase"})]
)
def test_it_logs_in_over_tls(receiver: Receiver, secure_port: int, user: str, password: str, environ: dict[str, str]):
    keys = {"mailUser": user, "mailPassword": password, "passphraseEnv": "PHRASE"}
    mail(secure_port, environ, mailUseSSL=True, **keys).send(STUCK)
    assert len(receiver.mails) == 1
    assert receiver.logins == [LoginPassword(b"me", b"hush")]


def test_a_refused_password_is_not_told(receiver: Receiver, secure_port: int):
    with pytest.raises(MailError) as caught:
        mail(secure_port, mailUseSSL=True, mailUser="me", mailPassword="hush2").send(STUCK)
    assert "hush2" not in str(caught.value)
    assert receiver.mails == []


def test_a_server_without_tls_is_not_told_a_password(receiver: Receiver, port: int):
    with pytest.raises(MailError, match="STARTTLS"):
        mail(port, mailUseSSL=True, mailUser="me", mailPassword="hush").send(STUCK)
    assert receiver.logins == []


def test_a_server_that_is_away_is_named():
    with pytest.raises(MailError, match="refused"):
        mail(1).send(STUCK)


def test_without_receivers_nobody_can_be_told(port: int):
    with pytest.raises(MailError, match="no mailTo"):
        mail(port, mailTo="").send(STUCK)
