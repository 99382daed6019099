"""Files that are locked by whoever works on them, and lose their name when that is done."""

import os
from pathlib import Path


def is_named(path: Path, descriptor: int) -> bool:
    """Whether an open file has this name now: it may have lost it before its lock was ours."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(descriptor))
    except FileNotFoundError:
        return False
