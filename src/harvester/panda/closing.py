"""What keeps connections open until it is closed."""

from abc import ABC, abstractmethod
from typing import Self


class Closable(ABC):
    """Closed at the end of a `with` block, or by hand."""

    @abstractmethod
    def close(self) -> None:
        """Close idle connections; calls in other threads end first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
