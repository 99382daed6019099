"""The hosts of an instance: their credentials."""

from collections.abc import Sequence
from datetime import datetime

import typer

from harvester.cli.shown import print_table
from harvester.core.credentials import hours, outlook
from harvester.store.credentials import CredentialRecord


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
