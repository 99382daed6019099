"""The hosts of an instance: their credentials, and what the service uses there."""

from collections.abc import Sequence
from datetime import datetime

import typer

from harvester.cli.shown import cell, moment, print_table
from harvester.core.credentials import hours, outlook
from harvester.core.measuring import LIFETIMES
from harvester.store.credentials import CredentialRecord
from harvester.store.measurements import Measurement


def print_credentials(records: Sequence[CredentialRecord], now: datetime) -> None:
    """A table of credentials, and what somebody has to do something about; nothing without any."""
    if not records:
        return
    typer.echo()
    headings = ("credential", "host", "set-up", "hours left", "valid until", "checked", "renewed")
    print_table(headings, [_row(each, now) for each in records], empty="")
    for each in records:
        if words := outlook(each.valid_until, each.problem, now).words:
            typer.echo(f"{each.name} on {each.host}: {words}")


def _row(record: CredentialRecord, now: datetime) -> tuple[object, ...]:
    left = "" if record.valid_until is None else max(hours(record.valid_until - now), 0.0)
    when = (record.valid_until, record.checked_at, record.renewed_at)
    return (record.name, record.host, record.setup, left, *when)


def print_measurements(found: Sequence[Measurement]) -> None:
    """What was measured last on each host; credentials have a table of their own."""
    for each in found:
        metrics = {name: value for name, value in each.metrics.items() if name != LIFETIMES}
        typer.echo(f"measured on {each.host} at {moment(each.at)}: {cell(metrics)}")
