"""What all commands share: their options, and errors that an operator can act on instead of tracebacks."""

import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from harvester.core.errors import HarvesterError

ConfigOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--config", metavar="FILE", help="panda_harvester.cfg; may be repeated, later ones win. Default: search path."
    ),
]
QueuesOption = Annotated[
    Path | None, typer.Option("--queues", metavar="FILE", help="queue configuration, instead of [qconf] configFile")
]
JsonOption = Annotated[bool, typer.Option("--json", help="for programs: JSON on standard output")]


def fail(message: str) -> NoReturn:
    """End the command with a message and exit code 1."""
    typer.secho(f"harvester: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(1)


def warn(message: str) -> None:
    """Tell the operator something that ends nothing."""
    typer.secho(f"harvester: {message}", err=True, fg=typer.colors.YELLOW)


class OperatorGroup(TyperGroup):
    """Shows errors that were raised on purpose, and those of the operating system, as one line."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in the framework, whose context type is private
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os._exit(1)  # nobody reads any more, not even a complaint
        except HarvesterError as error:
            fail(str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}")
