"""What the command `worker kill` does: workers are marked, and the service asks their resources to end them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from sqlalchemy import Connection

from harvester.cli.choosing import Filters, choice_of, require_known
from harvester.cli.database import reading, writing
from harvester.cli.deeds import author, confirm, time_of
from harvester.cli.operators import UsageMistakeError
from harvester.cli.overview import words_of_rest
from harvester.cli.shown import number_of, print_json, print_table
from harvester.core.clock import utc_now
from harvester.core.jobs import Kill
from harvester.store import worker_choice, workers
from harvester.store.worker_choice import LiveWorkers, WorkerChoice

Config = Sequence[Path] | None
Choose = Callable[[Connection], WorkerChoice]
"""Says which workers are meant, at the time of the transaction."""

_AGENT = "operator"


class CannotKillError(UsageMistakeError):
    """It is not said which workers are meant, or only ended ones are."""


def kill(config: Config, filters: Filters, *, reason: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Show whom it means, ask, and mark them."""
    _require_meaning(filters)
    require_known(config, filters.queues)
    _tell_of_unknown(config, filters.ids)

    def choose(connection: Connection) -> WorkerChoice:
        return choice_of(connection, filters)

    groups = whom_it_means(config, choose)
    number = sum(each.number for each in groups)
    if not as_json:
        _print_groups(groups)
    marked: Sequence[int] = ()
    if number and not dry_run:
        confirm(f"kill {number_of(number, 'worker')}?", yes=yes)
        marked = condemn(config, choose, reason)
    if as_json:
        print_json({"found": number, "marked": sorted(marked), "dry_run": dry_run, "groups": groups})
    elif number and not dry_run:
        _print_deed(config, number, len(marked))


def whom_it_means(config: Config, choose: Choose) -> list[LiveWorkers]:
    """The workers that live, by where they are."""
    with reading(config) as connection:
        return worker_choice.live_by_place(connection, choose(connection))


def condemn(config: Config, choose: Choose, reason: str = "") -> list[int]:
    """Mark the workers that live and are not marked yet; returns these. Chosen and marked in one transaction."""
    cause = f"killed by {author()}{f': {reason.strip()}' if reason.strip() else ''}"
    with writing(config) as connection:
        chosen = worker_choice.live(connection, choose(connection))
        return workers.request_kill(connection, dict.fromkeys(chosen, Kill(cause)), time_of(connection), _AGENT)


def _require_meaning(filters: Filters) -> None:
    if filters.are_empty:
        raise CannotKillError(
            "say which workers: by their numbers, or by --queue, --status, --ce, --host, --older-than"
        )
    if ended := sorted(each for each in filters.statuses if each.is_final):
        raise CannotKillError(f"--status {ended[0]}: workers that have ended cannot be killed")


def _tell_of_unknown(config: Config, ids: Sequence[int]) -> None:
    """Numbers that no worker has, which may be slips: the others are killed all the same."""
    if not ids:
        return
    with reading(config) as connection:
        known = {each.worker_id for each in worker_choice.listed(connection, WorkerChoice(ids=ids), len(ids))}
    if unknown := sorted(set(ids) - known):
        numbers = ", ".join(map(str, unknown))
        typer.echo(f"nothing is known of worker {numbers}; `harvester worker ls` lists those there are", err=True)


def _print_groups(groups: Sequence[LiveWorkers]) -> None:
    headings = ("queue", "status", "computing element", "submission host", "workers", "to be killed already")
    rows = [
        (each.queue, each.status, each.computing_element, each.submission_host, each.number, each.condemned or "")
        for each in groups
    ]
    print_table(headings, rows, empty="no live workers are meant")


def _print_deed(config: Config, found: int, marked: int) -> None:
    already = f", {found - marked} were to be killed already or have ended" if found > marked else ""
    typer.echo(f"{number_of(marked, 'worker')} will be killed{already}")
    with reading(config) as connection:
        for line in words_of_rest(connection, utc_now()):
            typer.echo(line)
