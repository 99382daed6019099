"""A newcomer at a shell in an empty directory, who types what a page says."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Self

import psutil

from system_harness.wheel import make_wheel

MAKES_WHEEL = "python3 -m pip wheel"
"""What a newcomer need not type: it takes the network, and what it makes is there."""
_HANGS_AFTER = 90
_GLANCE = 0.05


class Newcomer:
    """A shell that gets one line after the other; whatever it has started is gone when it is closed.

    The tree is bare: a wheel of the sources, and no network. What the wheel needs is found where the tests have it, as
    soon as there is a virtual environment.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._done = place / "done"
        make_wheel(place / "dist")
        programs = place / "programs"
        programs.mkdir()
        (programs / "python3").symlink_to(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}")
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(place),
            "PIP_NO_INDEX": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        self._said = (place / "said").open("w+b")
        self._shell = subprocess.Popen(
            ["bash", "--norc", "-m"],
            cwd=place,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        children = psutil.Process(self._shell.pid).children(recursive=True)
        for each in children:
            each.kill()
        psutil.wait_procs(children)
        self._shell.kill()
        self._shell.wait()
        assert self._shell.stdin
        self._shell.stdin.close()
        self._said.close()

    def types(self, line: str) -> str:
        """What is said until the line is done; it has to end well."""
        code, said = self.tries(line)
        assert code == 0, f"$ {line}\n{said}"
        return said

    def tries(self, line: str) -> tuple[int, str]:
        """Exit code and what is said until the line is done."""
        begin = os.fstat(self._said.fileno()).st_size
        assert self._shell.stdin
        self._shell.stdin.write(f"{line}\necho $? >{self._done}.new; mv {self._done}.new {self._done}\n".encode())
        self._shell.stdin.flush()
        until = time.monotonic() + _HANGS_AFTER
        while not self._done.exists():
            assert time.monotonic() < until, f"$ {line}\n{self._since(begin)}"
            time.sleep(_GLANCE)
        code = int(self._done.read_text())
        self._done.unlink()
        return code, self._since(begin)

    def enters_environment(self) -> None:
        """From now on the libraries of the tests are found in the virtual environment `harvester`."""
        (site_packages,) = (self.place / "harvester/lib").glob("python3*/site-packages")
        (site_packages / "libraries-of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def _since(self, begin: int) -> str:
        with Path(self._said.name).open(errors="replace") as said:
            said.seek(begin)
            return said.read()
