"""What the commands `pause`, `drain` and `resume` do."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import typer

from harvester.cli.choosing import require_known
from harvester.cli.database import writing
from harvester.cli.deeds import author, span_of, time_of
from harvester.cli.operators import UsageMistakeError
from harvester.core.errors import HarvesterError
from harvester.core.holds import EVERY_QUEUE, Hold, HoldMode, hold_of
from harvester.store import holds

Config = Sequence[Path] | None

_LONGEST_REASON: Final = 500


class CannotHoldError(UsageMistakeError):
    """A queue cannot be held back as it was asked for."""


class StillHeldError(HarvesterError):
    """A queue was resumed, and something else holds it back."""


def hold_back(config: Config, queue: str, mode: HoldMode, *, reason: str, until: str | None) -> None:
    """Store that a queue is paused or drained."""
    if not reason.strip():
        raise CannotHoldError("say why with --reason, for those who wonder later")
    require_known(config, [queue])
    with writing(config) as connection:
        now = time_of(connection)
        hold = Hold(queue, mode, reason.strip()[:_LONGEST_REASON], author(), now, _end(until, now) if until else None)
        holds.put(connection, hold)
    typer.echo(f"{_name(queue)} is {hold.words}")


def resume(config: Config, queue: str) -> None:
    """Store that a queue is held back no longer."""
    require_known(config, [queue])
    with writing(config) as connection:
        was_held = holds.remove(connection, queue, time_of(connection))
        still = hold_of(queue, holds.present(connection), time_of(connection))
    if still is not None:
        name = "all queues" if still.queue == EVERY_QUEUE else still.queue
        own = "its own hold was lifted, but " if was_held else ""
        raise StillHeldError(f"{own}{_name(queue)} is still {still.words}; resume {name}")
    typer.echo(f"{_name(queue)} {'goes on' if was_held else 'was not held back'}")


def _name(queue: str) -> str:
    return "the instance" if queue == EVERY_QUEUE else f"queue {queue}"


def _end(text: str, now: datetime) -> datetime:
    """`2h`, `30m`, `3d` from now, or a moment as in `2026-03-01 18:00`, in UTC unless it names its zone."""
    if span := span_of(text):
        return now + span
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CannotHoldError(f"--until {text}: write a time as 2h, 3d or 2026-03-01 18:00 (UTC)") from None
    end = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if end <= now:
        raise CannotHoldError(f"--until {text} is over already; it is {now:%Y-%m-%d %H:%M} UTC")
    return end.astimezone(UTC)
