"""Calls commands of the command line in a place of their own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner, Result

from harvester.cli.main import app

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MAIN = """\
[master]
harvester_id = unit
workDir = {place}/work
[db]
database_filename = {place}/harvester.db
[pandacon]
server_api_url_ssl = http://127.0.0.1:9/api/v1
"""
QUEUE = """{
    "mapType": "NoJob",
    "maxWorkers": 5,
    "submitter": {"plugin": "local", "command": ["/bin/true"]},
    "monitor": {"plugin": "local"}, "sweeper": {"plugin": "local"},
    "workerMaker": {"plugin": "simple"}, "preparator": {"plugin": "dummy"}, "stager": {"plugin": "dummy"},
    "messenger": {"plugin": "shared_file", "accessPoint": "/tmp/w/${workerID}"}
}"""


@dataclass(frozen=True)
class CommandLine:
    """The commands, called with the configuration of one place."""

    place: Path

    @property
    def config(self) -> Path:
        return self.place / "panda_harvester.cfg"

    @property
    def queues(self) -> Path:
        return self.place / "panda_queueconfig.json"

    def __call__(self, *arguments: str, says: str | None = None) -> Result:
        """What becomes of a command; `says` is what it reads where it asks."""
        return CliRunner().invoke(app, [*arguments, "--config", str(self.config)], input=says)
