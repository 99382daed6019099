"""Commands of Harvester without the right to override the permissions of files, whoever runs the tests."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

_WITHOUT_RIGHTS = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--") if os.geteuid() == 0 else ()
"""Root is an ordinary account without its capabilities, and still the owner of what it has made."""
_NOBODY = 65534


def call_without_rights(
    *arguments: str | Path, home: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `harvester` with these arguments comes to."""
    return subprocess.run(
        [*_WITHOUT_RIGHTS, sys.executable, "-P", "-m", "harvester", *arguments],
        env={**os.environ, "HOME": str(home), **(environment or {})},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def file_of_another(folder: Path, name: str) -> Path:
    """A file of days ago in a folder where, as in /tmp, nobody may remove what is somebody else's; only root makes it.

    Args:
        folder: where it is, made for it.
        name: of the file.
    """
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777 | stat.S_ISVTX)
    file = folder / name
    file.touch()
    days_ago = time.time() - 200_000
    os.utime(file, (days_ago, days_ago))
    for each in (folder, file):
        os.chown(each, _NOBODY, _NOBODY)
    return file
