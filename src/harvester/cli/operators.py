"""What all commands share: their options, and errors that an operator can act on instead of tracebacks."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

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
Limit = Annotated[int, typer.Option(min=1, help="the newest so many")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="only say what would be done")]
WrittenOption = Annotated[bool, typer.Option("--written", help="leave out what nobody has written")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


_UsageError: Final[Any] = typer.BadParameter.__base__
"""What the framework raises for all that it cannot make sense of; it has no public name there."""


class UsageMistakeError(HarvesterError):
    """What was said on the command line cannot be understood."""


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End the command with a message and an exit code."""
    typer.secho(f"harvester: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(code)


def show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it with the option's value
    """The option `--version`."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"harvester {version('harvester')}")
        raise typer.Exit


def _in_words(message: str) -> str:
    """What the framework says of an argument, without the words of the library that checked it."""
    message, _, _ = message.partition(", unable to parse")
    message = re.sub(r"\. Did you mean (.*)\?$", r", did you mean \1", message)
    for theirs, ours in (
        ("Value error, ", ""),
        ("Input should be", "must be"),
        ("a valid integer", "a whole number"),
        ("greater than or equal to", "at least"),
        ("less than or equal to", "at most"),
    ):
        message = message.replace(theirs, ours)
    return message.rstrip(".")


def warn(message: str) -> None:
    """Tell the operator something that ends nothing."""
    typer.secho(f"harvester: {message}", err=True, fg=typer.colors.YELLOW)


@contextmanager
def _mistakes_of_usage() -> Iterator[None]:
    """What was called wrongly is told in one line; a group that was called without a command shows its help."""
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        where = error.ctx.command_path if error.ctx else "harvester"
        fail(f"{_in_words(error.format_message())}; see `{where} --help`", code=2)


class OperatorGroup(TyperGroup):
    """Shows errors that were raised on purpose, and those of the operating system, as one line."""

    def make_context(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as in the framework
        """Read the options before the command."""
        with _mistakes_of_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as in the framework, whose context type is private
        """Run the command."""
        try:
            with _mistakes_of_usage():
                return super().invoke(ctx)
        except BrokenPipeError:
            os._exit(1)  # nobody reads any more, not even a complaint
        except UsageMistakeError as error:
            fail(str(error), code=2)
        except HarvesterError as error:
            fail(str(error))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}")
