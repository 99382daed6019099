"""Writing so that a worker never reads half a file, and renaming what it wrote."""

import os
from datetime import datetime
from pathlib import Path

from harvester.core.errors import HarvesterError


class HopelessError(HarvesterError):
    """A worker cannot be served through its access point, now or later."""


class NotYetError(HarvesterError):
    """A worker cannot be served through its access point now."""


def write_atomically(path: Path, text: str, *, private: bool = False) -> None:
    """Give a file its content and its name in one step; what stood there before is replaced.

    Args:
        path: the file.
        text: its content.
        private: whether nobody but the owner may read it.
    """
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(new, flags, 0o600 if private else 0o644), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)


def put_aside(path: Path) -> None:
    """Keep an unusable file for the operator where nobody reads it again, under `<name>.invalid`."""
    path.replace(path.with_name(f"{path.name}.invalid"))


def stamp_of(now: datetime) -> str:
    """The moment as it stands in the names of acknowledged files (plugins reference §5.2)."""
    return now.strftime("%Y-%m-%d_%H_%M_%S.%f")
