"""How long credentials say that they are valid, whatever else is in their files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from harvester.plugins.credentials.validity import NoCredentialError, of_file, of_proxy, of_token
from made_proxies import made_proxy, made_token

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)


def test_of_a_chain_the_first_end_counts(tmp_path: Path):
    authority = trustme.CA()
    robot = authority.issue_cert("robot@example.org", not_after=NOW + timedelta(days=10))
    path = tmp_path / "cert.pem"
    path.write_bytes(robot.cert_chain_pems[0].bytes() + made_proxy(NOW + timedelta(days=3)).encode())
    assert of_file(path).until == NOW + timedelta(days=3)


def test_attributes_end_a_proxy_before_its_time(tmp_path: Path):
    path = tmp_path / "proxy"
    ends = NOW + timedelta(hours=96), NOW + timedelta(hours=24)
    path.write_text(made_proxy(ends[0], since=NOW, attributes_until=ends[1]))
    found = of_proxy(path)
    assert (found.since, found.until, found.attributes) == (NOW, ends[1], ends[1])


def test_a_token_tells_its_time_and_one_that_is_no_jwt_does_not():
    found = of_token(made_token(NOW, nbf=int(NOW.timestamp()) - 3600), "x")
    assert (found.since, found.until) == (NOW - timedelta(hours=1), NOW)
    assert of_token("opaque-token", "x").until is None


@pytest.mark.parametrize("claim", ["soon", True, None, 1e300, float("nan"), [1], {"a": 1}])
def test_a_claim_that_is_no_time_says_nothing(claim: object):
    assert of_token(made_token(NOW, exp=claim), "x").until is None


@pytest.mark.parametrize("text", ["", "two words", "ü", "line\nbreak", "\x00"])
def test_what_is_no_token_is_refused_unseen(text: str):
    with pytest.raises(NoCredentialError) as caught:
        of_token(text, "the file")
    assert str(caught.value) == "the file holds neither a certificate nor a token"


@given(st.binary(max_size=300), st.sampled_from([b"", b"-----BEGIN CERTIFICATE-----\n", b"eyJ"]))
def test_no_content_makes_it_fail_otherwise(tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + content)
    try:
        of_file(path)
    except NoCredentialError as error:
        assert "any" in str(error)  # noqa: PT017 - it may also be taken for an opaque token
