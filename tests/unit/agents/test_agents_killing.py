"""Kills are repeated until a worker is seen to have ended, and fill no history."""

from collections.abc import Sequence

import pytest
from running_workers import start
from world import World

from harvester.agents.killer import Killer
from harvester.core.jobs import Kill
from harvester.core.workers import Worker
from harvester.plugins.api import Later
from harvester.store import history, workers


@pytest.fixture
def unwanted(world: World) -> int:
    """A running worker that is to be killed."""
    (worker,) = start(world, 1)
    with world.db.write() as connection:
        workers.request_kill(connection, {worker: Kill("unwanted")}, world.clock(), "test")
    return worker


def kill(world: World) -> None:
    world.work(Killer)
    world.clock.forward(hours=1)


def said(world: World, worker: int) -> list[str]:
    with world.db.read() as connection:
        events = history.of(connection, history.Kind.WORKER, worker)
    return [each.cause for each in events if each.became == "kill sent"]


def test_what_the_resource_says_again_is_not_written_again(world: World, unwanted: int):
    for _ in range(3):
        kill(world)
    assert [worker for worker, _ in world.resource.killed] == [unwanted] * 3
    assert said(world, unwanted) == ["the resource was asked to end it"]


def test_what_it_says_otherwise_is_written(world: World, unwanted: int, monkeypatch: pytest.MonkeyPatch):
    def away(some: Sequence[Worker]) -> Sequence[Later]:
        return [Later("x" * 600) for _ in some]

    kill(world)
    with monkeypatch.context() as patch:
        patch.setattr(world.resource, "kill", away)
        kill(world)
        kill(world)
    kill(world)
    asked = "the resource was asked to end it"
    assert said(world, unwanted) == [asked, "x" * 500, asked]
