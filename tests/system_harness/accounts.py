"""Commands of Harvester without the right to override the permissions of files, whoever runs the tests."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_WITHOUT_RIGHTS = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--") if os.geteuid() == 0 else ()
"""Root is an ordinary account without its capabilities, and still the owner of what it has made."""


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
