"""What the commands `config show`, `queue config` and `queue versions` do."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import typer
from pydantic import JsonValue

from harvester.cli.choosing import NotThereError
from harvester.cli.database import NothingToReadError, reading
from harvester.cli.overview import words_of_unknown
from harvester.cli.shown import print_json, print_table
from harvester.config import effective
from harvester.config.effective import DEFAULT, Effective
from harvester.config.findings import nearest
from harvester.config.versions import digest_of
from harvester.core.clock import utc_now
from harvester.startup.loading import Configuration, load, queue_troubles
from harvester.store import queue_versions
from harvester.store.queue_versions import KeptVersion, QueueVersion

Config = Sequence[Path] | None


# ---- the instance ----------------------------------------------------------------------------------------------------


def show_config(config: Config, section: str | None, *, written: bool, as_json: bool) -> None:
    """The main configuration as it counts; of one section, or what is written alone, if that is wanted."""
    values = effective_settings(load(config, None))
    sections = {each.path[0] for each in values}
    if section is not None and section not in sections:
        near = nearest(section, sections)
        advice = f"did you mean {near}?" if near else f"there are {', '.join(sorted(sections))}"
        raise NotThereError(f"there is no section {section}; {advice}")
    wanted = [each for each in values if section in {None, each.path[0]}]
    _print_values(wanted, {}, written=written, as_json=as_json)


def effective_settings(configuration: Configuration) -> list[Effective]:
    """All keys of the main configuration."""
    return effective.of_settings(configuration.loaded, configuration.settings)


# ---- queues ----------------------------------------------------------------------------------------------------------


def show_queue(config: Config, name: str | None, number: int | None, *, written: bool, as_json: bool) -> None:
    """The configuration of a queue as it counts now, or as it was with a version that is kept."""
    if number is not None:
        _show_version(config, name, number, as_json=as_json)
        return
    if name is None:
        raise NotThereError("name a queue, or one of the versions that `harvester queue versions` lists with --id")
    configuration = load(config, None)
    values = effective_queue(configuration, name, config)
    about = {
        "queue": name,
        "served": _served(configuration, name),
        "version": present_versions(configuration, [name], config).get(name),
    }
    _print_values(values, about, written=written, as_json=as_json)


def effective_queue(configuration: Configuration, name: str, config: Config) -> list[Effective]:
    """All attributes of a queue as they count now.

    Raises:
        NotThereError: the configuration has no such queue.
    """
    queues = configuration.queues
    if name in queues.merged:
        return effective.of_queue(queues.merged[name], queues.queues.get(name))
    try:
        with reading(config) as connection:
            kept = queue_versions.kept(connection, name)
            why = words_of_unknown(connection, name, queue_troubles(config), utc_now())
    except NothingToReadError:
        raise NotThereError(f"no queue {name} is configured; `harvester check` names the files that are read") from None
    if kept:
        advice = f"show what is kept of it with --id {kept[-1].number}"
        raise NotThereError(f"no queue {name} is configured any more; {advice}")
    raise NotThereError(why)


def present_versions(configuration: Configuration, names: Collection[str], config: Config) -> dict[str, int]:
    """The numbers that a service has given to the present configurations; without those that none has seen yet."""
    queues = configuration.queues.queues
    digests = {name: digest_of(queues[name]) for name in names if name in queues}
    try:
        with reading(config) as connection:
            return queue_versions.numbers_of(connection, digests)
    except NothingToReadError:
        return {}


def _served(configuration: Configuration, name: str) -> str:
    queues = configuration.queues
    if errors := queues.errors.get(name):
        return "\n  ".join(["no: its configuration has an error:", *(each.as_line() for each in errors)])
    return "yes" if name in queues.active else f"no: {queues.unserved.get(name, '')}"


def versions_of(config: Config, numbers: Sequence[int]) -> list[QueueVersion]:
    """Versions that are kept, their secrets left out, in the order of the numbers.

    Raises:
        NotThereError: there is none of one of the numbers.
    """
    with reading(config) as connection:
        found = queue_versions.find(connection, numbers)
    for number in numbers:
        if number not in found:
            raise NotThereError(f"no version {number} is kept; `harvester queue versions` lists those that are")
    return [found[number] for number in numbers]


def _show_version(config: Config, name: str | None, number: int, *, as_json: bool) -> None:
    (found,) = versions_of(config, [number])
    if name not in {None, found.queue}:
        raise NotThereError(f"version {number} is of queue {found.queue}, not of {name}")
    if as_json:
        print_json({"queue": found.queue, "version": number, "config": found.config})
        return
    typer.echo(f"queue {found.queue}, version {number}")
    rows = [(key, _shown(value)) for key, value in _flat(found.config).items()]
    print_table(("key", "value"), rows, empty="it is empty")


def list_versions(config: Config, name: str | None, *, as_json: bool) -> None:
    """The versions that are kept."""
    found = kept_versions(config, name)
    if as_json:
        print_json(found)
        return
    headings = ("version", "queue", "jobs", "workers", "in use at")
    rows = [(each.number, each.queue, each.jobs, each.workers, each.confirmed_at) for each in found]
    print_table(headings, rows, empty="no version is kept yet; a service that runs stores them")


def kept_versions(config: Config, name: str | None = None) -> list[KeptVersion]:
    """The versions that are kept, of one queue or of all."""
    with reading(config) as connection:
        return queue_versions.kept(connection, name)


# ---- both ------------------------------------------------------------------------------------------------------------


def _print_values(values: Sequence[Effective], about: Mapping[str, object], *, written: bool, as_json: bool) -> None:
    wanted = [each for each in values if not written or each.origin != DEFAULT]
    if as_json:
        origins = {each.key: each.origin for each in wanted}
        print_json({**about, "config": effective.as_tree(wanted), "origins": origins})
        return
    if about:
        typer.echo(", ".join(f"{key} {value}" for key, value in about.items() if value is not None))
    rows = [(each.key, _shown(each.value), each.origin) for each in wanted]
    print_table(("key", "value", "from"), rows, empty="nothing is written")


def _shown(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def _flat(config: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The attributes, and what is in objects by its own."""
    flat: dict[str, JsonValue] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= {f"{key}.{name}": each for name, each in value.items()}
        else:
            flat[key] = value
    return flat
