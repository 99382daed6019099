"""How a queue configuration names commands."""

import shlex
from typing import Annotated

from pydantic import BeforeValidator, Field


def _words(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


Command = Annotated[tuple[str, ...], BeforeValidator(_words), Field(min_length=1)]
"""A program with its first arguments, as a list or as text with shell quoting: `"sudo -n -u atlas sbatch"`."""
