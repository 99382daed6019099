"""What all benchmarks have in common: their options, what they count of this process, and their last line."""

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import event

from databases import ENGINES
from harvester.store.engine import Database

Figures = Mapping[str, object]


def options(description: str | None, engines: Sequence[str] = ENGINES) -> argparse.ArgumentParser:
    """A command line with the options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--engine", choices=engines, default=engines[0])
    parser.add_argument("--json", action="store_true", help="nothing but the figures, on the last line")
    parser.add_argument(
        "--access-points",
        metavar="DIR",
        help="where the access points are made; beside the database by default, in memory for example in /dev/shm",
    )
    return parser


def tell(figures: Figures, *, as_json: bool) -> None:
    """Print the figures for people, unless they are unwanted, and as JSON on the last line."""
    if not as_json:
        for name, value in figures.items():
            print(f"{name:40} {value}")
    print(json.dumps(figures), flush=True)


@dataclass
class Stopwatch:
    """Wall seconds and CPU seconds of this process since it was made."""

    wall: float = field(default_factory=time.monotonic)
    cpu: float = field(default_factory=time.process_time)

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return time.monotonic() - self.wall

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all threads so far."""
        return time.process_time() - self.cpu


def peak_rss_mib() -> float:
    """The most memory that this process ever held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


@dataclass
class Statements:
    """Counts SQL statements by their first words."""

    by_kind: Counter[str] = field(default_factory=Counter)

    def listen(self, db: Database) -> None:
        """Count from now on."""
        event.listen(db.engine, "before_cursor_execute", self._count)

    @property
    def total(self) -> int:
        """All of them; what only opens a transaction does not count."""
        return sum(number for kind, number in self.by_kind.items() if not kind.startswith("BEGIN"))

    def show(self, per: float) -> None:
        """Print the most frequent ones per so many workers to standard error."""
        for kind, number in self.by_kind.most_common(45):
            print(f"{number / per:8.2f}  {kind}", file=sys.stderr)

    def _count(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        self.by_kind[" ".join(statement.split()[:3])] += 1
