"""`harvester init`."""

from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.init.choices import Engine, Mode, Resource
from harvester.cli.operators import fail


def init(  # noqa: PLR0917 - each is an option of the command line
    home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="where files go. Default: PANDA_HOME, or the environment of Python or conda"),
    ] = None,
    harvester_id: Annotated[str | None, typer.Option(metavar="NAME", help="as registered in the PanDA server")] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="of the PanDA server, as in https://host:25443")
    ] = None,
    cert: Annotated[Path | None, typer.Option(metavar="FILE", help="proxy or certificate to log in with")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="its key. Default: the same file")] = None,
    ca_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="CA bundle. Default: the system's")] = None,
    token: Annotated[Path | None, typer.Option(metavar="FILE", help="token to log in with, in place of --cert")] = None,
    origin: Annotated[str | None, typer.Option(metavar="VO", help="virtual organisation of the token")] = None,
    engine: Annotated[Engine | None, typer.Option(help="of the database. Default: sqlite")] = None,
    db_host: Annotated[str | None, typer.Option(metavar="HOST", help="of the database server")] = None,
    db_port: Annotated[int | None, typer.Option(min=1, max=65535, metavar="PORT", help="likewise")] = None,
    db_user: Annotated[str, typer.Option(metavar="NAME", help="account there")] = "harvester",
    db_schema: Annotated[str, typer.Option(metavar="NAME", help="database there")] = "HARVESTER",
    db_password_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="file with the password of that account; - for standard input")
    ] = None,
    queue: Annotated[list[str] | None, typer.Option(metavar="NAME", help="queue to serve; may be repeated")] = None,
    resource: Annotated[Resource | None, typer.Option(help="where workers run")] = None,
    mode: Annotated[Mode, typer.Option(help="who fetches jobs: Harvester (push) or the pilots (pull)")] = Mode.PUSH,
    pilot: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="what a worker runs; demo for the pilot of `harvester demo`")
    ] = None,
    logdir: Annotated[Path | None, typer.Option(metavar="DIR", help="log files. Default: var/log/panda in DIR")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="account of the service. Default: this one")] = None,
    group: Annotated[str | None, typer.Option(metavar="NAME", help="its group. Default: that of the account")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="write files anew; the old ones are kept beside them")] = False,
    no_check: Annotated[bool, typer.Option("--no-check", help="do not end with `harvester check`")] = False,
) -> None:
    """Write the configuration of an instance, and files to run it as a service; ask for what nobody told."""
    from harvester.cli.init.answers import Given, IncompleteError
    from harvester.cli.init.making import make

    given = Given(
        home=home,
        harvester_id=harvester_id,
        server=server,
        cert=cert,
        key=key,
        ca_cert=ca_cert,
        token=token,
        origin=origin,
        engine=engine,
        db_host=db_host,
        db_port=db_port,
        db_user=db_user,
        db_schema=db_schema,
        db_password_file=db_password_file,
        queues=tuple(queue or ()),
        resource=resource,
        mode=mode,
        pilot=pilot,
        logdir=logdir,
        user=user,
        group=group,
    )
    try:
        is_good = make(given, force=force, check=not no_check)
    except IncompleteError as error:
        fail(str(error), code=2)
    if not is_good:
        raise typer.Exit(1)
