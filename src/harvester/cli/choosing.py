"""From the options that choose workers to the conditions on their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from harvester.cli.database import reading
from harvester.cli.deeds import span_of, time_of
from harvester.cli.operators import UsageMistakeError
from harvester.cli.overview import words_of_unknown
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.core.holds import EVERY_QUEUE
from harvester.core.workers import WorkerStatus
from harvester.startup.loading import queue_troubles
from harvester.store import queues
from harvester.store.worker_choice import WorkerChoice

Config = Sequence[Path] | None


class NotThereError(HarvesterError):
    """Nobody knows a queue, worker or job of this name."""


class UnreadableFilterError(UsageMistakeError):
    """An option cannot be understood."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the options say; empty for what was not said.

    Attributes:
        ids: numbers of workers.
        queues: names; `*` stands for all.
        older_than: as in `2h`.
    """

    ids: Sequence[int] = ()
    queues: Sequence[str] = ()
    statuses: Sequence[WorkerStatus] = ()
    computing_elements: Sequence[str] = ()
    submission_hosts: Sequence[str] = ()
    older_than: str | None = None

    @property
    def are_empty(self) -> bool:
        """Whether nothing was said at all."""
        return self == Filters()


def choice_of(connection: Connection, filters: Filters) -> WorkerChoice:
    """The conditions that the options mean; `require_known` has looked at the queues that they name.

    Raises:
        UnreadableFilterError: a time is none.
    """
    named = [name for name in filters.queues if name != EVERY_QUEUE]
    return WorkerChoice(
        ids=filters.ids or None,
        queues=named if named and len(named) == len(filters.queues) else None,
        statuses=filters.statuses or None,
        computing_elements=filters.computing_elements or None,
        submission_hosts=filters.submission_hosts or None,
        made_before=None if filters.older_than is None else time_of(connection) - _age(filters.older_than),
    )


def require_known(config: Config, named: Sequence[str]) -> None:
    """See that there are such queues, in transactions of its own: to say what is wrong may take long.

    Raises:
        NotThereError: there never was one of these.
    """
    wanted = [name for name in named if name != EVERY_QUEUE]
    if not wanted:
        return
    with reading(config) as connection:
        known = {each.name for each in queues.states(connection)}
    unknown = next((name for name in wanted if name not in known), None)
    if unknown is None:
        return
    troubles = queue_troubles(config)
    with reading(config) as connection:
        raise NotThereError(words_of_unknown(connection, unknown, troubles, utc_now()))


def _age(text: str) -> timedelta:
    if (span := span_of(text)) is None:
        raise UnreadableFilterError(f"--older-than {text}: write a time as 30m, 2h or 3d")
    return span
