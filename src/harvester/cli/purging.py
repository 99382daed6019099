"""What the command `queue purge` does: it forgets a queue that no configuration names any more."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer
from sqlalchemy import Connection

from harvester.agents.facts import REMOTE_QUEUES
from harvester.cli.choosing import NotThereError
from harvester.cli.database import opened, reading, require_tables
from harvester.cli.deeds import confirm, time_of
from harvester.cli.overview import words_of_unknown
from harvester.cli.shown import number_of, print_json
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.startup.loading import NO_TROUBLES, load
from harvester.startup.processes import list_processes
from harvester.store import cache, purging, queues
from harvester.store.engine import Database
from harvester.store.purging import Belongings

Config = Sequence[Path] | None


class CannotPurgeError(HarvesterError):
    """The queue is still in use, or something outside would be forgotten with it."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What was deleted."""

    queue: str
    workers: int
    jobs: int


def purge(config: Config, name: str, *, abandon: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Say what there is, ask, and delete it."""
    found = what_there_is(config, name, abandon=abandon)
    if not as_json:
        for line in _words_of(name, found):
            typer.echo(line)
    if dry_run:
        if as_json:
            print_json({"queue": name, "dry_run": True, "may_go": found.may_go, "found": found})
        return
    require_harmless(name, found, abandon=abandon)
    confirm(f"delete all that is known of queue {name}?", yes=yes)
    done = purge_now(config, name, abandon=abandon)
    if as_json:
        print_json(done)
    else:
        typer.echo(f"queue {name} is gone: {number_of(done.workers, 'worker')}, {number_of(done.jobs, 'job')}")


def what_there_is(config: Config, name: str, *, abandon: bool) -> Belongings:
    """What the database has of a queue that may be purged; `abandon` as for `purge_now`.

    Raises:
        NotThereError: it has nothing of such a queue.
        CannotPurgeError: the queue is configured, or a process serves it.
    """
    _require_unconfigured(config, name)
    with reading(config) as connection:
        _require_unserved(connection, name)
        if not abandon:
            _require_elsewhere_unconfigured(connection, name)
        return purging.belongings(connection, name)


def require_harmless(name: str, found: Belongings, *, abandon: bool) -> None:
    """See that nothing outside is forgotten, unless that is wanted.

    Raises:
        CannotPurgeError: something would be.
    """
    if found.may_go or abandon:
        return
    raise CannotPurgeError(
        f"queue {name} still has {' and '.join(_open_ends(found))}; let a service that runs finish them, or kill the "
        f"workers with `harvester worker kill --queue {name}`, or forget them all the same with --abandon"
    )


def purge_now(config: Config, name: str, *, abandon: bool) -> Purged:
    """Delete it.

    Args:
        config: the main configuration.
        name: of the queue.
        abandon: also if something outside is forgotten with it, or the fetched queue configuration names it: a pool's
            may be fetched for other ends than to take the queues from it.

    Raises:
        CannotPurgeError: something has come meanwhile that must not be forgotten.
    """
    with opened(config) as db:
        with db.read() as connection:
            require_tables(connection)
            _require_unserved(connection, name)
            if not abandon:
                _require_elsewhere_unconfigured(connection, name)
            now = time_of(connection)
        workers = _part_by_part(db, lambda connection: purging.remove_workers(connection, name, now, abandon=abandon))
        jobs = _part_by_part(db, lambda connection: purging.remove_jobs(connection, name, abandon=abandon))
        if not db.transact(lambda connection: purging.remove_queue(connection, name)):
            what = f"{number_of(workers, 'worker')} and {number_of(jobs, 'job')} of queue {name} were deleted"
            raise CannotPurgeError(
                f"{what}; others must not be forgotten: look at it with `harvester queue show {name}`"
            )
    return Purged(name, workers, jobs)


def _part_by_part(db: Database, remove: Callable[[Connection], int]) -> int:
    total = 0
    while number := db.transact(remove):
        total += number
    return total


def _require_unconfigured(config: Config, name: str) -> None:
    queues_now = load(config, None).queues
    if name in queues_now.merged:
        at, _ = queues_now.merged[name].find("submitter")
        raise CannotPurgeError(f"queue {name} is configured ({at.file}); remove its entry first")
    if name in queues_now.refused:
        raise CannotPurgeError(f"queue {name} is configured, with an error; remove its entry first")


def _require_elsewhere_unconfigured(connection: Connection, name: str) -> None:
    """Look at what a service has fetched, whatever this shell knows of where it comes from."""
    document = cache.documents(connection, [REMOTE_QUEUES]).get(REMOTE_QUEUES)
    if isinstance(document, dict) and name in document:
        raise CannotPurgeError(
            f"queue {name} stands in the remote queue configuration, as a service has fetched it; remove its entry "
            f"there, and wait until the service has noticed. If the instance does not take its queues from there, "
            f"purge {name} all the same with --abandon"
        )


def _require_unserved(connection: Connection, name: str) -> None:
    state = next((each for each in queues.states(connection) if each.name == name), None)
    if state is None:
        raise NotThereError(words_of_unknown(connection, name, NO_TROUBLES, utc_now()))
    if state.active and any(each.alive for each in list_processes(connection, utc_now())):
        raise CannotPurgeError(f"a process still serves queue {name}; wait until it has noticed that its entry is gone")


def _open_ends(found: Belongings) -> Iterator[str]:
    if found.outside:
        yield f"{number_of(found.outside, 'worker')} that may exist on the resource"
    if found.jobs_untold:
        yield f"{number_of(found.jobs_untold, 'job')} that the server waits for"
    if found.workers_untold:
        yield f"{number_of(found.workers_untold, 'worker')} of whose end the server has not heard"


def _words_of(name: str, found: Belongings) -> Iterator[str]:
    yield f"queue {name} has {number_of(found.workers, 'worker')} and {number_of(found.jobs, 'job')}"
    for words in _open_ends(found):
        yield f"  {words}"
    if found.uncleaned:
        yield (
            f"  {number_of(found.uncleaned, 'ended worker')} whose access points were not cleaned up yet: "
            "they stay where they are"
        )
