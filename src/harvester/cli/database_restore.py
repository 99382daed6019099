"""What `harvester db restore` does."""

from collections.abc import Sequence
from pathlib import Path

import typer
from sqlalchemy import Connection

from harvester.cli.database import opened
from harvester.cli.database_care import require_no_process
from harvester.cli.deeds import confirm
from harvester.cli.shown import number_of
from harvester.startup.loading import settings_of
from harvester.store import belonging
from harvester.store import restore as restoring
from harvester.store.belonging import OtherInstanceError


def restore(config: Sequence[Path] | None, path: Path, *, replace: bool, yes: bool) -> None:
    """Ask if rows have to go, bring a backup back into the instance's database, and say what it has brought."""
    settings = settings_of(config)
    harvester_id = settings.master.harvester_id
    backup = restoring.open_backup(path)
    if backup.heading.instance not in (None, harvester_id):
        raise OtherInstanceError(_words_of_other(path, str(backup.heading.instance), harvester_id))
    if settings.db.engine == "sqlite":
        Path(settings.db.database_filename).parent.mkdir(parents=True, exist_ok=True)

    def may_begin(connection: Connection) -> None:
        require_no_process(connection)
        belonging.require(connection, harvester_id)

    with opened(config, may_be_new=True) as db:
        if replace:
            with db.read() as connection:
                may_begin(connection)
                filled = restoring.filled_tables(connection)
            if filled:
                confirm(f"remove all rows of {', '.join(filled)} and bring {path} back?", yes=yes)
        counted = restoring.restore(db, backup, replace=replace, may_begin=may_begin)
    total = number_of(sum(counted.values()), "row")
    held = ", ".join(number_of(counted.get(f"{each}s", 0), each) for each in ("job", "worker"))
    typer.echo(f"{total} brought back from {path}, among them {held}")
    typer.echo(
        "workers that were made after the backup are unknown now: if there may be some, end them in the batch system. "
        "Nobody gets their numbers: the next start asks the server which it knows, and goes on well above them",
        err=True,
    )


def _words_of_other(path: Path, found: str, harvester_id: str) -> str:
    return (
        f"{path} is a backup of instance {found}, not of {harvester_id}; take another one, or correct [master] "
        f"harvester_id. To go on with it under a new name: bring it back with harvester_id = {found}, then change that "
        f"and do `harvester db rename {found}`"
    )
