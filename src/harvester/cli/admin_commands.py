"""What the commands of `harvester-admin` do: they call what `harvester` calls, and print what scripts expect."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from harvester.core.errors import HarvesterError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pydantic import JsonValue
    from sqlalchemy import Connection

    from harvester.startup.loading import Configuration
    from harvester.store.worker_choice import WorkerChoice

log = logging.getLogger("harvester.admin")

ATTRIBUTES: Final = ("harvesterID", "version", "commit_info", "harvester_config")
_ALL: Final = ["ALL"]
_NO_FIFO: Final = (
    "there are no FIFOs: the monitor takes what is due from the database, and nothing has to be filled again"
)


class NothingNamedError(HarvesterError):
    """Neither queues nor a way to choose them are given."""


# ---- the instance ----------------------------------------------------------------------------------------------------


def test(_: argparse.Namespace) -> None:
    """A message of each level, and a line."""
    for level in (logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG):
        log.log(level, "Harvester Admin Tool: test %s", logging.getLevelName(level))
    _print("Harvester Admin Tool: test")


def get(read: argparse.Namespace) -> str:
    """An attribute; of the configuration secrets are hidden."""
    from importlib.metadata import version

    from harvester.cli import configuring
    from harvester.config import effective
    from harvester.startup.loading import load, settings_of

    match read.attribute:
        case "harvesterID":
            found = settings_of(read.config).master.harvester_id
        case "version":
            found = version("harvester")
        case "commit_info":
            found = _commit() or "no commit is known: Harvester was not installed from a git repository"
        case _:
            tree = effective.as_tree(configuring.effective_settings(load(read.config, None)))
            found = _as_json(tree)
    _print(found)
    return found


def _commit() -> str:
    """The commit that was installed, if pip knows it; else an empty text."""
    from importlib.metadata import distribution

    origin = distribution("harvester").read_text("direct_url.json")
    about: object = json.loads(origin).get("vcs_info", {}) if origin else {}
    return str(about.get("commit_id", "")) if isinstance(about, dict) else ""


def answer_benchmark(_: argparse.Namespace) -> None:
    """What has replaced it."""
    _print(f"{_NO_FIFO}; `harvester test database` tells how fast the database is")


def answer_repopulate(_: argparse.Namespace) -> None:
    """What has replaced it."""
    _print(f"{_NO_FIFO}; `harvester status` tells what the agents do")


def refresh_cache(read: argparse.Namespace) -> int:
    """As `harvester cache refresh`; returns how many documents came."""
    from harvester.cli import caching

    attempts = caching.refresh(read.config)
    for each in attempts:
        if each.problem:
            log.error("%s: %s", each.key, each.problem)
    return sum(1 for each in attempts if not each.problem)


# ---- queues ----------------------------------------------------------------------------------------------------------


def list_queues(read: argparse.Namespace) -> None:
    """Active queues; with `--all` the configurations that are kept, as `harvester queue versions` lists them."""
    from harvester.cli import configuring
    from harvester.startup.loading import load

    if not read.all:
        for name in sorted(load(read.config, None).queues.active):
            _print(name)
        return
    _print("configID : queue name")
    _print("--------- ------------")
    for each in configuring.kept_versions(read.config):
        _print(f"{each.number:8} : {each.queue}")


def dump_queues(read: argparse.Namespace) -> list[str]:
    """As `harvester queue config`; returns the names of the queues."""
    dumped = dict(_kept(read) if read.id_list else _present(read))
    if read.json:
        _print(_as_json(dumped))
    else:
        for name, attributes in dumped.items():
            _print(name)
            for key, value in attributes.items():
                _print(f"  {key} : {json.dumps(value, ensure_ascii=False)}")
    return list(dumped)


def _kept(read: argparse.Namespace) -> list[tuple[str, dict[str, JsonValue]]]:
    from harvester.cli import configuring

    found = configuring.versions_of(read.config, read.id_list)
    return [(each.queue, {**each.config, **_identity(each.queue, each.number)}) for each in found]


def _present(read: argparse.Namespace) -> list[tuple[str, dict[str, JsonValue]]]:
    from harvester.cli import configuring
    from harvester.config import effective
    from harvester.startup.loading import load

    configuration = load(read.config, None)
    names = _names(read, configuration)
    values = {name: configuring.effective_queue(configuration, name, read.config) for name in names}
    numbers = configuring.present_versions(configuration, names, read.config)
    return [(name, {**effective.as_tree(values[name]), **_identity(name, numbers.get(name))}) for name in names]


def _identity(name: str, number: int | None) -> dict[str, JsonValue]:
    return {"queueName": name, "configID": number}


def refresh_queues(read: argparse.Namespace) -> int:
    """As `harvester queue reload`; returns how many processes obey."""
    from harvester.cli import reloading

    return reloading.order_reload(read.config)


def purge_queue(read: argparse.Namespace) -> object:
    """As `harvester queue purge --yes`."""
    from harvester.cli import purging

    found = purging.what_there_is(read.config, read.queue, abandon=read.abandon)
    if read.dry_run:
        _print(f"{read.queue} has {found.workers} workers and {found.jobs} jobs")
        return found
    purging.require_harmless(read.queue, found, abandon=read.abandon)
    done = purging.purge_now(read.config, read.queue, abandon=read.abandon)
    _print(f"Purged {read.queue} from harvester DB")
    return done


# ---- workers and jobs ------------------------------------------------------------------------------------------------


def kill_workers(read: argparse.Namespace) -> int:
    """As `harvester worker kill --yes`; returns how many are killed."""
    from harvester.cli import killing
    from harvester.core.workers import WorkerStatus
    from harvester.store.worker_choice import WorkerChoice

    statuses = None if read.status == _ALL else {each for each in WorkerStatus if each.value in read.status}
    choice = WorkerChoice(
        queues=_named(read.sites),
        statuses=statuses,
        computing_elements=_named(read.ces),
        submission_hosts=_named(read.submissionhosts),
    )

    def choose(_: Connection) -> WorkerChoice:
        return choice

    if read.dry_run:
        groups = killing.whom_it_means(read.config, choose)
        number = sum(each.number - each.condemned for each in groups)
    else:
        number = len(killing.condemn(read.config, choose))
    _print(
        f"Sweeper {'would' if read.dry_run else 'will soon'} kill {number} workers, with "
        f"status in {_shown(read.status)}, computingSite in {_shown(read.sites)}, "
        f"computingElement in {_shown(read.ces)}, submissionHost in {_shown(read.submissionhosts)}"
    )
    return number


def _named(words: Sequence[str]) -> Sequence[str] | None:
    return None if words == _ALL else words


def _shown(words: Sequence[str]) -> object:
    return "ALL" if words == _ALL else list(words)


def query_workers(read: argparse.Namespace) -> object:
    """Numbers of workers of queues."""
    from harvester.cli.database import reading
    from harvester.startup.loading import load
    from harvester.store import views

    names = _names(read, load(read.config, None))
    with reading(read.config) as connection:
        found = views.workers_by_kind(connection, names)
    _print(_as_json(found))
    return found


def query_jobs(read: argparse.Namespace) -> object:
    """Numbers of jobs of queues."""
    from harvester.cli.database import reading
    from harvester.startup.loading import load
    from harvester.store import views

    names = _names(read, load(read.config, None))
    with reading(read.config) as connection:
        found = views.jobs_by_kind(connection, names)
    _print(_as_json(found))
    return found


def _names(read: argparse.Namespace, configuration: Configuration) -> list[str]:
    """The queues that are meant: all active ones, or those that are named."""
    if read.all:
        return sorted(configuration.queues.active)
    if not read.queue_list:
        raise NothingNamedError("name a queue, or say -a for all active ones")
    return list(read.queue_list)


def _as_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=4)


def _print(text: str) -> None:
    print(text)  # noqa: T201 (this is a command)
