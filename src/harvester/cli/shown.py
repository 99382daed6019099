"""Values as people and programs see them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table

Word = TypeVar("Word", bound=str)


def print_json(value: object) -> None:
    """Values, enums and moments as JSON on standard output."""
    typer.echo(json.dumps(to_jsonable_python(value), indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Rows under headings; when there are none, a sentence instead."""
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*map(cell, row))
    if not table.row_count:
        typer.echo(empty, err=True)
        return
    console = _console()
    with console.capture() as drawn:
        console.print(table)
    for line in drawn.get().splitlines():
        typer.echo(line.rstrip())  # a table fills its last column with blanks


def print_fields(fields: Mapping[str, object]) -> None:
    """One name and value per line; what is not known is left out."""
    known = {cell(name): text for name, value in fields.items() if (text := cell(value))}
    width = max(map(len, known), default=0)
    for name, text in known.items():
        typer.echo(f"{name:<{width}}  {text}")


def cell(value: object) -> str:
    """A value in few words; empty for nothing."""
    match value:
        case None | "" | () | []:
            return ""
        case datetime():
            return moment(value)
        case Mapping():
            return ", ".join(f"{cell(key)} {cell(each)}" for key, each in value.items())
        case list() | tuple():
            return ", ".join(map(cell, value))
        case _:
            return _printable(str(value))


def moment(value: datetime) -> str:
    """A moment in UTC, to the second."""
    return f"{value:%Y-%m-%d %H:%M:%S}"


def counts(by_status: Mapping[Word, int]) -> str:
    """Numbers by status, those above zero."""
    return ", ".join(f"{number} {status}" for status, number in sorted(by_status.items()) if number) or "none"


def number_of(number: int, one: str, many: str = "") -> str:
    """A number with its noun, as in "1 worker" and "2 workers"."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _printable(text: str) -> str:
    """Words of workers and servers must not steer the terminal."""
    return "".join(each if each.isprintable() else " " for each in text)


def _console() -> Console:
    """As wide as the terminal; elsewhere lines are never broken."""
    console = Console(markup=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, highlight=False, width=10_000)
