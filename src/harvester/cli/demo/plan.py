"""What a demonstration consists of, and the files it is made from."""

import json
import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.cli import pilot

QUEUE: Final = "DEMO"
INSTANCE: Final = "harvester-demo"
SCOPE: Final = "panda"
_PILOT_WAIT: Final = "2"
"""Seconds that a pulling pilot waits for a job before it gives up."""
_CORES: Final = 2 * (os.cpu_count() or 1)
"""Cores that local workers may use: more than there are, since pilots also wait."""

Block = dict[str, JsonValue]


class Mode(StrEnum):
    """Who fetches the jobs: Harvester (push) or the pilots themselves (pull)."""

    PUSH = "push"
    PULL = "pull"


class ResourceKind(StrEnum):
    """Where the workers run."""

    LOCAL = "local"
    SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class Plan:
    """One demonstration; everything it writes is below its directory."""

    jobs: int
    mode: Mode
    resource: ResourceKind
    directory: Path

    @property
    def config(self) -> Path:
        """The main configuration."""
        return self.directory / "panda_harvester.cfg"

    @property
    def queues(self) -> Path:
        """The queue configuration."""
        return self.directory / "panda_queueconfig.json"

    @property
    def storage(self) -> Path:
        """Where outputs are in the end."""
        return self.directory / "storage"

    @property
    def executions(self) -> Path:
        """What the pilots note: who has run which job."""
        return self.directory / "executions"

    @property
    def said_by_server(self) -> Path:
        """What the development server says."""
        return self.directory / "dev-server.err"

    @property
    def said_by_harvester(self) -> Path:
        """What Harvester says on standard error; its log files are in `logs`."""
        return self.directory / "harvester.err"

    def stored(self, lfn: str) -> Path:
        """Where a file is when the job has ended: the stager sorts by scope, a pulling pilot does not."""
        return self.storage / SCOPE / lfn if self.mode is Mode.PUSH else self.storage / lfn

    def job_dictionaries(self) -> list[Block]:
        """The jobs for the server: each computes something of its own and writes an output and a log."""
        return [
            {
                "site": QUEUE,
                "transformation": "pilot.py",
                "jobPars": f"--primes-below {100_000 + number}",
                "outFiles": f"{output_name(number)},demo.{number}.log.tgz",
                "logFile": f"demo.{number}.log.tgz",
                "scopeOut": SCOPE,
                "scopeLog": SCOPE,
            }
            for number in range(1, self.jobs + 1)
        ]


def output_name(number: int) -> str:
    """The output of a job, numbered from 1."""
    return f"demo.{number}.out"


def write_files(plan: Plan, server_url: str, commands: Mapping[str, Path]) -> None:
    """Write what an operator would write.

    Args:
        plan: the demonstration.
        server_url: the server's API.
        commands: programs to use in place of Slurm's, by name.

    Raises:
        OSError: the directory cannot be written.
    """
    (plan.directory / "panda_common.cfg").write_text(_COMMON.format(logs=_ini(plan.directory / "logs")))
    plan.config.write_text(_MAIN.format(directory=_ini(plan.directory), instance=INSTANCE, server=server_url))
    pilot_command = _pilot_command(plan, server_url)
    if plan.resource is ResourceKind.SLURM:
        _template(plan).write_text(_slurm_script(pilot_command))
    _write_queue(plan, _queue(plan, pilot_command, commands))


def take_offline(plan: Plan) -> None:
    """The queue gets no more workers; those that it has are still followed."""
    queue: Block = json.loads(plan.queues.read_text())[QUEUE]
    _write_queue(plan, {**queue, "queueStatus": "offline"})


def _write_queue(plan: Plan, queue: Block) -> None:
    plan.queues.write_text(json.dumps({QUEUE: queue}, indent=4) + "\n")


def _pilot_command(plan: Plan, server_url: str) -> list[str]:
    command = [sys.executable, "-P", str(Path(pilot.__file__)), "--claims", str(plan.executions)]
    if plan.mode is Mode.PULL:
        command += ["--server", server_url, "--queue", QUEUE, "--output-dir", str(plan.storage), "--wait", _PILOT_WAIT]
        command += ["--harvester-id", "{harvesterID}"]
    return [*command, "--worker-id", "{workerID}", "{accessPoint}"]


def _queue(plan: Plan, pilot_command: list[str], commands: Mapping[str, Path]) -> Block:
    push = plan.mode is Mode.PUSH
    access_point = str(plan.directory / "access" / "${workerID}")
    workers = min(plan.jobs, _workers_at_once(plan))
    queue: Block = {
        "mapType": "OneToOne" if push else "NoJob",
        "maxWorkers": workers,
        "nQueueLimitWorker": workers,
        "workerMaker": {"plugin": "simple"},
        "messenger": {"plugin": "shared_file", "accessPoint": access_point},
        "preparator": {"plugin": "dummy"},
        "stager": {"plugin": "copy", "dstBasePath": str(plan.storage)} if push else {"plugin": "dummy"},
        **_resource_blocks(plan, pilot_command, commands),
    }
    return queue | ({"nQueueLimitJob": plan.jobs} if push else {})


def _workers_at_once(plan: Plan) -> int:
    """Pulling workers of this machine are few and replaced as they end; all others wait in the batch system."""
    pull_here = plan.mode is Mode.PULL and plan.resource is ResourceKind.LOCAL
    return 2 * _CORES if pull_here else 100


def _resource_blocks(plan: Plan, pilot_command: list[str], commands: Mapping[str, Path]) -> Block:
    if plan.resource is ResourceKind.LOCAL:
        here: Block = {"plugin": "local"}
        return {
            "submitter": {**here, "command": [*pilot_command], "cores": _CORES},
            "monitor": {**here, "cores": _CORES},
            "sweeper": {**here, "cores": _CORES},
        }
    slurm: Block = {"plugin": "slurm", **{name: [str(path)] for name, path in commands.items()}}
    return {"submitter": {**slurm, "templateFile": str(_template(plan))}, "monitor": slurm, "sweeper": slurm}


def _template(plan: Plan) -> Path:
    return plan.directory / "slurm_template.sh"


def _slurm_script(pilot_command: list[str]) -> str:
    placeholders = ("{workerID}", "{accessPoint}", "{harvesterID}")
    words = [word if word in placeholders else shlex.quote(word).replace("{", "{{") for word in pilot_command]
    return f"#!/bin/sh\n#SBATCH --ntasks=1\n#SBATCH --time=10\nexec {' '.join(words)}\n"


def _ini(path: Path) -> str:
    return str(path).replace("%", "%%")


_COMMON: Final = """\
[logger]
logdir = {logs}
log_level = INFO
"""

_MAIN: Final = """\
[master]
harvester_id = {instance}
workDir = {directory}/work

[db]
database_filename = {directory}/harvester.db

[pandacon]
server_api_url_ssl = {server}

[jobfetcher]
lookupTime = 2

[submitter]
lookupTime = 2
checkInterval = 5

[stager]
checkInterval = 2
triggerInterval = 2
"""
