"""What workers of a probe run instead of a pilot, and batch scripts that ask for the same as those of a queue."""

from pathlib import Path
from typing import Final

HARMLESS_PAYLOAD: Final = 'echo "harvester test: $(date -u), $(uname -n), $(pwd)"; sleep 2'
"""Shell commands without braces, which would be placeholders; long enough to be seen running."""


def harmless_script(template: Path, directory: Path) -> Path:
    """A copy of a batch script that asks for the same and runs nothing.

    What a script asks for stands in the comments at its beginning, before the first command.

    Args:
        template: the script.
        directory: where the copy goes, under the same name.

    Raises:
        OSError: one of the two cannot be read or written.
    """
    lines = template.read_text(encoding="utf-8").splitlines()
    end = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    head = [line for line in lines[:end] if not line.startswith("#!")]
    copy = directory / template.name
    copy.write_text("\n".join(["#!/bin/sh", *head, HARMLESS_PAYLOAD, ""]), encoding="utf-8")
    return copy
