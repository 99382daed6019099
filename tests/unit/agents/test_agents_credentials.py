"""Credentials are looked at, renewed when due, and told of; nothing that fails removes a valid one."""

import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from world import World

from harvester.agents.credential_manager import CredentialKeeper, Manager, Watched
from harvester.agents.duties import Duty
from harvester.agents.host_lock import HostLock
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.setups import Setup
from harvester.core.errors import HarvesterError
from harvester.core.facts import ComputingElement, QueueBook, QueueFacts
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
from harvester.upkeep import Upkeep
from made_proxies import made_proxy, made_token
from moving_clock import NOW, MovingClock

DAY = timedelta(days=1)
SETUPS = [Setup("production", "", "pluginConfigs", PluginBlock(module=__name__, name="FakeManager"))]


class FakeManager(CredentialManager[PluginSettings]):
    """Says what a test has put in."""

    held: dict[str, CredentialState] = {}  # noqa: RUF012 - the class is what the test can reach
    refuses: str = ""
    lasts: timedelta = timedelta(days=4)
    asked: list[Sequence[str]] = []  # noqa: RUF012 - as above
    made_from: list[str] = []  # noqa: RUF012 - as above

    def names(self) -> Sequence[str]:
        return list(self.held)

    def sources(self) -> Sequence[str]:
        return self.made_from

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        return [self.held[name] for name in names]

    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        self.asked.append(names)
        if self.refuses:
            return [Later(self.refuses) for _ in names]
        self.held.update(dict.fromkeys(names, Valid(self.context.clock() + self.lasts)))
        return [Done() for _ in names]


class BrokenManager(FakeManager):
    """Cannot even say what it keeps."""

    def names(self) -> Sequence[str]:
        raise KeyError("nothing")


class LeavingManager(FakeManager):
    """Is a script at heart."""

    def names(self) -> Sequence[str]:
        sys.exit("nothing to do")

    def sources(self) -> Sequence[str]:
        sys.exit("nothing to do")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    FakeManager.held, FakeManager.refuses, FakeManager.asked, FakeManager.made_from = {}, "", [], []
    FakeManager.lasts = 4 * DAY


def keeper(
    world: World,
    setups: Sequence[Setup] = SETUPS,
    host: str = "here",
    *,
    watched: Sequence[Watched] = (),
    lock: HostLock | None = None,
) -> CredentialKeeper:
    def context(setup: Setup) -> PluginContext:
        return PluginContext("test", setup.queue, world.clock, Path(), setup=setup.name)

    pool: SetupPool[Manager] = SetupPool(Role.CREDENTIAL_MANAGER, context, lambda: setups)
    lock = lock or HostLock(world.directory / f"{host}.lock")
    return CredentialKeeper(world.db, world.clock, host, pool, 1800, lock=lock, watched=watched)


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


@pytest.mark.parametrize(("manager", "failure"), [("BrokenManager", "KeyError"), ("LeavingManager", "SystemExit")])
def test_one_manager_that_fails_does_not_hurt_the_others(world: World, manager: str, failure: str):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    broken = Setup("broken", "", "pluginConfigs", PluginBlock(module=__name__, name=manager))
    unknown = Setup("unknown", "", "pluginConfigs", PluginBlock(plugin="nobody"))
    keeper(world, [broken, unknown, *SETUPS]).round()
    problems = {each.name: each.problem for each in known(world)}
    assert problems["proxy"] == ""
    assert failure in problems["broken"]
    assert "plugin 'nobody' is not known" in problems["unknown"]


class CarefulManager(FakeManager):
    """Knows why it cannot even say what it keeps."""

    def names(self) -> Sequence[str]:
        raise HarvesterError("target_list_file /x cannot be read")


class HangingManager(FakeManager):
    """Looks at a disk that does not answer."""

    gate = threading.Event()

    def names(self) -> Sequence[str]:
        self.asked.append(["names"])
        assert self.gate.wait(30)
        return super().names()


def await_late_ones() -> None:
    for each in threading.enumerate():
        if each.name == "turns":
            each.join(30)


def test_a_manager_that_hangs_is_told_of_and_not_called_again_before_it_has_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    hanging = Setup("hanging", "", "pluginConfigs", PluginBlock(module=__name__, name="HangingManager"))
    keeping = keeper(world, [hanging])
    with monkeypatch.context() as impatient:
        impatient.setattr("harvester.agents.credential_manager._PATIENCE", 0.05)
        for _ in range(3):
            keeping.round()
            assert [each.problem for each in known(world)] == ["its manager does not come back"]
    assert FakeManager.asked == [["names"]]
    HangingManager.gate.set()
    await_late_ones()
    keeping.round()
    assert FakeManager.asked == [["names"]] * 2
    assert [(each.name, each.problem) for each in known(world)] == [("proxy", "")]


def test_a_manager_that_knows_what_is_missing_is_quoted(world: World):
    careful = Setup("careful", "", "pluginConfigs", PluginBlock(module=__name__, name="CarefulManager"))
    keeper(world, [careful]).round()
    assert [each.problem for each in known(world)] == ["target_list_file /x cannot be read"]


def test_no_secret_comes_into_the_database_or_the_log(world: World):
    FakeManager.held = {"proxy": Invalid(f"password=s3cret {made_token(NOW)}")}
    FakeManager.refuses = f"{made_proxy(NOW + DAY)}\nbearer s3cret"
    with capture_logs() as lines:
        keeper(world).round()
    told = f"{known(world)} {lines}"
    assert "s3cret" not in told
    assert "PRIVATE KEY" not in told
    assert "eyJ" not in told


def test_hundreds_that_fail_alike_are_not_complained_of_one_by_one(world: World):
    FakeManager.held, FakeManager.refuses = {f"token {n}": Invalid("none") for n in range(100)}, "the issuer is away"
    with capture_logs() as lines:
        keeper(world).round()
    assert len(lines) == 6
    assert lines[-1]["number"] == 95
    assert len(known(world)) == 100


def test_the_next_look_comes_before_a_short_credential_ends(world: World):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    keeping = keeper(world)
    keeping.round()
    assert keeping.pause() == timedelta(minutes=30)
    FakeManager.held["token"], FakeManager.lasts = Invalid("there is none yet"), timedelta(minutes=15)
    keeping.round()
    assert keeping.pause() == timedelta(minutes=5)
    FakeManager.held, FakeManager.refuses = {"token": Invalid("there is none yet")}, "the issuer is away"
    keeping.round()
    assert keeping.pause() == timedelta(minutes=10)


def test_a_manager_that_has_nothing_to_keep_yet_is_asked_again_soon(world: World):
    keeping = keeper(world)
    keeping.round()
    assert keeping.pause() == timedelta(minutes=1)
    FakeManager.held = {"token": Valid(NOW + DAY)}
    keeping.round()
    assert keeping.pause() == timedelta(minutes=30)


def test_what_people_renew_is_watched_and_told_of_in_time(world: World, clock: MovingClock, tmp_path: Path):
    source, shown, token, kept, other = (str(tmp_path / name) for name in ("source", "cert", "token", "kept", "other"))
    for path, days in ((source, 100), (shown, 20)):
        Path(path).write_text(made_proxy(NOW + days * DAY, since=NOW - 265 * DAY))
    Path(token).write_text(made_token(NOW + 2 * DAY, nbf=int((NOW - DAY).timestamp())))
    Path(other).write_text("no certificate")
    Path(kept).write_text(made_proxy(NOW + DAY))
    FakeManager.held, FakeManager.made_from = {kept: Valid(NOW + 30 * DAY)}, [source, other, str(tmp_path / "nowhere")]
    watched = [Watched(shown, "[pandacon] cert_file"), Watched(token, "its token"), Watched(kept, "kept")]
    keeping = keeper(world, watched=watched)
    keeping.round()
    assert {each.name: (each.setup, each.valid_until) for each in known(world)} == {
        source: ("production: source", NOW + 100 * DAY),
        shown: ("[pandacon] cert_file", NOW + 20 * DAY),
        token: ("its token", NOW + 2 * DAY),
        kept: ("production", NOW + 30 * DAY),
    }
    assert {each.problem for each in known(world)} == {""}
    clock.forward(days=6)
    with capture_logs() as lines:
        keeping.round()
    problems = {each.name: each.problem for each in known(world)}
    assert problems[source] == ""
    assert problems[shown] == "nobody renews it here: bring a new one"
    assert {line["file"]: line["log_level"] for line in lines} == {shown: "warning", token: "error"}


def test_a_credential_that_ran_out_is_renewed_or_told_of_and_kept(world: World, clock: MovingClock):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    keeping = keeper(world)
    keeping.round()
    clock.forward(days=2)
    FakeManager.held, FakeManager.refuses = {"proxy": Invalid("it has run out")}, "the VOMS server is down"
    with capture_logs() as lines:
        keeping.round()
    assert [line["log_level"] for line in lines] == ["error"]
    FakeManager.refuses = ""
    keeping.round()
    (record,) = known(world)
    assert (record.valid_until, record.problem) == (NOW + 6 * DAY, "")


def test_processes_that_start_at_once_renew_once(world: World, tmp_path: Path):
    FakeManager.held, FakeManager.lasts = {"token": Invalid("there is none yet")}, timedelta(minutes=20)
    waits = threading.Event()

    def sleep(seconds: float) -> None:
        waits.set()
        time.sleep(seconds)

    second = keeper(world, lock=HostLock(tmp_path / "lock", sleep))
    with ThreadPoolExecutor(1) as pool:
        with HostLock(tmp_path / "lock").held(1) as others_looked:
            assert not others_looked
            looked = pool.submit(second.first_look)
            assert waits.wait(20)
            keeper(world, lock=HostLock(tmp_path / "other")).first_look()
        looked.result(20)
    assert FakeManager.asked == [["token"]]
    second.first_look()
    assert len(FakeManager.asked) == 2


def test_without_a_place_for_the_lock_credentials_are_renewed_all_the_same(world: World):
    FakeManager.held = {"proxy": Invalid("it is not there")}
    keeper(world, host="no/such/directory").first_look()
    assert FakeManager.asked == [["proxy"]]


class NosyManager(FakeManager):
    """Keeps a credential for each computing element that it is told of."""

    def names(self) -> Sequence[str]:
        assert self.context.server is not None
        return [f"{self.context.setup}: {each.endpoint}" for each in self.context.elements()]

    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        return [Valid() for _ in names]


def test_a_manager_is_told_of_the_elements_of_its_queue_or_of_all_that_are_served(world: World, tmp_path: Path):
    nosy = {"module": __name__, "name": "NosyManager"}
    world.configure(credmanager={"pluginConfigs": [{**nosy, "configs": {"all": {}}}]})
    world.serve("A")
    world.serve("B", credmanagers=[nosy])
    world.serve("OFF", credmanagers=[nosy], queueStatus="offline")
    elements = {name: (ComputingElement(f"ce.of.{name}"),) for name in ("A", "B", "GONE", "OFF", "NOT_SERVED")}
    world.serve("GONE")
    book = {
        name: QueueFacts(name, name, status="offline" if name == "GONE" else "online", elements=each)
        for name, each in elements.items()
    }
    upkeep = Upkeep(
        world.settings,
        world.db,
        world.clock,
        "here",
        plugins=world.pool,
        make_context=lambda queue: PluginContext("test", queue, world.clock, tmp_path),
        book=lambda: QueueBook(book),
    )
    upkeep.credentials.round()
    assert [each.name for each in known(world)] == ["B: ce.of.B", "all: ce.of.A", "all: ce.of.B"]


def test_the_certificate_of_the_door_is_watched(world: World, tmp_path: Path):
    file = tmp_path / "host.pem"
    file.write_text(made_proxy(NOW + 2 * DAY, since=NOW - 363 * DAY))
    world.configure(frontend={"certFile": str(file)})
    upkeep = Upkeep(
        world.settings,
        world.db,
        world.clock,
        "here",
        plugins=world.pool,
        make_context=lambda queue: PluginContext("test", queue, world.clock, tmp_path),
    )
    upkeep.credentials.round()
    (record,) = [each for each in known(world) if each.name == str(file)]
    assert (record.setup, record.valid_until) == ("[frontend] certFile", NOW + 2 * DAY)
    assert record.problem == "nobody renews it here: bring a new one"


def test_each_host_has_credentials_of_its_own(world: World):
    FakeManager.held = {"proxy": Valid(NOW + DAY)}
    keeper(world, host="one").round()
    keeper(world, host="two").round()
    FakeManager.held = {"other": Valid(NOW + DAY)}
    keeper(world, host="two").round()
    assert [(each.host, each.name) for each in known(world)] == [("two", "other"), ("one", "proxy")]


def test_hosts_that_share_the_files_renew_once_and_both_know(world: World):
    FakeManager.held = {"proxy": Valid(NOW + DAY, is_due=True)}
    keeper(world, host="one").round()
    keeper(world, host="two").round()
    assert FakeManager.asked == [["proxy"]]
    assert {(each.host, each.valid_until) for each in known(world)} == {("one", NOW + 4 * DAY), ("two", NOW + 4 * DAY)}


def test_every_host_has_its_round_and_two_processes_of_one_share_it(world: World):
    done: list[str] = []

    def process(host: str) -> Duty:
        with world.db.write() as connection:
            now = world.clock()
            owner = leases.register_owner(connection, host, 1, "", now=now, expires_at=now + timedelta(seconds=20))
        return Duty(
            world.instance, lambda: owner, name="cred manager", period=1800, work=lambda: done.append(host), host=host
        )

    long = "a-host-with-a-very-long-name.in-a-domain.that-is-even-longer.example.org"
    for host in ("one", "one", "two", long, long, f"{long}.uk"):
        process(host).round()
    assert done == ["one", "two", long, f"{long}.uk"]
