"""`harvester door-key`: makes or changes the keys that workers' tokens are signed with."""

import os
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
    from harvester.plugins.tools.atomic_files import write_atomically
    from harvester.plugins.tools.worker_tokens import with_new_key

    path = file or _configured(config, queues)
    try:
        text = with_new_key(path, keep)
        owner = path.stat() if path.exists() and os.geteuid() == 0 else None
        write_atomically(str(path.absolute()), text, private=True)
        if owner:  # the account of the service goes on to read what root has renewed
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}; name a directory that this account may write")
    typer.echo(f"{path} has a new key; tokens of {'the last ' + str(keep) if keep else 'no'} earlier keys stay valid")


def _configured(config: list[Path] | None, queues: Path | None) -> Path:
    from harvester.startup.loading import load

    secret_file = load(config, queues).settings.frontend.secret_file
    if secret_file is None:
        fail("[frontend] secretFile is not set; set it, or name the file with --file")
    return Path(secret_file)
