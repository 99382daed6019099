"""What `harvester db status|upgrade|rename|dump|backup` do."""

import json
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, inspect

from harvester.cli.database import NothingToReadError, opened, reading, require_tables
from harvester.cli.shown import moment, number_of, print_fields, print_json, print_table
from harvester.config.findings import is_secret
from harvester.config.places import is_file
from harvester.config.secrets import HIDDEN, without_secrets
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.service import database_url, open_database
from harvester.startup.loading import settings_of
from harvester.startup.processes import list_living
from harvester.store import backup, belonging, census, migrate, rows
from harvester.store.leases import OwnerRecord
from harvester.store.schema import metadata, owners

Config = Sequence[Path] | None

_THOUSAND = 1000


class InstanceRunsError(HarvesterError):
    """Processes of the instance work with the database."""


# ---- status ----------------------------------------------------------------------------------------------------------


def show_status(config: Config, *, as_json: bool) -> None:
    """What the database is and holds, and whom it belongs to."""
    settings = settings_of(config)
    with opened(config, may_be_of_another=True) as db, db.read() as connection:
        found = census.take(connection)
        instance = belonging.instance_of(connection)
        processes = live_processes(connection)
    where = database_url(settings).render_as_string(hide_password=True)
    facts = {
        "engine": settings.db.engine,
        "server": found.server,
        "database": where,
        "instance": instance,
        "owner": found.account or _owner_of(Path(settings.db.database_filename)),
        "tables": found.tables,
        "newest": migrate.newest(),
        "size": found.size,
    }
    if as_json:
        print_json({**facts, "rows": found.rows, "processes": processes})
        return
    who = [f"{each.pid} on {each.host} since {moment(each.since)}" for each in processes]
    whose = instance or "none yet: the next start says whose it is"
    told = {
        "instance": whose,
        "tables": _standing(found.tables),
        "newest": None,
        "size": _size(found.size),
        "processes": who or "none",
    }
    print_fields({**facts, **told})
    print_table(("table", "rows"), sorted(found.rows.items()), empty="no tables yet")


def _standing(version: str | None) -> str:
    to_come = migrate.steps_from(version)
    if not to_come:
        return f"{version}, the newest"
    return f"{version or 'none yet'}; `harvester db upgrade` brings them to {migrate.newest()}"


def _owner_of(path: Path) -> str:
    found = path.stat()
    try:
        name = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        name = str(found.st_uid)
    return f"{name}, mode {found.st_mode & 0o777:04o}"


def _size(size: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < _THOUSAND:
            return f"{size:.3g} {unit}"
        size /= _THOUSAND
    return f"{size:.3g} GB"


def live_processes(connection: Connection) -> list[OwnerRecord]:
    """Those of the instance that live, as far as the tables can tell, whatever version they are at."""
    if not inspect(connection).has_table(owners.name):
        return []
    return list_living(connection, utc_now())


def require_no_process(connection: Connection) -> None:
    """Do nothing if nobody works with the database.

    Raises:
        InstanceRunsError: somebody does.
    """
    if living := live_processes(connection):
        who = ", ".join(f"process {each.pid} on {each.host}" for each in living)
        raise InstanceRunsError(
            f"the service runs: {who}; stop it first. One that was killed counts as gone within a minute"
        )


# ---- upgrade ---------------------------------------------------------------------------------------------------------


def upgrade(config: Config, *, dry_run: bool) -> None:
    """Bring the tables up to date, and say with which steps."""
    steps = _steps_to_come(config)
    if not steps:
        typer.echo(f"the tables are at {migrate.newest()}, the newest version; there is nothing to do")
        return
    for version, words in steps.items():
        typer.echo(f"{version}  {words}")
    if dry_run:
        typer.echo(f"{number_of(len(steps), 'step')} to do; nothing was changed")
        return
    with opened(config, may_be_new=True):
        open_database(settings_of(config)).close()
    typer.echo(f"the tables are at {migrate.newest()} now")


def _steps_to_come(config: Config) -> Mapping[str, str]:
    settings = settings_of(config).db
    if settings.engine == "sqlite" and not is_file(settings.database_filename):
        return migrate.steps_from(None)
    with opened(config) as db, db.read() as connection:
        migrate.require_ours(connection)
        steps = migrate.steps_from(migrate.current(connection))
        if steps:
            require_no_process(connection)
        return steps


# ---- rename ----------------------------------------------------------------------------------------------------------


def rename(config: Config, former: str) -> None:
    """Let the database of an instance that got another name go on as its own."""
    harvester_id = settings_of(config).master.harvester_id
    with opened(config, may_be_of_another=True) as db, db.write() as connection:
        require_tables(connection)
        require_no_process(connection)
        belonging.rename(connection, former, harvester_id)
    typer.echo(f"the database of instance {former} belongs to instance {harvester_id} now")


# ---- dump ------------------------------------------------------------------------------------------------------------


def dump(config: Config, names: Sequence[str] | None) -> None:
    """All rows of the tables, or of some, as lines of JSON.

    Raises:
        NothingToReadError: there is no such table.
    """
    for name in names or ():
        if name not in metadata.tables:
            raise NothingToReadError(f"there is no table {name}; there are {', '.join(sorted(metadata.tables))}")
    with reading(config) as connection:
        for name in names or sorted(metadata.tables):
            for page in rows.pages_of(connection, metadata.tables[name]):
                for row in page:
                    typer.echo(json.dumps({"table": name, **_shown(dict(row._mapping))}))  # noqa: SLF001 (public name)


def _shown(row: Mapping[str, object]) -> dict[str, JsonValue]:
    """Documents are kept under names that may speak of a secret."""
    plain: dict[str, JsonValue] = to_jsonable_python(row)
    shown = without_secrets(plain, is_written_here=False)
    is_secret_document = any(
        isinstance(value, str) and is_secret(value) for key, value in plain.items() if key.endswith("_key")
    )
    return {**shown, "data": HIDDEN} if is_secret_document and "data" in shown else shown


# ---- backup ----------------------------------------------------------------------------------------------------------


def back_up(config: Config, folder: Path | None, *, keep: int) -> None:
    """Make a backup."""
    master = settings_of(config).master
    with opened(config) as db:
        with db.read() as connection:
            migrate.require_ours(connection)
            if migrate.current(connection) is None:
                raise NothingToReadError("the database has no tables of Harvester yet, so there is nothing to keep")
        place = folder or Path(master.work_dir) / "backups"
        made = backup.back_up(db, place, master.harvester_id, utc_now(), keep=keep)
    typer.echo(str(made.path))
    typer.echo(f"{_size(made.size)}, {number_of(len(made.removed), 'older backup')} removed", err=True)
