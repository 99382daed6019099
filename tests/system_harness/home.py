"""A `PANDA_HOME` with the shipped service files, as an operator has it, owned by the account of the service."""

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from harvester.setup_files import PLACES, Values, render
from harvester.store import leases, migrate
from harvester.store.engine import Database, server_url
from real_services import EmptyDatabase
from system_harness.site import Sections, Site

_DEADLINE = 90.0
_GLANCE = 0.1


class Home(Site):
    """A site whose Harvester is started by service files, in an environment of the distribution's Python.

    Attributes:
        values: what the service files are filled in with.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], mariadb: EmptyDatabase) -> None:
        super().__init__(directory)
        self._mariadb = mariadb
        self._source = Path(environment["SOURCE"])
        self._database = Database(
            server_url(
                "mariadb",
                host=mariadb.host,
                port=mariadb.port,
                user=mariadb.user,
                password=mariadb.password,
                schema=mariadb.name,
            ),
            1,
        )
        migrate.upgrade(self._database)
        self.values = Values(
            panda_home=directory,
            virtual_env=Path(environment["VENV"]),
            user=environment["USER"],
            group=environment["GROUP"],
            log_dir=directory / "var" / "log",
            run_dir=directory / "run",
        )
        self.variables: dict[str, str] = {}
        """What is set in the sysconfig file besides."""
        for folder in (self.values.log_dir, self.values.run_dir, self.storage):
            folder.mkdir(parents=True, exist_ok=True)
        for name, place in PLACES.items():
            path = directory / place.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(render(name, self.values))
            path.chmod(place.mode)

    # ---- configuration

    @property
    def configuration(self) -> Path:
        """The main configuration file."""
        return self.directory / "etc" / "panda" / "panda_harvester.cfg"

    @property
    def queue_file(self) -> Path:
        """The queue configuration file."""
        return self.directory / "etc" / "panda" / "panda_queueconfig.json"

    @property
    def pilot_command(self) -> list[str]:
        """Starts a pilot in the environment of the service."""
        pilot = self._source / "harvester" / "cli" / "pilot.py"
        words = [str(self.values.virtual_env / "bin" / "python"), "-S", "-P", str(pilot)]
        return [*words, "--journal", str(self.journal)]

    def _own_sections(self) -> Sections:
        account = {"uname": self.values.user, "gname": self.values.group}
        sections = {**super()._own_sections()}
        sections["master"] = {**sections["master"], **account}
        sections["frontend"] = {"type": "apache", "secretFile": self.directory / "door.key"}
        there = self._mariadb
        keys = {"engine": "mariadb", "host": there.host, "port": there.port, "user": there.user}
        sections["db"] = {**keys, "password": there.password, "schema": there.name}
        return sections

    def set_variables(self, **variables: object) -> None:
        """Set variables of the sysconfig file, as an operator does with an editor."""
        path = self.directory / PLACES["sysconfig"].path
        lines = path.read_text().splitlines()
        for name, value in variables.items():
            place = next(number for number, line in enumerate(lines) if line.startswith(f"export {name}="))
            lines[place] = f"export {name}={value}"
        path.write_text("\n".join(lines) + "\n")

    def hand_over(self) -> None:
        """Everything belongs to the account of the service."""
        (self.directory / "door.key").write_text(uuid.uuid4().hex * 2)
        (self.directory / "door.key").chmod(0o600)
        (self.directory / "etc/panda/panda_common.cfg").write_text(f"[logger]\nlogdir = {self.values.log_dir}\n")
        if os.geteuid() == 0:
            for each in (self.directory, *self.directory.rglob("*")):
                if each.name != "server.db":
                    shutil.chown(each, self.values.user, self.values.group)

    # ---- the service

    def script(self, name: str, action: str) -> subprocess.CompletedProcess[str]:
        """What a service script does and says."""
        command = [self.directory / PLACES[name].path, action]
        output = self.directory / "script.out"
        with output.open("w") as file:  # no pipe: a daemon that kept it open would be waited for
            environment = {name: os.environ[name] for name in ("PATH",)}
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment, timeout=120, check=False
            )
        return subprocess.CompletedProcess(command, done.returncode, output.read_text(), "")

    def act(self, name: str, action: str, code: int = 0) -> str:
        """Have a service script do something, which it says with that exit code; returns what it says."""
        done = self.script(name, action)
        if done.returncode != code:
            pytest.fail(f"{name} {action} ended with {done.returncode}: {done.stdout}\n{self.logs()}", pytrace=False)
        return done.stdout

    def working(self) -> set[int]:
        """The pids of all processes that hold claims, by the database."""
        with self._database.read() as connection:
            return {each.pid for each in leases.list_owners(connection)}

    def until_working(self, number: int, *, but: frozenset[int] | set[int] = frozenset()) -> set[int]:
        """Wait until exactly so many processes are at work, none of which was before; their pids."""
        self.until(lambda: len(self.working()) == number and not self.working() & but, f"{number} processes at work")
        return self.working()

    def until(self, condition: object, what: str, seconds: float = _DEADLINE) -> None:
        """Wait for something to become true."""
        assert callable(condition)
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {seconds:.0f} s: {what}\n{self.logs()}", pytrace=False)
            time.sleep(_GLANCE)

    def processes(self) -> list[psutil.Process]:
        """All that run with this home, but for batch jobs and their keepers."""
        found = []
        for each in psutil.process_iter():
            try:
                is_ours = each.environ().get("PANDA_HOME") == str(self.directory)
                is_service = not any("pilot.py" in word or "keeper" in word for word in each.cmdline())
                if is_ours and is_service and each.status() != psutil.STATUS_ZOMBIE:
                    found.append(each)
            except psutil.Error:
                continue
        return found

    def logs(self) -> str:
        """The ends of all logs."""
        paths = sorted(path for path in self.values.log_dir.rglob("*") if path.is_file())
        texts = {path.name: path.read_text(errors="replace").splitlines()[-25:] for path in paths}
        return "\n".join(f"---- {name}\n" + "\n".join(lines) for name, lines in texts.items())

    def close(self) -> None:
        """End what is left."""
        for each in self.processes():
            each.kill()
        self._database.close()
        super().close()
