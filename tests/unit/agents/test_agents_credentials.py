"""Credentials are looked at, renewed when due, and told of; nothing that fails removes a valid one."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from world import NOW, MovingClock, World

from harvester.agents.credential_manager import CredentialKeeper, Manager
from harvester.agents.duties import Duty
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.setups import Setup
from harvester.plugins.api import (
    CredentialManager,
    CredentialState,
    Done,
    Failed,
    Invalid,
    Later,
    PluginContext,
    PluginSettings,
    Unknown,
    Valid,
)
from harvester.plugins.names import Role
from harvester.plugins.setup_pool import SetupPool
from harvester.store import credentials, leases
from harvester.store.credentials import CredentialRecord

DAY = timedelta(days=1)
SETUPS = [Setup("production", "", "pluginConfigs", PluginBlock(module=__name__, name="FakeManager"))]


class FakeManager(CredentialManager[PluginSettings]):
    """Says what a test has put in."""

    held: dict[str, CredentialState] = {}  # noqa: RUF012 - the class is what the test can reach
    refuses: str = ""
    asked: list[Sequence[str]] = []  # noqa: RUF012 - as above

    def names(self) -> Sequence[str]:
        return list(self.held)

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        return [self.held[name] for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        self.asked.append(names)
        if self.refuses:
            return [Later(self.refuses) for _ in names]
        self.held.update(dict.fromkeys(names, Valid(self.context.clock() + 4 * DAY)))
        return [Done() for _ in names]


class BrokenManager(FakeManager):
    """Cannot even say what it keeps."""

    def names(self) -> Sequence[str]:
        raise KeyError("nothing")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    FakeManager.held, FakeManager.refuses, FakeManager.asked = {}, "", []


def keeper(world: World, setups: Sequence[Setup] = SETUPS, host: str = "here") -> CredentialKeeper:
    def context(setup: Setup) -> PluginContext:
        return PluginContext("test", setup.queue, world.clock, Path(), setup=setup.name)

    pool: SetupPool[Manager] = SetupPool(Role.CREDENTIAL_MANAGER, context, lambda: setups)
    return CredentialKeeper(world.db, world.clock, host, pool, 1800)


def known(world: World, *hosts: str) -> list[CredentialRecord]:
    with world.db.read() as connection:
        return credentials.of_hosts(connection, *hosts)


def test_a_credential_that_is_missing_or_due_is_renewed_and_one_that_lasts_is_not(world: World):
    FakeManager.held = {
        "missing": Invalid("it is not there"),
        "due": Valid(NOW + DAY, is_due=True),
        "nearly over": Valid(NOW + timedelta(minutes=59)),
        "unclear": Unknown("no answer"),
        "good": Valid(NOW + DAY),
        "eternal": Valid(),
    }
    keeper(world).round()
    assert FakeManager.asked == [["missing", "due", "nearly over", "unclear"]]
    records = {each.name: each for each in known(world)}
    assert records["missing"].valid_until == NOW + 4 * DAY
    assert records["missing"].renewed_at == NOW
    assert (records["good"].valid_until, records["good"].renewed_at) == (NOW + DAY, None)
    assert {each.problem for each in records.values()} == {""}


def test_a_failed_renewal_is_told_while_the_old_credential_still_lasts(world: World):
    FakeManager.held, FakeManager.refuses = {"proxy": Valid(NOW + DAY, is_due=True)}, "the VOMS server is down"
    with capture_logs() as lines:
        keeper(world).round()
    (record,) = known(world)
    assert record.valid_until == NOW + DAY
    assert record.problem == "it cannot be renewed: the VOMS server is down"
    (line,) = lines
    assert (line["log_level"], line["file"]) == ("warning", "proxy")
    assert "lasts 24.0 more hours" in line["problem"]


def test_the_last_renewal_is_remembered_over_rounds_and_restarts(world: World, clock: MovingClock):
    FakeManager.held = {"proxy": Invalid("it is not there")}
    keeper(world).round()
    clock.forward(hours=1)
    keeper(world).round()
    (record,) = known(world)
    assert (record.renewed_at, record.checked_at) == (NOW, NOW + timedelta(hours=1))


def test_one_manager_that_fails_does_not_hurt_the_others(world: World):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    broken = Setup("broken", "", "pluginConfigs", PluginBlock(module=__name__, name="BrokenManager"))
    unknown = Setup("unknown", "", "pluginConfigs", PluginBlock(plugin="nobody"))
    keeper(world, [broken, unknown, *SETUPS]).round()
    problems = {each.name: each.problem for each in known(world)}
    assert problems["proxy"] == ""
    assert "KeyError" in problems["broken"]
    assert "plugin 'nobody' is not known" in problems["unknown"]


def test_each_host_has_credentials_of_its_own(world: World):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    keeper(world, host="one").round()
    keeper(world, host="two").round()
    FakeManager.held = {"other": Valid(NOW + DAY)}
    keeper(world, host="two").round()
    assert [(each.host, each.name) for each in known(world)] == [("two", "other"), ("one", "proxy")]


def test_every_host_has_its_round_and_two_processes_of_one_share_it(world: World):
    done: list[str] = []

    def process(host: str) -> Duty:
        with world.db.write() as connection:
            now = world.clock()
            owner = leases.register_owner(connection, host, 1, "", now=now, expires_at=now + timedelta(seconds=20))
        work = lambda: done.append(host)  # noqa: E731
        return Duty(world.instance, lambda: owner, name="cred manager", period=1800, work=work, host=host)

    long = "a-host-with-a-very-long-name.in-a-domain.that-is-even-longer.example.org"
    for host in ("one", "one", "two", long, long, f"{long}.uk"):
        process(host).round()
    assert done == ["one", "two", long, f"{long}.uk"]
