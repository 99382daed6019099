"""`harvester door-key`: makes or changes the keys that workers' tokens are signed with."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from harvester.cli.operators import ConfigOption, QueuesOption, fail

FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="the file, instead of [frontend] secretFile")
]
KeepOption = Annotated[int, typer.Option("--keep", min=0, help="how many of the present keys stay valid (2)")]
_ROOT: Final = 0


def door_key(
    config: ConfigOption = None, queues: QueuesOption = None, file: FileOption = None, keep: KeepOption = 2
) -> None:
    """Put a fresh key in front of those that workers' tokens are signed with; a running service takes it up at once."""
    from harvester.plugins.tools.lasting_files import rewrite
    from harvester.plugins.tools.worker_tokens import with_new_key

    named = file or _configured(config, queues)
    path = named.resolve()
    if os.geteuid() == _ROOT and (link := _first_of_others(_links_to(named.absolute()))):
        fail(
            f"{link} is a link of another account, on the way to {path}, which root would replace; name the file "
            "itself with --file, or run this as the account of the service"
        )
    try:
        rewrite(path, with_new_key(path, keep))
    except OSError as error:
        advice = "name a directory that this account may write, or run this as root or the account that the file is of"
        fail(f"{path} cannot be written: {error.strerror}; {advice}")
    typer.echo(f"{path} has a new key; tokens of {'the last ' + str(keep) if keep else 'no'} earlier keys stay valid")


def _configured(config: list[Path] | None, queues: Path | None) -> Path:
    from harvester.startup.account import open_place
    from harvester.startup.loading import load

    configuration = load(config, queues)
    files = filter(Path.exists, map(Path, configuration.files))
    if os.geteuid() == _ROOT and (theirs := next(filter(None, map(open_place, files)), None)):
        fail(
            f"others than root may change {theirs}, and so name any file of root's; run this as the account of the "
            "service, or name the file with --file"
        )
    secret_file = configuration.settings.frontend.secret_file
    if secret_file is None:
        fail("[frontend] secretFile is not set; set it, or name the file with --file")
    return Path(secret_file)


def _links_to(path: Path) -> Iterator[Path]:
    """The links that are followed on the way to a file, itself included."""
    for each in (*reversed(path.parents), path):
        if each.is_symlink():
            yield each
            yield from _links_to(each.parent / each.readlink() / path.relative_to(each))
            return


def _first_of_others(links: Iterator[Path]) -> Path | None:
    """Whoever has a directory can have a link there stand for any file, also for one that root alone may write."""
    return next((each for each in links if each.lstat().st_uid != _ROOT), None)
