"""Credentials that the PanDA server hands out, from the development server."""

import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvester.clients import PandaCredentials
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.service import Settings
from harvester.core.clock import utc_now
from harvester.panda.devserver import DevServer
from harvester.plugins.api import CredentialManager, Done, Invalid, Later, PluginContext, PluginSettings, Valid
from harvester.plugins.names import Role
from harvester.plugins.registry import build
from made_proxies import made_proxy

ROLE = "atlas:/atlas/Role=production"


@pytest.fixture
def server() -> Iterator[DevServer]:
    with DevServer() as running:
        yield running


def settings(url: str, **panda: object) -> Settings:
    return Settings.model_validate(
        {"master": {"harvester_id": "test"}, "pandacon": {"server_api_url_ssl": url, "timeout": 5, **panda}}
    )


def manager(name: str, url: str, directory: Path, **written: object) -> CredentialManager[PluginSettings]:
    module, plugin = name.split(":")
    named = {"module": f"pandaharvester.harvestercredmanager.{module}", "name": plugin}
    context = PluginContext("h", "", utc_now, directory, setup="x", server=PandaCredentials(settings(url), utc_now))
    built = build(Role.CREDENTIAL_MANAGER, PluginBlock.of({**named, **written}, {}), context)  # type: ignore[dict-item]
    assert isinstance(built, CredentialManager)
    return built


def cache(url: str, directory: Path, in_file: Path | None = None) -> CredentialManager[PluginSettings]:
    written = {"inCertFile": str(in_file or directory / "in"), "outCertFile": str(directory / "proxy"), "voms": ROLE}
    (directory / "in").write_text(made_proxy(datetime.now(UTC) + timedelta(days=30)))
    return manager("proxy_cache_cred_manager:ProxyCacheCredManager", url, directory, **written)


def test_a_proxy_comes_from_the_server(server: DevServer, tmp_path: Path, is_private: Callable[[Path], bool]):
    keeper = cache(server.url, tmp_path)
    assert keeper.sources() == (str(tmp_path / "in"),)
    assert keeper.renew(keeper.names()) == [Done()]
    (state,) = keeper.check(keeper.names())
    assert isinstance(state, Valid)
    assert state.until is not None
    assert timedelta(hours=95) < state.until - datetime.now(UTC) <= timedelta(hours=96)
    assert is_private(tmp_path / "proxy")


def test_a_server_that_is_away_leaves_the_proxy(server: DevServer, tmp_path: Path):
    keeper = cache(server.url, tmp_path)
    keeper.renew(keeper.names())
    before = (tmp_path / "proxy").read_bytes()
    server.stop()
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert "no connection" in outcome.reason
    assert (tmp_path / "proxy").read_bytes() == before


def test_what_the_server_is_to_be_shown_is_named_when_it_is_missing(tmp_path: Path):
    keeper = cache("https://127.0.0.1:9/api/v1", tmp_path, tmp_path / "nowhere")
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert str(tmp_path / "nowhere") in outcome.reason


def keys(url: str, directory: Path) -> CredentialManager[PluginSettings]:
    written = {"token_key_file": str(directory / "key"), "client_name": "pilots", "refresh_interval": 60}
    return manager("token_key_cred_manager:TokenKeyCredManager", url, directory, **written)


def test_a_key_comes_from_the_server_and_is_asked_for_again_in_time(server: DevServer, tmp_path: Path):
    keeper, key = keys(server.url, tmp_path), tmp_path / "key"
    assert keeper.check(keeper.names()) == [Invalid(f"{key} is not there")]
    assert keeper.renew(keeper.names()) == [Done()]
    assert keeper.check(keeper.names()) == [Valid()]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_text()) == 64
    written = datetime.now(UTC) - timedelta(hours=1)
    os.utime(key, (written.timestamp(), written.timestamp()))
    assert keeper.check(keeper.names()) == [Valid(is_due=True)]
    key.write_text("")
    assert keeper.check(keeper.names()) == [Invalid(f"{key} is empty")]


def test_a_server_that_is_away_leaves_the_key(server: DevServer, tmp_path: Path):
    keeper = keys(server.url, tmp_path)
    keeper.renew(keeper.names())
    before = (tmp_path / "key").read_text()
    server.stop()
    (outcome,) = keeper.renew(keeper.names())
    assert isinstance(outcome, Later)
    assert before not in outcome.reason
    assert (tmp_path / "key").read_text() == before
