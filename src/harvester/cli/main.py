"""The command line; each command imports what it needs when it is called, so that `--help` is quick."""

from typing import Annotated

import typer

from harvester.cli.check import check
from harvester.cli.database_group import db_app
from harvester.cli.demo.command import demo
from harvester.cli.dev_server import dev_server
from harvester.cli.door_key import door_key
from harvester.cli.init.command import init
from harvester.cli.instance_groups import cache_app, config_app
from harvester.cli.job_group import job_app
from harvester.cli.operators import OperatorGroup, show_version
from harvester.cli.probe_group import probe_app
from harvester.cli.queue_group import queue_app
from harvester.cli.run import run
from harvester.cli.status import status
from harvester.cli.worker_group import worker_app

app = typer.Typer(
    cls=OperatorGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    """Take jobs from a PanDA server, hold the right number of workers, and bring every result home."""


app.command()(init)
app.command()(check)
app.command()(run)
app.command()(status)
app.add_typer(queue_app, name="queue")
app.add_typer(worker_app, name="worker")
app.add_typer(job_app, name="job")
app.add_typer(config_app, name="config")
app.add_typer(cache_app, name="cache")
app.add_typer(probe_app, name="test")
app.add_typer(db_app, name="db")
app.command()(demo)
app.command("door-key")(door_key)
app.command("dev-server")(dev_server)
