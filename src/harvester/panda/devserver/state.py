"""Everything the development server knows, behind one lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import RLock

from harvester.panda.devserver.events import Events
from harvester.panda.devserver.files import Files
from harvester.panda.devserver.instances import Commands, Instances
from harvester.panda.devserver.jobs import Jobs
from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.searches import Searches
from harvester.panda.devserver.workers import Workers


class State:
    """Jobs, event ranges, points of searches, workers, instances, commands and files; each call is one turn.

    Args:
        state_file: a SQLite file that keeps everything, or None for memory only.
        adder_delay: seconds between a final report and the job's final status.
    """

    def __init__(self, clock: Callable[[], datetime], state_file: Path | None, adder_delay: float) -> None:
        self._clock = clock
        self._lock = RLock()
        self.memory = Memory(state_file)
        self.jobs = Jobs(self.memory, adder_delay)
        self.events = Events(self.memory)
        self.searches = Searches(self.memory)
        self.workers = Workers(self.memory, self.jobs)
        self.instances = Instances(self.memory)
        self.commands = Commands(self.memory)
        self.files = Files(self.memory)

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Run one call alone, at one moment; when it is over, all it changed is durable, even if it failed."""
        with self._lock:
            now = self._clock().timestamp()
            self.jobs.settle(now)
            try:
                yield now
            finally:
                self.memory.commit()

    def close(self) -> None:
        """Close the state file."""
        with self._lock:
            self.memory.close()
