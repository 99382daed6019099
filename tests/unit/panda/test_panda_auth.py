import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester.panda import AuthType, Credentials, PandaClient, credentials_for, load_host_table
from harvester.panda.auth import BearerToken
from harvester.panda.errors import CredentialError
from moving_clock import MovingClock

GENERAL = Credentials(cert_file="/proxy", key_file="/proxy", auth_token="general", auth_origin="vo")


def test_secrets_are_not_printed():
    assert "general" not in repr(GENERAL)


def test_a_literal_token_is_itself(clock: MovingClock):
    assert BearerToken("abc", clock).current() == "abc"


def test_a_token_file_is_read_without_its_newline_and_again_when_it_changes(tmp_path: Path, clock: MovingClock):
    file = tmp_path / "token"
    file.write_text("first\n")
    token = BearerToken(f"file:{file}", clock)
    assert token.current() == "first"
    file.write_text("second-token\n")
    assert token.current() == "second-token"


def test_a_token_file_is_read_again_after_ten_minutes_even_if_it_looks_the_same(tmp_path: Path, clock: MovingClock):
    file = tmp_path / "token"
    file.write_text("one")
    token = BearerToken(f"file:{file}", clock)
    assert token.current() == "one"
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert token.current() == "one"
    clock.forward(minutes=10)
    assert token.current() == "two"


def test_a_refused_token_is_read_again_at_once(tmp_path: Path, clock: MovingClock):
    file = tmp_path / "token"
    file.write_text("one")
    token = BearerToken(f"file:{file}", clock)
    token.current()
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    token.forget()
    assert token.current() == "two"


@pytest.mark.parametrize("break_it", [lambda file: file.unlink(), lambda file: file.write_text("")])
def test_the_last_good_token_serves_while_its_file_is_being_replaced(
    tmp_path: Path, clock: MovingClock, break_it: Callable[[Path], object]
):
    file = tmp_path / "token"
    file.write_text("good")
    token = BearerToken(f"file:{file}", clock)
    token.current()
    break_it(file)
    assert token.current() == "good"


@pytest.mark.parametrize("text", ["", "s3cret\nInjected: header", "two w0rds", "\x00"])
def test_a_text_that_is_no_token_is_refused_unseen(tmp_path: Path, clock: MovingClock, text: str):
    with pytest.raises(CredentialError) as caught:
        BearerToken(text, clock)
    assert not text or text not in str(caught.value)
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(CredentialError, match="no token in"):
        BearerToken(f"file:{file}", clock).current()


@pytest.mark.parametrize("url", ["", "panda.example.org:25443/api/v1", "ftp://h/api/v1", "https://h:port/api/v1"])
def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(ValueError, match="server address"):
        PandaClient(url, Credentials(), "h")


@pytest.mark.parametrize(
    "url", ["https://bob:PASSW@h/api/v1", "https://PASSW@h", "bob:PASSW@h", "https://bob:PASSW@h:port/", "//PASSW@"]
)
def test_an_address_with_a_password_is_refused_unseen(url: str):
    with pytest.raises(ValueError, match="server address") as caught:
        PandaClient(url, Credentials(), "h")
    assert "PASSW" not in str(caught.value)


def test_a_missing_token_file_is_named(tmp_path: Path, clock: MovingClock):
    with pytest.raises(CredentialError, match="no_such_token"):
        BearerToken(f"file:{tmp_path / 'no_such_token'}", clock).current()


def test_a_host_s_own_token_wins(tmp_path: Path):
    file = tmp_path / "hosts.json"
    file.write_text('{"panda.example.org:25443": {"auth_token": "special", "ca_cert": false}}')
    table = load_host_table(file)
    special = credentials_for("https://panda.example.org:25443/api/v1", GENERAL, table)
    assert (special.auth_type, special.auth_token, special.ca_cert) == (AuthType.OIDC, "special", False)
    assert special.auth_origin == "vo"
    assert credentials_for("https://other.example.org:25443/api/v1", GENERAL, table) is GENERAL


def test_a_host_entry_falls_back_to_the_general_keys():
    table = {"h:443": {"cert_file": "/other"}}
    found = credentials_for("https://h/api/v1", GENERAL, table)
    assert (found.cert_file, found.key_file, found.auth_type) == ("/other", "/proxy", AuthType.X509)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"h:1": "token"}', '{"h:1": {"auth_token": 5}}', "{", '{"h": {"auth_token": ["s3cret"]}}']
)
def test_a_bad_host_table_is_named_without_its_content(tmp_path: Path, text: str):
    file = tmp_path / "hosts.json"
    file.write_text(text)
    with pytest.raises(CredentialError, match=r"hosts\.json") as caught:
        load_host_table(file)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("entry", [{"auth_typ": "x509"}, {"auth_type": "kerberos"}])
def test_a_host_entry_with_an_unknown_word_is_refused(entry: dict[str, str]):
    with pytest.raises(CredentialError, match="h:1"):
        credentials_for("https://h:1/api/v1", GENERAL, {"h:1": entry})


def test_a_host_table_does_not_print_a_password_of_the_address():
    with pytest.raises(CredentialError, match="h:1") as caught:
        credentials_for("https://bob:PASSW@h:1/api/v1", GENERAL, {"h:1": {"auth_typ": "x509"}})
    assert "PASSW" not in str(caught.value)


@pytest.mark.parametrize("origin", ["vö:production", "vo:production\n", " vo", "vo production", "vo\0"])
def test_an_origin_that_no_header_can_hold_is_refused(origin: str):
    with pytest.raises(CredentialError, match="auth_origin"):
        PandaClient("http://127.0.0.1:1/api/v1", Credentials(AuthType.OIDC, auth_token="t", auth_origin=origin), "h")


def test_oidc_needs_token_and_origin():
    with pytest.raises(CredentialError, match="auth_origin"):
        PandaClient("http://127.0.0.1:1/api/v1", Credentials(AuthType.OIDC, auth_token="t"), "h")
