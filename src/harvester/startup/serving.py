"""One process at work: heeds orders, and says that it lives as long as it really does."""

from typing import Final

from harvester.service import Harvester
from harvester.startup.doors import ProcessDoor
from harvester.startup.orders import Order, Orders
from harvester.startup.states import State, Tell

STOP_SECONDS: Final = 25.0
"""How long work in hand may take after the order to stop; a clean stop takes less than 30 s in all."""
_BEAT: Final = 10.0
"""Seconds between two signs of life."""
_GLANCE: Final = 0.1
_STUCK: Final = 120.0
"""Seconds without a round of the housekeeper after which this process no longer says that it lives; a round that fails
because the database is away is one."""


def serve(harvester: Harvester, orders: Orders, tell: Tell, door: ProcessDoor) -> Order:
    """Let the agents work, and workers in, until an order comes; returns it."""
    tell(State.READY)
    while True:
        order = orders.wait(_BEAT)
        if order:
            return order
        door.open_if_wanted()
        if harvester.silence < _STUCK:
            tell(State.ALIVE)


def serve_once(harvester: Harvester, orders: Orders) -> None:
    """Let every agent look for work once; the order to stop ends it earlier."""
    while not harvester.has_looked_everywhere() and orders.wait(_GLANCE) is not Order.STOP:
        pass
