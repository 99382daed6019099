"""Agents of two processes that know nothing of each other, each step of which comes whenever a test says."""

from collections.abc import Sequence
from typing import Any, ClassVar

from world import World

from harvester.agents.base import Agent, Unit


class Interleaving:
    """What was claimed and not acted on yet, and what was acted on and not committed yet.

    Attributes:
        agents: those that play.
        at_once: units that go on in one step.
    """

    agents: ClassVar[Sequence[type[Agent[Any, Any]]]]
    at_once: ClassVar[int] = 1

    def __init__(self, world: World) -> None:
        self.world = world
        self.claimed: list[tuple[Agent[Any, Any], Unit]] = []
        self.acted: list[tuple[Agent[Any, Any], Unit, Any]] = []

    def claim(self, n: int) -> None:
        agent = self.agents[n % len(self.agents)](self.world.instance)
        self.claimed += [(agent, unit) for unit in self.world.claim(agent)]

    def act(self, n: int) -> None:
        for _ in self.claimed[: self.at_once]:
            agent, unit = self.claimed.pop(n % len(self.claimed))
            self.acted.append((agent, unit, agent.act(unit)))

    def commit(self, n: int) -> None:
        for _ in self.acted[: self.at_once]:
            self.world.finish(*self.acted.pop(n % len(self.acted)))

    def whole_round(self, n: int) -> None:
        self.world.work(self.agents[n % len(self.agents)])

    def crash(self, _: int) -> None:
        self.claimed.clear()
        self.acted.clear()
        self.take_for_dead(0)

    def take_for_dead(self, _: int) -> None:
        """Others free the claims, and the process goes on nevertheless."""
        self.world.lose_claims()
