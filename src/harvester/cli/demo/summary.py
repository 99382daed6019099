"""What came out of a demonstration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue
from rich.table import Table

from harvester.cli.demo.plan import Mode, ResourceKind


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of one demonstration, as the server recorded them.

    Attributes:
        jobs: all jobs; `finished` and `failed` are those that ended so.
        verified: jobs whose outputs are stored as the server was told.
        workers: all workers; `ended` and `missed` are those that finished or were never accepted.
        processes: starts of Slurm's commands by name; empty for other resources.
    """

    mode: Mode
    resource: ResourceKind
    jobs: int
    finished: int
    failed: int
    verified: int
    workers: int
    workers_finished: int
    workers_missed: int
    seconds: float
    processes: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether every job has finished and its outputs are where they should be."""
        return self.finished == self.verified == self.jobs

    def to_json(self) -> dict[str, JsonValue]:
        """The form for programs."""
        facts: dict[str, JsonValue] = {
            "mode": self.mode.value,
            "resource": self.resource.value,
            "jobs": {"total": self.jobs, "finished": self.finished, "failed": self.failed},
            "workers": {
                "submitted": self.workers,
                "finished": self.workers_finished,
                "missed": self.workers_missed,
            },
            "outputs": {"verified": self.verified},
            "seconds": round(self.seconds, 1),
        }
        return {**facts, "processes": dict(self.processes)} if self.processes else facts

    def to_table(self) -> Table:
        """The form for people."""
        table = Table(title=f"{self.jobs} jobs, {self.mode}, on {self.resource}", title_justify="left")
        for heading in ("", "in all", "finished", "failed or missed"):
            table.add_column(heading, justify="right" if heading else "left")
        table.add_row("jobs", str(self.jobs), str(self.finished), str(self.failed))
        table.add_row("workers", str(self.workers), str(self.workers_finished), str(self.workers_missed))
        table.add_row("outputs verified", str(self.jobs), str(self.verified), str(self.finished - self.verified))
        return table

    def caption(self) -> str:
        """How long it took, and what was started for it."""
        starts = ", ".join(f"{number} {name}" for name, number in self.processes.items())
        return f"{self.seconds:.1f} s" + (f"; processes started: {starts}" if starts else "")
