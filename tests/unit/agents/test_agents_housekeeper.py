"""Who is alive and what time it is, whatever the clocks of the hosts say."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, event, select, update
from test_agents_runner import Tick
from world import QUEUE

from harvester.agents.housekeeper import PERIOD, Housekeeper
from harvester.core.clock import SteadyClock
from harvester.store import queues
from harvester.store.engine import Database, StoreUnavailableError
from harvester.store.leases import QUEUE_SIZE
from harvester.store.schema import owners
from moving_clock import NOW, MovingClock

HOUR = timedelta(hours=1)


class Hosts:
    """Hosts with a clock each and one time that passes for all of them; every process holds a queue."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.tick = Tick()
        self.systems: dict[str, MovingClock] = {}
        self.processes: dict[str, Housekeeper] = {}
        self.clocks: dict[str, SteadyClock] = {}
        with db.write() as connection:
            queues.activate(connection, ["A", "B", QUEUE], NOW)

    def system(self, host: str) -> MovingClock:
        """The clock that people set."""
        return self.systems.setdefault(host, MovingClock())

    def start(self, name: str, host: str = "") -> None:
        """A process with a name, on a host of that name if it is not told."""
        self.clocks[name] = SteadyClock(self.system(host or name), self.tick)
        made = Housekeeper(self.db, self.clocks[name], host or name, tick=self.tick, pause=self.let_pass)
        made.register()
        self.processes[name] = made

    def let_pass(self, seconds: float, but: Sequence[str] = ()) -> None:
        """Time passes and processes do their rounds."""
        left = seconds
        while left > 0:
            step = min(left, PERIOD)
            left -= step
            self.tick.now += step
            for each in self.systems.values():
                each.forward(seconds=step)
            for name, process in list(self.processes.items()):
                if name not in but:
                    process.round([])

    def claim(self, name: str, queue: str) -> None:
        """The process holds a queue."""
        fence = self.processes[name].owner().next_fence()
        with self.db.write() as connection:
            mine = update(QUEUE_SIZE.table).where(QUEUE_SIZE.table.c.name == queue)
            connection.execute(mine.values(QUEUE_SIZE.set(NOW + 100 * HOUR, fence)))

    def holder(self, queue: str) -> int:
        with self.db.read() as connection:
            fence = connection.scalar(select(QUEUE_SIZE.fence).where(QUEUE_SIZE.table.c.name == queue))
        return (fence or 0) >> 32

    def number(self, name: str) -> int:
        return self.processes[name].owner().owner_id

    def apart(self, one: str, other: str) -> timedelta:
        return abs(self.clocks[one]() - self.clocks[other]())


@pytest.fixture
def hosts(db: Database) -> Hosts:
    return Hosts(db)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_clocks_that_are_set_make_nobody_dead(hosts: Hosts, step: timedelta):
    hosts.start("A")
    hosts.start("B")
    hosts.claim("A", "A")
    hosts.claim("B", "B")
    for host in "AB":
        hosts.system(host).now += step
        hosts.let_pass(60)
    assert hosts.holder("A") == hosts.number("A")
    assert hosts.holder("B") == hosts.number("B")


@pytest.mark.parametrize("step", [timedelta(), HOUR, -HOUR])
def test_a_process_that_says_nothing_is_dead_after_twenty_seconds(hosts: Hosts, step: timedelta):
    hosts.start("A")
    hosts.start("B")
    hosts.claim("A", "A")
    hosts.system("B").now += step
    hosts.let_pass(15, but="A")
    assert hosts.holder("A") == hosts.number("A")
    hosts.let_pass(10, but="A")
    assert hosts.holder("A") == 0
    assert not hosts.processes["A"].is_alive()
    hosts.let_pass(5)
    assert hosts.processes["A"].is_alive()
    assert hosts.number("A") > hosts.number("B")


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_who_joins_on_a_host_whose_clock_was_set_takes_over_the_time_of_the_others(hosts: Hosts, step: timedelta):
    hosts.start("A")
    hosts.claim("A", "A")
    hosts.let_pass(60)
    hosts.system("A").now += step
    hosts.let_pass(60)
    hosts.start("B", host="A")
    assert hosts.apart("A", "B") < timedelta(seconds=10)
    hosts.let_pass(600)
    assert hosts.apart("A", "B") < timedelta(seconds=10)
    assert hosts.holder("A") == hosts.number("A")


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_hosts_that_do_not_agree_live_by_the_time_of_the_eldest(hosts: Hosts, step: timedelta):
    hosts.start("A")
    hosts.start("B")
    hosts.system("B").now += step
    hosts.let_pass(1800)
    for _ in range(100):
        hosts.let_pass(7)
        assert hosts.apart("A", "B") < timedelta(seconds=PERIOD + 1)
    assert hosts.clocks["A"]() == hosts.system("A")()


def test_time_does_not_go_back_while_nobody_runs(hosts: Hosts):
    hosts.start("A")
    hosts.let_pass(60)
    last = hosts.clocks["A"]()
    hosts.processes.pop("A").resign()
    hosts.system("A").now -= HOUR
    hosts.start("A")
    assert last - timedelta(seconds=PERIOD) <= hosts.clocks["A"]() <= last
    hosts.tick.now += 36000
    hosts.system("A").now += 10 * HOUR
    assert hosts.clocks["A"]() == hosts.system("A")()


def test_the_operator_is_told_once_that_a_clock_was_set(hosts: Hosts, capsys: pytest.CaptureFixture[str]):
    hosts.start("A")
    hosts.system("A").now += HOUR
    hosts.let_pass(60)
    assert capsys.readouterr().out.count("the clock of this host was set") == 1


def test_a_number_that_the_database_did_not_keep_is_not_used(hosts: Hosts):
    hosts.start("other")
    hosts.start("one")
    first, process = hosts.number("one"), hosts.processes["one"]
    with hosts.db.write() as connection:
        connection.execute(delete(owners).where(owners.c.owner_id == first))

    def refuse(connection: Connection) -> None:
        if len(connection.execute(select(owners)).all()) > 1:
            connection.connection.rollback()
            raise StoreUnavailableError("it restarts")

    event.listen(hosts.db.engine, "commit", refuse)
    with pytest.raises(StoreUnavailableError):
        process.round([])
    event.remove(hosts.db.engine, "commit", refuse)
    assert hosts.number("one") == first
    process.round([])
    with hosts.db.read() as connection:
        assert hosts.number("one") in set(connection.scalars(select(owners.c.owner_id)))
