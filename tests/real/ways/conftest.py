"""Homes of Harvester with its service files, and what they need."""

import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import harvester
from real_services import DatabaseServer, facts, new_mariadb, running
from system_harness.home import Home
from system_harness.queues import QUEUE, local_push


@pytest.fixture(scope="session")
def distribution() -> Iterator[dict[str, str]]:
    """Where the environment of the distribution's Python is, and the account of the service."""
    packages = sysconfig.get_paths()["purelib"]
    source = str(Path(harvester.__file__).parents[1])
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    options = {"ENVIRONMENT_PACKAGES": packages, "ENVIRONMENT_SOURCE": source, "ENVIRONMENT_VERSION": version}
    with running("environment", **options) as directory:
        yield facts(directory)


@pytest.fixture
def home(distribution: dict[str, str], mariadb_server: tuple[DatabaseServer, Path]) -> Iterator[Home]:
    """A home whose instance is on MariaDB, with a queue of this machine."""
    directory = Path(tempfile.mkdtemp(prefix="harvester-home-"))
    directory.chmod(0o755)
    with Home(directory, distribution, new_mariadb(*mariadb_server)) as made:
        made.configure({QUEUE: local_push(made, command=made.pilot_command)})
        yield made
    shutil.rmtree(directory)
