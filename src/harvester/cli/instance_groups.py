"""`harvester config …` and `harvester cache …`: what concerns the instance as a whole."""

from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, JsonOption, WrittenOption

config_app = typer.Typer(no_args_is_help=True, help="Look at the main configuration.")
cache_app = typer.Typer(no_args_is_help=True, help="Look at documents that are fetched from elsewhere, and fetch them.")


@config_app.command("show")
def show_config(
    section: Annotated[str | None, typer.Argument(metavar="SECTION")] = None,
    config: ConfigOption = None,
    *,
    written: WrittenOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the main configuration as it counts, and where each value comes from; secrets are hidden."""
    from harvester.cli import configuring

    configuring.show_config(config, section, written=written, as_json=as_json)


@cache_app.command("ls")
def list_documents(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """List the documents that are kept, and how old they are."""
    from harvester.cli import caching

    caching.list_documents(config, as_json=as_json)


@cache_app.command("refresh")
def refresh_documents(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Fetch all documents now, however old they are."""
    from harvester.cli import caching
    from harvester.logs import show_errors_alone

    show_errors_alone()
    caching.refresh_documents(config, as_json=as_json)
