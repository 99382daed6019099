"""What the commands `cache ls` and `cache refresh` do."""

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from harvester.agents.cacher import Cacher
from harvester.agents.fetching import Fetcher
from harvester.cli.database import opened, reading, require_tables
from harvester.cli.shown import number_of, print_json, print_table
from harvester.config.cache_lines import read_lines
from harvester.probes.beside import instance_beside, private_documents
from harvester.startup.loading import settings_of
from harvester.store import cache
from harvester.store.cache import Attempt

Config = Sequence[Path] | None


def list_documents(config: Config, *, as_json: bool) -> None:
    """What is kept, how old it is, and what came of asking for it anew."""
    with reading(config) as connection:
        found = cache.states(connection)
    if as_json:
        print_json(found)
        return
    headings = ("document", "last good one of", "asked for at", "problem")
    rows = [(str(each.key), each.refreshed_at, each.tried_at, each.problem) for each in found]
    print_table(
        headings, rows, empty="nothing was fetched yet; [cacher] data says what is, a service that runs does it"
    )


def refresh_documents(config: Config, *, as_json: bool) -> None:
    """Fetch everything now and say what came of it; exit code 1 if something did not come."""
    attempts = refresh(config)
    if as_json:
        print_json([{"document": str(each.key), "problem": each.problem} for each in attempts])
    else:
        for each in attempts:
            typer.echo(f"{each.key}: {each.problem or 'fetched'}")
        typer.echo(f"{number_of(len(attempts), 'document')} asked for", err=True)
    if any(each.problem for each in attempts):
        raise typer.Exit(1)


def refresh(config: Config) -> Sequence[Attempt]:
    """Fetch all that `[cacher] data` names, however old it is; a service that runs takes it over within seconds."""
    settings = settings_of(config)
    lines, _ = read_lines(settings.cacher.data, os.environ)
    with opened(config) as db:
        with db.read() as connection:
            require_tables(connection)
        instance = instance_beside(settings, db)
        fetcher = Fetcher(instance.panda, settings.pandacon)
        try:
            return Cacher(instance, lines, fetcher, private_documents(settings), forgets=False).refresh()
        finally:
            instance.panda.close()
