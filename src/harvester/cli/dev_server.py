"""`harvester dev-server`: a small PanDA server to develop and try against."""

from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.operators import fail


def dev_server(
    host: Annotated[str, typer.Option(help="an address of this machine's loopback")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for a free one")] = 25080,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="SQLite file that outlives the server. Default: memory only.")
    ] = None,
) -> None:
    """Run a small PanDA server on this machine; its address is printed once it answers. SIGTERM or Ctrl-C ends it."""
    from harvester.panda.devserver import run_dev_server

    try:
        run_dev_server(host, port, state, on_ready=_say_address)
    except ValueError as error:
        fail(str(error))
    except OSError as error:
        fail(f"the development server cannot listen on {host}:{port}: {error.strerror or error}; choose another --port")


def _say_address(url: str) -> None:
    typer.echo(url)
