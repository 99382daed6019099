"""`harvester db …`."""

from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption, YesOption

db_app = typer.Typer(no_args_is_help=True, help="Look after the database.")


@db_app.command("status")
def status(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Show what the database is, whom it belongs to, how large it is and what it holds."""
    from harvester.cli import database_care

    database_care.show_status(config, as_json=as_json)


@db_app.command("upgrade")
def upgrade(
    config: ConfigOption = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
) -> None:
    """Make the tables, or bring them up to date; `harvester run` does that too."""
    from harvester.cli import database_care

    database_care.upgrade(config, dry_run=dry_run)


@db_app.command("rename")
def rename(
    former: Annotated[str, typer.Argument(metavar="OLD", help="the harvester_id that the instance had before")],
    config: ConfigOption = None,
) -> None:
    """Let an instance whose harvester_id was changed keep its database; the service must not run."""
    from harvester.cli import database_care

    database_care.rename(config, former)


@db_app.command("dump")
def dump(
    config: ConfigOption = None,
    table: Annotated[list[str] | None, typer.Option(metavar="NAME", help="only this one; may be repeated")] = None,
) -> None:
    """Print all rows, one JSON object per line, for people and programs; secrets are hidden."""
    from harvester.cli import database_care

    database_care.dump(config, table)


@db_app.command("backup")
def backup(
    config: ConfigOption = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="where backups are. Default: backups in [master] workDir")
    ] = None,
    keep: Annotated[int, typer.Option(min=0, help="so many of the newest are kept, 0 for all")] = 7,
) -> None:
    """Make a backup, also while the service runs, and print its name."""
    from harvester.cli import database_care

    database_care.back_up(config, to, keep=keep)


@db_app.command("restore")
def restore(
    backup: Annotated[Path, typer.Argument(metavar="FILE", help="a backup, of this engine or another one")],
    config: ConfigOption = None,
    *,
    replace: Annotated[bool, typer.Option("--replace", help="remove the rows that are there")] = False,
    yes: YesOption = False,
) -> None:
    """Bring a backup back; the service must not run."""
    from harvester.cli import database_restore

    database_restore.restore(config, backup, replace=replace, yes=yes)
