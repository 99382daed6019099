"""Alarms arrive at a real mail server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from world import settings_with

from harvester.agents.alarm_mail import AlarmMail, MailError
from mail_server import ACCOUNT, SEALED_PASSWORD, SEALED_USER, Receiver, receiving, receiving_in_secret

STUCK = {"monitor": "it has done nothing for 301 s"}


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    with receiving(receiver) as bound:
        yield bound


@pytest.fixture
def secure_port(receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with receiving_in_secret(receiver, tmp_path / "ca.pem") as bound:
        yield bound


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
    assert receiver.logins == [ACCOUNT]


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
