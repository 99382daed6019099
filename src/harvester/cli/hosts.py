"""The hosts of an instance: their credentials, and what the service uses there."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from math import inf
from typing import Final

import typer

from harvester.cli.shown import cell, moment, print_table
from harvester.core.credentials import hours, outlook
from harvester.core.measuring import LIFETIMES
from harvester.store.credentials import CredentialRecord
from harvester.store.measurements import Measurement

_MOST_SHOWN: Final = 10
"""An issuer gives tokens for hundreds of computing elements."""


def print_credentials(records: Sequence[CredentialRecord], now: datetime) -> None:
    """A table of credentials, and what somebody has to do something about; nothing without any."""
    if not records:
        return
    typer.echo()
    headings = ("credential", "host", "set-up", "hours left", "valid until", "checked", "renewed")
    shown, number_left_out = _most_urgent(records)
    print_table(headings, [_row(each, now) for each in shown], empty="")
    for (host, setup), number in number_left_out.items():
        typer.echo(f"{number} more of {setup} on {host} last longer")
    for each in shown:
        if words := outlook(each.valid_until, each.problem, now).words:
            typer.echo(f"{each.name} on {each.host}: {words}")


def _most_urgent(records: Sequence[CredentialRecord]) -> tuple[list[CredentialRecord], Counter[tuple[str, str]]]:
    """Of each set-up on each host those that need somebody first, and how many others there are."""
    seen: Counter[tuple[str, str]] = Counter()
    chosen: set[tuple[str, str]] = set()
    for each in sorted(records, key=_urgency):
        place = each.host, each.setup
        seen[place] += 1
        if seen[place] <= _MOST_SHOWN:
            chosen.add((each.host, each.name))
    left_out = Counter({place: number - _MOST_SHOWN for place, number in seen.items() if number > _MOST_SHOWN})
    return [each for each in records if (each.host, each.name) in chosen], left_out


def _urgency(record: CredentialRecord) -> tuple[bool, float]:
    return not record.problem, record.valid_until.timestamp() if record.valid_until else inf


def _row(record: CredentialRecord, now: datetime) -> tuple[object, ...]:
    left = "" if record.valid_until is None else max(hours(record.valid_until - now), 0.0)
    when = (record.valid_until, record.checked_at, record.renewed_at)
    return (record.name, record.host, record.setup, left, *when)


def print_measurements(found: Sequence[Measurement]) -> None:
    """What was measured last on each host; credentials have a table of their own."""
    for each in found:
        metrics = {name: value for name, value in each.metrics.items() if name != LIFETIMES}
        typer.echo(f"measured on {each.host} at {moment(each.at)}: {cell(metrics)}")
