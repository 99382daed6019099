"""Tokens from a real issuer over TLS."""

import json
import ssl
import stat
import subprocess
from datetime import timedelta
from hashlib import md5
from pathlib import Path
from typing import Protocol

import httpx2
import jwt
import pytest

from harvester.config.plugin_blocks import PluginBlock
from harvester.core.clock import utc_now
from harvester.core.facts import ComputingElement
from harvester.plugins.api import CredentialManager, Done, Invalid, Later, PluginContext, PluginSettings, Valid
from harvester.plugins.names import Role
from harvester.plugins.registry import build

pytestmark = pytest.mark.real

Manager = CredentialManager[PluginSettings]
ELEMENTS = [
    ComputingElement("ce.example.org", "htcondor-ce", "ACTIVE"),
    ComputingElement("arc.example.org:2811", "arc-ce", "ACTIVE"),
    ComputingElement("ce.example.org:9620", "htcondor-ce", "ACTIVE"),
]
AUDIENCES = ["ce.example.org:9619", "https://arc.example.org", "ce.example.org:9620"]
FILES = ["ce.example.org:9619", "arc.example.org:443", "ce.example.org:9620"]


class TokenIssuer(Protocol):
    """What the fixture of the issuer gives."""

    url: str
    client_id: str
    client_secret: str
    ca: Path


def manager(
    issuer: TokenIssuer,
    directory: Path,
    *,
    secret: str | None = None,
    later: timedelta = timedelta(),
    **settings: object,
) -> Manager:
    """A manager that lives so much later than we."""
    account = directory / "client.json"
    said = {"issuer": issuer.url, "client_id": issuer.client_id, "client_secret": secret or issuer.client_secret}
    account.write_text(json.dumps(said))
    account.chmod(0o600)
    written = {
        "module": "pandaharvester.harvestercredmanager.iam_token_cred_manager",
        "name": "IamTokenCredManager",
        "client_cred_file": str(account),
        "out_dir": str(directory / "tokens"),
        "target_type": "ce",
        "ca_cert": str(issuer.ca),
        **settings,
    }
    context = PluginContext(
        "h", "", lambda: utc_now() + later, directory, setup="ces", elements=lambda: ELEMENTS
    )  # fmt: skip
    built = build(Role.CREDENTIAL_MANAGER, PluginBlock.of(written, {}), context)  # type: ignore[arg-type]
    assert isinstance(built, CredentialManager)
    return built


def verified(issuer: TokenIssuer, token: str, audience: str) -> dict[str, object]:
    """What a computing element learns from a token."""
    trust = ssl.create_default_context(cafile=issuer.ca)
    keys = httpx2.get(f"{issuer.url}/jwks", verify=trust, trust_env=False).json()
    key = jwt.PyJWKSet.from_dict(keys).keys[0]
    claims: dict[str, object] = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=issuer.url)
    return claims


def test_each_computing_element_gets_a_token_that_it_believes(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path)
    names = keeper.names()
    assert [Path(name).name for name in names] == [md5(each.encode()).hexdigest() for each in FILES]
    assert keeper.renew(names) == [Done()] * 3
    for name, audience in zip(names, AUDIENCES, strict=True):
        claims = verified(issuer, Path(name).read_text(), audience)
        assert claims["scope"] == "compute.read compute.modify compute.create compute.cancel"
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
    for found in keeper.check(names):
        assert isinstance(found, Valid)
        assert found.until is not None
        assert timedelta(minutes=59) < found.until - utc_now() <= timedelta(hours=1)


def test_tokens_are_replaced_while_the_old_ones_are_good(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path, refresh_interval=1e-6)
    names = keeper.names()
    keeper.renew(names)
    before = [Path(name).read_text() for name in names]
    assert all(isinstance(each, Valid) and each.is_due for each in keeper.check(names))
    assert keeper.renew(names) == [Done()] * 3
    assert not {Path(name).read_text() for name in names} & set(before)


def test_an_issuer_that_does_not_know_us_takes_nothing_away(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path)
    names = keeper.names()
    keeper.renew(names)
    before = [Path(name).read_text() for name in names]
    stranger = manager(issuer, tmp_path, secret="planted-secret")
    for outcome in stranger.renew(stranger.names()):
        assert isinstance(outcome, Later)
        assert "HTTP 401: invalid_client" in outcome.reason
        assert "planted-secret" not in outcome.reason
    assert [Path(name).read_text() for name in names] == before


def test_an_issuer_whose_certificate_is_not_believed_gets_no_secret(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path, ca_cert=None)
    for outcome in keeper.renew(keeper.names()):
        assert isinstance(outcome, Later)
        assert "certificate" in outcome.reason.lower()
        assert issuer.client_secret not in outcome.reason


def test_a_token_has_run_out_when_its_time_is_over(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path)
    keeper.renew(keeper.names())
    afterwards = manager(issuer, tmp_path, later=timedelta(hours=2))
    states = afterwards.check(afterwards.names())
    assert states[0] == Invalid("the token for ce.example.org:9619 has run out")
    (outcome, *_) = afterwards.renew(afterwards.names())
    assert isinstance(outcome, Later)
    assert "is this machine's clock right?" in outcome.reason


def test_a_client_of_any_program_reads_the_file_as_it_is(issuer: TokenIssuer, tmp_path: Path):
    keeper = manager(issuer, tmp_path, target_type="common", target_list=["https://wlcg.cern.ch/jwt/v1/any"])
    keeper.renew(keeper.names())
    (name,) = keeper.names()
    shown = subprocess.run(["cat", name], capture_output=True, text=True, check=True).stdout
    assert verified(issuer, shown, "https://wlcg.cern.ch/jwt/v1/any")["client_id"] == issuer.client_id
