"""How a service does, and who is told: the service manager, whoever started a daemon, the parent of its processes."""

from collections.abc import Callable
from enum import Enum


class State(Enum):
    """What a process of the service says of itself; the values are its words to its parent."""

    WAITING = b"w"
    """The database is away: it starts as soon as that is back."""
    READY = b"r"
    """It works."""
    ALIVE = b"a"
    """It still does."""
    RELOADING = b"l"
    """It starts anew, with its present configuration."""
    STOPPING = b"s"
    """It was told to stop."""


Tell = Callable[[State], None]
"""Takes the news."""


def to_all(*listeners: Tell) -> Tell:
    """Tells each of them."""

    def tell(state: State) -> None:
        for listener in listeners:
            listener(state)

    return tell
