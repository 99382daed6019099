"""Whether the processes of an instance work and are of use: what `/health` says, told by the database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import typer
from sqlalchemy import Connection

from harvester.core.health import Verdict, liveness, readiness
from harvester.startup.processes import list_processes


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """One process that has not taken leave, by what it told last."""

    host: str
    pid: int
    live: Verdict
    ready: Verdict

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to complain about."""
        return self.live.ok and self.ready.ok


def check_up(connection: Connection, now: datetime) -> list[ProcessHealth]:
    """All processes of the instance."""
    found = []
    for each in list_processes(connection, now):
        silent = {} if each.alive else {"process": "it is dead, or has not spoken in time"}
        ready = readiness(each.report, has_started=bool(each.report.parts), database_problem="")
        found.append(ProcessHealth(each.host, each.pid, Verdict({**liveness(each.report).reasons, **silent}), ready))
    return found


def print_check_up(found: Sequence[ProcessHealth]) -> None:
    """For people."""
    for each in found:
        words = [f"{name}: {'yes' if verdict.ok else 'NO'}" for name, verdict in _questions(each)]
        typer.echo(f"process {each.pid} on {each.host}: {', '.join(words)}")
        for name, verdict in _questions(each):
            for part, reason in verdict.reasons.items():
                typer.echo(f"  not {name}: {part}: {reason}")
    if not found:
        typer.echo("No process of this instance runs; start it with `harvester run`.")


def _questions(process: ProcessHealth) -> Iterator[tuple[str, Verdict]]:
    yield "live", process.live
    yield "ready", process.ready
