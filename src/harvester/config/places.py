"""What stands at a path: nothing where this account cannot look, or where there cannot be anything."""

import os
import pwd
from collections.abc import Callable
from pathlib import Path


def is_there(path: str | Path) -> bool:
    """Whether there is anything."""
    return _answered(Path.exists, path)


def is_file(path: str | Path) -> bool:
    """Whether there is an ordinary file."""
    return _answered(Path.is_file, path)


def is_directory(path: str | Path) -> bool:
    """Whether there is a directory."""
    return _answered(Path.is_dir, path)


def why_unwritable(directory: Path) -> str:
    """Why nothing can be written there, empty if it can; a directory that is not there is made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"cannot be made: {error.strerror}"
    return "" if os.access(directory, os.W_OK | os.X_OK) else "cannot be written"


def why_unchangeable(file: Path) -> str:
    """Why a file cannot be changed, empty if it can or is not there."""
    if not is_there(file) or os.access(file, os.R_OK | os.W_OK):
        return ""
    return f"cannot be read and written by {this_account()}; it belongs to {_name_of(file.stat().st_uid)}"


def barred_by(path: Path) -> Path | None:
    """The directory that keeps this account from looking at the path; None if it can look."""
    try:
        path.stat()
    except PermissionError:
        return nearest_there(path)
    except OSError:
        return None
    return None


def this_account() -> str:
    """The name of the account that looks."""
    return _name_of(os.geteuid())


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def nearest_there(path: Path) -> Path:
    """The path itself, or the first of the directories above it that is there."""
    above = path.absolute()
    return next(each for each in (above, *above.parents) if os.access(each, os.F_OK))


def _answered(question: Callable[[Path], bool], path: str | Path) -> bool:
    try:
        return question(Path(path))
    except OSError:
        return False
