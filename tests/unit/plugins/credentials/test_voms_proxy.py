"""Proxies made by commands that stand in for those of VOMS."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins.api import Done, Invalid, Later, PluginContext, Unknown, Valid
from harvester.plugins.credentials.voms_proxy import VomsProxyManager
from harvester.plugins.names import Role
from harvester.plugins.registry import build

pytestmark = pytest.mark.usefixtures("voms")

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    return tmp_path / "proxy"


def manager(proxy: Path, **more: object) -> VomsProxyManager:
    block = PluginBlock.of(
        {
            "module": "pandaharvester.harvestercredmanager.no_voms_cred_manager",
            "name": "NoVomsCredManager",
            "inCertFile": "/in",
            "outCertFile": str(proxy),
            "voms": "atlas:/atlas/Role=production",
            **more,  # type: ignore[dict-item]  # JSON
        },
        {},
    )
    built = build(Role.CREDENTIAL_MANAGER, block, PluginContext("h", "", lambda: NOW, proxy.parent, setup="production"))
    assert isinstance(built, VomsProxyManager)
    return built


def test_a_proxy_that_is_missing_is_made_with_the_options_of_its_settings(voms: Path, proxy: Path):
    keeper = manager(proxy)
    assert keeper.check(keeper.names()) == [Invalid(f"{proxy} is not there")]
    assert keeper.renew(keeper.names()) == [Done()]
    assert keeper.check(keeper.names()) == [Valid(NOW + timedelta(hours=96), is_due=False)]
    assert stat.S_IMODE(proxy.stat().st_mode) == 0o600
    asked = (voms / "asked").read_text()
    assert asked.startswith("-rfc -noregen -voms atlas:/atlas/Role=production -out ")
    assert asked.endswith(" -valid 96:00 -cert=/in -key=/in\n")


def test_it_can_be_made_from_certificate_and_key(voms: Path, proxy: Path):
    keeper = manager(proxy, genFromKeyCert=True, cert="/c", key="/k", voms=None, extraRenewOpts="-bits '2048'")
    assert keeper.renew(keeper.names()) == [Done()]
    asked = (voms / "asked").read_text()
    assert asked.startswith("-rfc -out ")
    assert asked.endswith(" -valid 96:00 -cert=/c -key=/k -bits 2048\n")


@pytest.mark.parametrize(("seconds", "due"), [(95 * 3600 + 1, False), (95 * 3600 - 1, True), (10, True)])
def test_it_is_due_when_it_has_lost_the_check_period(proxy: Path, seconds: int, *, due: bool):
    proxy.write_text(f"{seconds}\n")
    keeper = manager(proxy)
    assert keeper.check(keeper.names()) == [Valid(NOW + timedelta(seconds=seconds), is_due=due)]


def test_a_proxy_that_has_run_out_is_not_valid(proxy: Path):
    proxy.write_text("0\n")
    keeper = manager(proxy)
    assert keeper.check(keeper.names()) == [Invalid(f"{proxy} has run out")]


def test_what_cannot_be_asked_is_not_known(voms: Path, proxy: Path):
    proxy.write_text("100\n")
    (voms / "info_fails").touch()
    keeper = manager(proxy)
    (state,) = keeper.check(keeper.names())
    assert isinstance(state, Unknown)
    assert "no proxy can be read" in state.reason


@pytest.mark.parametrize("trouble", ["init_fails", "nothing", "garbage", "shorter"])
def test_a_failed_renewal_never_touches_a_valid_proxy(voms: Path, proxy: Path, trouble: str):
    proxy.write_text("7200\n")
    (voms / "lifetime").write_text({"nothing": "", "garbage": "what?\n", "shorter": "100\n"}.get(trouble, "345600\n"))
    if trouble == "init_fails":
        (voms / "init_fails").touch()
    keeper = manager(proxy)
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert proxy.read_text() == "7200\n"
    assert not list(proxy.parent.glob(".proxy.*"))


def test_without_the_commands_it_says_which_is_missing(proxy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/nowhere")
    keeper = manager(proxy)
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert "voms-proxy-init cannot be started" in outcome.reason


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path):
    keeper = manager(tmp_path / "nowhere" / "proxy")
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert "correct the permissions" in outcome.reason
