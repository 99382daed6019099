"""Work that one process does for all: once per period, by one at a time, taken over from the dead."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from world import World

from harvester.agents.duties import Duty
from harvester.store import leases
from harvester.store.leases import Owner


def process(world: World, pid: int, work: Callable[[], None]) -> tuple[Duty, Owner]:
    now = world.clock()
    with world.db.write() as connection:
        owner = leases.register_owner(connection, "here", pid, "", now=now, expires_at=now + timedelta(seconds=20))
    return Duty(world.instance, lambda: owner, name="sums", period=300, work=work), owner


def test_one_process_does_it_once_per_period(world: World):
    done: list[str] = []
    first, _ = process(world, 1, lambda: done.append("first"))
    second, _ = process(world, 2, lambda: done.append("second"))
    first.round()
    second.round()
    world.clock.forward(seconds=301)
    second.round()
    first.round()
    assert done == ["first", "second"]


def test_a_round_may_say_when_the_next_one_is_due(world: World):
    done: list[timedelta] = []
    pauses = [timedelta(seconds=20), timedelta(seconds=300)]
    _, owner = process(world, 1, lambda: None)

    def work() -> None:
        done.append(pauses[len(done)])

    duty = Duty(world.instance, lambda: owner, name="others", period=300, work=work, pause=lambda: done[-1])
    for seconds in (0, 19, 1, 299):
        world.clock.forward(seconds=seconds)
        duty.round()
    assert done == pauses


def test_what_failed_is_due_again_at_once(world: World):
    done: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    first, _ = process(world, 1, fail)
    second, _ = process(world, 2, lambda: done.append("second"))
    with pytest.raises(ValueError, match="no"):
        first.round()
    second.round()
    assert done == ["second"]


def test_a_long_round_stays_with_its_process_as_long_as_that_renews_it(world: World):
    done: list[str] = []
    second, _ = process(world, 2, lambda: done.append("second"))

    def take_long() -> None:
        for _ in range(5):
            world.clock.forward(seconds=50)
            first.renew()
            second.round()
        done.append("first")

    first, _ = process(world, 1, take_long)
    first.round()
    assert done == ["first"]


def test_another_process_takes_over_from_a_dead_one(world: World):
    done: list[str] = []
    second, _ = process(world, 2, lambda: done.append("second"))

    def die() -> None:
        with world.db.write() as connection:
            leases.release_owner(connection, dead.owner_id, world.clock())
        second.round()

    first, dead = process(world, 1, die)
    first.round()
    assert done == ["second"]
    world.clock.forward(seconds=200)
    second.round()
    assert done == ["second"], "what the dead one puts down late changes nothing"
