"""`harvester door-key`: makes or changes the keys that workers' tokens are signed with."""

from pathlib import Path
from typing import Annotated

import typer

from harvester.cli.operators import ConfigOption, QueuesOption, fail

FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="the file, instead of [frontend] secretFile")
]
KeepOption = Annotated[int, typer.Option("--keep", min=0, help="how many of the present keys stay valid (2)")]


def door_key(
    config: ConfigOption = None, queues: QueuesOption = None, file: FileOption = None, keep: KeepOption = 2
) -> None:
    """Put a fresh key in front of those that workers' tokens are signed with; a running service takes it up at once."""
    from harvester.plugins.tools.lasting_files import rewrite
    from harvester.plugins.tools.worker_tokens import with_new_key

    path = (file or _configured(config, queues)).resolve()
    try:
        rewrite(path, with_new_key(path, keep))
    except OSError as error:
        advice = "name a directory that this account may write, or run this as root or the account that the file is of"
        fail(f"{path} cannot be written: {error.strerror}; {advice}")
    typer.echo(f"{path} has a new key; tokens of {'the last ' + str(keep) if keep else 'no'} earlier keys stay valid")


def _configured(config: list[Path] | None, queues: Path | None) -> Path:
    from harvester.startup.loading import load

    secret_file = load(config, queues).settings.frontend.secret_file
    if secret_file is None:
        fail("[frontend] secretFile is not set; set it, or name the file with --file")
    return Path(secret_file)
