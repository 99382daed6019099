"""What `harvester db restore` does."""

from collections.abc import Sequence
from pathlib import Path

import typer

from harvester.cli.database import opened
from harvester.cli.database_care import require_no_process
from harvester.cli.shown import number_of
from harvester.startup.loading import settings_of
from harvester.store import restore as restoring


def restore(config: Sequence[Path] | None, path: Path, *, replace: bool) -> None:
    """Bring a backup back into the instance's database, and say what it has brought."""
    settings = settings_of(config)
    backup = restoring.open_backup(path)
    if settings.db.engine == "sqlite":
        Path(settings.db.database_filename).parent.mkdir(parents=True, exist_ok=True)
    with opened(config, may_be_new=True) as db:
        counted = restoring.restore(db, backup, replace=replace, may_begin=require_no_process)
    total = number_of(sum(counted.values()), "row")
    held = ", ".join(number_of(counted.get(f"{each}s", 0), each) for each in ("job", "worker"))
    typer.echo(f"{total} brought back from {path}, among them {held}")
    typer.echo(
        "workers that were made after the backup are unknown now: if there may be some, end them in the batch system. "
        "Nobody gets their numbers: the next start asks the server which it knows, and goes on well above them",
        err=True,
    )
