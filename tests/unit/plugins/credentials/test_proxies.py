"""Proxies made by commands that stand in for the real ones: what is asked of them, and what becomes of their work."""

import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from proxy_tools import NOW, Tools, proxy_for

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins.api import Done, Invalid, Later, PluginContext, Unknown, Valid
from harvester.plugins.credentials.proxies import ProxyManager, ProxySettings
from harvester.plugins.names import Role
from harvester.plugins.registry import build, problems

UPSTREAM = {
    "voms-proxy-init": ("no_voms_cred_manager", "NoVomsCredManager"),
    "grid-proxy-init": ("grid_cred_manager", "GridCredManager"),
    "arcproxy": ("arcproxy_cred_manager", "ArcproxyCredManager"),
}
VOMS = "atlas:/atlas/Role=production"


@pytest.fixture
def proxy(tmp_path: Path) -> Path:
    return tmp_path / "proxy"


def block(program: str, proxy: Path, settings: Mapping[str, object]) -> PluginBlock:
    module, name = UPSTREAM[program]
    written = {"inCertFile": "/in", "outCertFile": str(proxy), "voms": VOMS, **settings}
    named = {"module": f"pandaharvester.harvestercredmanager.{module}", "name": name}
    return PluginBlock.of({**named, **written}, {})  # type: ignore[dict-item]  # JSON


def manager(program: str, proxy: Path, **settings: object) -> ProxyManager[ProxySettings]:
    context = PluginContext("h", "", lambda: NOW, proxy.parent, setup="production")
    built = build(Role.CREDENTIAL_MANAGER, block(program, proxy, settings), context)
    assert isinstance(built, ProxyManager)
    return built


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("program", UPSTREAM)
def test_a_proxy_that_is_missing_is_made(proxy: Path, program: str, is_private: Callable[[Path], bool]):
    keeper = manager(program, proxy)
    assert keeper.sources() == ("/in",)
    assert keeper.check(keeper.names()) == [Invalid(f"{proxy} is not there")]
    assert keeper.renew(keeper.names()) == [Done()]
    assert keeper.check(keeper.names()) == [Valid(NOW + timedelta(hours=96), is_due=False)]
    assert is_private(proxy)


@pytest.mark.parametrize(
    ("program", "settings", "asked"),
    [
        ("voms-proxy-init", {}, f"-rfc -noregen -voms {VOMS} -out NEW -valid 96:00 -cert=/in -key=/in"),
        ("voms-proxy-init", {"voms": None, "lifetime": 12}, "-rfc -noregen -out NEW -valid 12:00 -cert=/in -key=/in"),
        (
            "voms-proxy-init",
            {"genFromKeyCert": True, "cert": "/c", "key": "/k", "voms": None, "extraRenewOpts": "-bits '2048'"},
            "-rfc -out NEW -valid 96:00 -cert=/c -key=/k -bits 2048",
        ),
        (
            "voms-proxy-init",
            {"voms": None, "lifetimeOptFormat": "-hours {lifetime}", "renewCommand": "voms-proxy-init -q"},
            "-q -rfc -noregen -out NEW -hours 96 -cert=/in -key=/in",
        ),
        ("grid-proxy-init", {}, "-out NEW -valid 96:00 -cert /in -key /in"),
        ("grid-proxy-init", {"inCertFile": None, "extraRenewOpts": "-q"}, "-out NEW -valid 96:00 -q"),
        ("arcproxy", {}, f"-S {VOMS} -P NEW -c validityPeriod=96h -c vomsACvalidityPeriod=96h -C /in -K /in"),
        ("arcproxy", {"voms": None, "lifetime": 24}, "-P NEW -c validityPeriod=24h -C /in -K /in"),
    ],
)
def test_the_program_is_asked_as_the_settings_say(
    tools: Tools, proxy: Path, program: str, settings: Mapping[str, object], asked: str
):
    keeper = manager(program, proxy, **settings)
    keeper.renew(keeper.names())
    words = tools.asked.split(" ")
    (new,) = [word for word in words if word.startswith(str(proxy.parent / ".proxy."))]
    assert " ".join(words).replace(new, "NEW") == f"{program} {asked}"


@pytest.mark.parametrize(
    ("lasts", "asked", "attributes", "due"),
    [
        (95.1, 96, 96, False),
        (94.9, 96, 96, True),
        (0.1, 96, 96, True),
        (96, 96, 12, False),
        (96, 96, None, True),
        (11.5, 12, 12, False),  # no more than that was granted
        (10.9, 12, 12, True),
    ],
)
def test_it_is_due_when_it_has_lost_the_check_period_of_what_was_granted(
    proxy: Path, lasts: float, asked: float, attributes: float | None, *, due: bool
):
    proxy.write_text(proxy_for(hours=lasts, asked=asked, attributes=attributes))
    keeper = manager("voms-proxy-init", proxy)
    (state,) = keeper.check(keeper.names())
    assert isinstance(state, Valid)
    assert state.until == NOW + timedelta(hours=min(lasts, attributes or lasts))
    assert state.is_due is due


@pytest.mark.parametrize("program", ["grid-proxy-init", "arcproxy"])
def test_the_others_renew_with_72_hours_left(proxy: Path, program: str):
    keeper = manager(program, proxy)
    for hours, due in ((72.1, False), (71.9, True)):
        proxy.write_text(proxy_for(hours=hours))
        (state,) = keeper.check(keeper.names())
        assert isinstance(state, Valid)
        assert state.is_due is due


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (proxy_for(hours=-1), "has run out"),
        ("garbage", "no certificate"),
        ("", "no certificate"),
        (proxy_for(hours=9).partition("-----BEGIN PRIVATE")[0], "no private key"),
        (proxy_for(hours=9).partition("-----BEGIN PRIVATE")[0] + proxy_for(hours=9), "no private key"),
    ],
)
def test_what_nobody_can_use_is_not_valid(proxy: Path, content: str, reason: str):
    proxy.write_text(content)
    keeper = manager("voms-proxy-init", proxy)
    (state,) = keeper.check(keeper.names())
    assert isinstance(state, Invalid)
    assert reason in state.reason


def test_what_cannot_be_read_is_not_known(tmp_path: Path):
    keeper = manager("voms-proxy-init", tmp_path)
    (state,) = keeper.check(keeper.names())
    assert isinstance(state, Unknown)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("", "no proxy"),
        ("what?\n", "no proxy"),
        (proxy_for(hours=-1), "not valid any more"),
        (proxy_for(hours=96, attributes=None), f"no attributes of {VOMS}"),
        (proxy_for(hours=1), "the old one lasts until 2026-08-10 09:00 and is kept"),
    ],
)
@pytest.mark.parametrize("program", ["voms-proxy-init", "arcproxy"])
def test_a_renewal_that_brings_nothing_better_leaves_the_proxy(
    tools: Tools, proxy: Path, program: str, made: str, reason: str
):
    before = proxy_for(hours=2)
    proxy.write_text(before)
    tools.lay_ready(made)
    keeper = manager(program, proxy)
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert reason in outcome.reason
    assert proxy.read_text() == before
    assert not list(proxy.parent.glob(".proxy.*"))


@pytest.mark.parametrize("program", UPSTREAM)
def test_a_program_that_fails_says_why_and_no_secret(tools: Tools, proxy: Path, program: str):
    before = proxy_for(hours=2)
    proxy.write_text(before)
    tools.fail(f"Error: the VOMS server is down, pass phrase: password=s3cret\n{proxy_for(hours=1)}")
    keeper = manager(program, proxy)
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert f"{program} ended with exit code 1: Error: the VOMS server is down" in outcome.reason
    assert "s3cret" not in outcome.reason
    assert "PRIVATE KEY" not in outcome.reason
    assert proxy.read_text() == before


def test_what_a_program_prints_belongs_to_its_complaint(tools: Tools, proxy: Path):
    tools.fail("Proxy generation failed")
    (outcome,) = manager("arcproxy", proxy).renew([str(proxy)])
    words = "arcproxy ended with exit code 1: Proxy generation failed; it printed: Contacting the server"
    assert outcome == Later(words)


@pytest.mark.parametrize("program", UPSTREAM)
def test_without_the_program_it_says_which_is_missing(proxy: Path, monkeypatch: pytest.MonkeyPatch, program: str):
    monkeypatch.setenv("PATH", "/nowhere")
    keeper = manager(program, proxy)
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert f"{program} cannot be started" in outcome.reason


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path):
    keeper = manager("voms-proxy-init", tmp_path / "nowhere" / "proxy")
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert "correct the permissions" in outcome.reason


def test_a_proxy_behind_a_link_is_replaced_where_it_is(tools: Tools, proxy: Path, tmp_path: Path):
    real = tmp_path / "elsewhere"
    real.write_text(proxy_for(hours=2))
    proxy.symlink_to(real)
    keeper = manager("voms-proxy-init", proxy)
    assert keeper.renew(keeper.names()) == [Done()]
    assert proxy.is_symlink()
    assert real.read_text() == tools.made


def test_a_block_without_anything_to_make_a_proxy_from_is_told_of(proxy: Path):
    (found,) = problems("credmanagers", block("arcproxy", proxy, {"inCertFile": str(proxy)}))
    assert (found.key, found.may_pass) == ("inCertFile", True)
    proxy.write_text("")
    assert not problems("credmanagers", block("arcproxy", proxy, {"inCertFile": str(proxy)}))


def test_the_clock_of_files_counts_and_not_that_of_the_instance(proxy: Path):
    ahead = timedelta(hours=3)
    context = PluginContext("h", "", lambda: NOW + ahead, proxy.parent, setup="x", ahead=lambda: ahead)
    keeper = build(Role.CREDENTIAL_MANAGER, block("grid-proxy-init", proxy, {}), context)
    assert isinstance(keeper, ProxyManager)
    proxy.write_text(proxy_for(hours=1))
    assert keeper.check(keeper.names()) == [Valid(NOW + ahead + timedelta(hours=1), is_due=True)]


@pytest.mark.usefixtures("tools")
def test_what_somebody_who_died_has_left_goes_away_in_time(proxy: Path):
    old, new, other = (proxy.parent / name for name in (".proxy.a.new", ".proxy.b.new", ".proxys.a.new"))
    for each in (old, new, other):
        each.write_text("half a proxy")
    for each in (old, other):
        os.utime(each, (1, 1))
    keeper = manager("voms-proxy-init", proxy)
    keeper.renew(keeper.names())
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)
