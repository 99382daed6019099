"""Proxies made by the real programs, and looked at as those that belong to them do."""

import re
import stat
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import pytest

from harvester.config.plugin_blocks import PluginBlock
from harvester.core.clock import utc_now
from harvester.plugins.api import Done, Invalid, Later, PluginContext, Valid
from harvester.plugins.credentials.proxies import ProxyManager, ProxySettings
from harvester.plugins.credentials.validity import of_proxy
from harvester.plugins.names import Role
from harvester.plugins.registry import build

pytestmark = pytest.mark.real

Manager = ProxyManager[ProxySettings]
PLUGINS = {
    "voms": ("no_voms_cred_manager", "NoVomsCredManager"),
    "grid": ("grid_cred_manager", "GridCredManager"),
    "arc": ("arcproxy_cred_manager", "ArcproxyCredManager"),
}
TIME_LEFT: Mapping[str, tuple[str, ...]] = {
    "voms": ("voms-proxy-info", "-timeleft", "-file"),
    "grid": ("grid-proxy-info", "-timeleft", "-file"),
    "arc": ("arcproxy", "-i", "validityLeft", "-P"),
}
ROLE = "testvo:/testvo/Role=production"
CLOSE = timedelta(minutes=1)


class Organisation(Protocol):
    """What the fixture of the virtual organisation gives."""

    environment: Mapping[str, str]
    robot: Path


@pytest.fixture(autouse=True)
def _environment(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in organisation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("X509_USER_PROXY", raising=False)


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    return tmp_path / "proxy"


def manager(kind: str, proxy: Path, source: Path, *, later: timedelta = timedelta(), **settings: object) -> Manager:
    """A manager that lives so much later than we."""
    module, name = PLUGINS[kind]
    block = {"module": f"pandaharvester.harvestercredmanager.{module}", "name": name, "inCertFile": str(source)}
    context = PluginContext("h", "", lambda: utc_now() + later, proxy.parent, setup=kind)
    written = {**block, "outCertFile": str(proxy), **settings}
    built = build(Role.CREDENTIAL_MANAGER, PluginBlock.of(written, {}), context)  # type: ignore[arg-type]
    assert isinstance(built, ProxyManager)
    return built


def state(keeper: Manager) -> Valid | Invalid:
    (found,) = keeper.check(keeper.names())
    assert isinstance(found, Valid | Invalid)
    return found


def renewed(keeper: Manager) -> Done | Later:
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Done | Later)
    return outcome


def seconds_told(*command: str) -> int:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (number,) = re.findall(r"^\d+$", done.stdout, re.MULTILINE)
    return int(number)


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_proxy_is_made_and_lasts_as_long_as_the_program_says(organisation: Organisation, proxy: Path, kind: str):
    keeper = manager(kind, proxy, organisation.robot)
    assert renewed(keeper) == Done()
    found = state(keeper)
    assert isinstance(found, Valid)
    assert not found.is_due
    assert found.until is not None
    told = datetime.now(UTC) + timedelta(seconds=seconds_told(*TIME_LEFT[kind], str(proxy)))
    assert abs(found.until - told) < CLOSE
    assert abs(found.until - datetime.now(UTC) - timedelta(hours=96)) < timedelta(minutes=10)
    assert stat.S_IMODE(proxy.stat().st_mode) == 0o600
    assert [each.name for each in proxy.parent.iterdir()] == ["proxy"]


@pytest.mark.parametrize("kind", PLUGINS)
def test_one_that_has_run_out_is_made_anew(organisation: Organisation, proxy: Path, kind: str):
    assert renewed(manager(kind, proxy, organisation.robot, lifetime=13)) == Done()
    before = proxy.read_bytes()
    afterwards = manager(kind, proxy, organisation.robot, later=timedelta(hours=14))
    assert state(afterwards) == Invalid(f"{proxy} has run out")
    assert renewed(afterwards) == Done()
    assert proxy.read_bytes() != before
    assert isinstance(state(afterwards), Valid)


@pytest.mark.parametrize("kind", PLUGINS)
def test_what_cannot_be_renewed_stays(organisation: Organisation, proxy: Path, tmp_path: Path, kind: str):
    assert renewed(manager(kind, proxy, organisation.robot)) == Done()
    before = proxy.read_bytes()
    outcome = renewed(manager(kind, proxy, tmp_path / "nowhere"))
    assert isinstance(outcome, Later)
    assert "ended with exit code" in outcome.reason
    assert proxy.read_bytes() == before


@pytest.mark.parametrize("kind", PLUGINS)
def test_a_key_with_a_pass_phrase_is_refused_at_once(
    organisation: Organisation, proxy: Path, tmp_path: Path, kind: str
):
    source = tmp_path / "locked"
    key = ["openssl", "pkey", "-in", organisation.robot, "-aes256", "-passout", "pass:open-sesame"]
    encrypted = subprocess.run(key, capture_output=True, check=True, timeout=60).stdout
    certificate = organisation.robot.read_bytes().partition(b"-----BEGIN PRIVATE KEY")[0]
    source.write_bytes(certificate + encrypted)
    source.chmod(0o600)
    outcome = renewed(manager(kind, proxy, source))
    assert isinstance(outcome, Later)
    assert "open-sesame" not in outcome.reason
    assert "PRIVATE KEY" not in outcome.reason
    assert not proxy.exists()


WITH_ATTRIBUTES: Mapping[str, Mapping[str, object]] = {
    "voms": {"lifetime": 96},
    "arc": {"lifetime": 24, "extraRenewOpts": "-B"},
}
"""The server grants a day, which `arcproxy` takes for a refusal of more; and it does not speak its newer protocol."""


@pytest.mark.parametrize("kind", WITH_ATTRIBUTES)
def test_attributes_come_from_the_server_and_end_the_proxy(organisation: Organisation, proxy: Path, kind: str):
    keeper = manager(kind, proxy, organisation.robot, voms=ROLE, **WITH_ATTRIBUTES[kind])
    assert renewed(keeper) == Done()
    found = state(keeper)
    assert isinstance(found, Valid)
    assert not found.is_due
    attributes = of_proxy(proxy).attributes
    assert attributes is not None
    told = datetime.now(UTC) + timedelta(seconds=seconds_told("voms-proxy-info", "-actimeleft", "-file", str(proxy)))
    assert abs(attributes - told) < CLOSE
    assert found.until is not None
    assert abs(found.until - datetime.now(UTC) - timedelta(days=1)) < timedelta(minutes=10)
    shown = subprocess.run(["voms-proxy-info", "-fqan", "-file", proxy], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[0] == "/testvo/Role=production/Capability=NULL"


def test_what_the_server_says_is_told(organisation: Organisation, proxy: Path):
    outcome = renewed(manager("arc", proxy, organisation.robot, voms=ROLE, extraRenewOpts="-B"))
    assert isinstance(outcome, Later)
    assert "The validity of this VOMS AC in your proxy is shortened to 86400 seconds" in outcome.reason


def test_a_proxy_without_the_attributes_that_it_should_have_is_due(organisation: Organisation, proxy: Path):
    assert renewed(manager("voms", proxy, organisation.robot)) == Done()
    keeper = manager("voms", proxy, organisation.robot, voms=ROLE)
    found = state(keeper)
    assert isinstance(found, Valid)
    assert found.is_due
    assert renewed(keeper) == Done()
    assert not getattr(state(keeper), "is_due", True)


@pytest.mark.parametrize("kind", WITH_ATTRIBUTES)
def test_attributes_that_cannot_be_had_take_nothing_away(organisation: Organisation, proxy: Path, kind: str):
    assert renewed(manager(kind, proxy, organisation.robot, voms=ROLE, **WITH_ATTRIBUTES[kind])) == Done()
    before = proxy.read_bytes()
    for voms in ("no_such_vo", "testvo:/testvo/Role=pilot"):
        outcome = renewed(manager(kind, proxy, organisation.robot, voms=voms, **WITH_ATTRIBUTES[kind]))
        assert isinstance(outcome, Later)
        assert proxy.read_bytes() == before
