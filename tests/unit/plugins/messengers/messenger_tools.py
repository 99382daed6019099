"""What the messenger's tests share."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from harvester.core.files import File
from harvester.core.workers import Worker
from harvester.plugins.api import Assignment
from harvester.plugins.messengers.shared_file import SharedFileMessenger

MakeMessenger = Callable[..., SharedFileMessenger]


@dataclass(frozen=True)
class Place:
    """One worker with its access point, as the worker sees it."""

    worker: Worker
    directory: Path

    def write(self, name: str, content: JsonValue) -> Path:
        return self.write_text(name, json.dumps(content))

    def write_text(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def read(self, name: str) -> JsonValue:
        content: JsonValue = json.loads((self.directory / name).read_text(encoding="utf-8"))
        return content

    def names(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()}

    def assignment(self, params: Mapping[str, JsonValue] | None = None, inputs: list[File] | None = None) -> Assignment:
        jobs = self.worker.job_ids
        return Assignment(
            self.worker,
            {job: {"PandaID": job, **(params or {})} for job in jobs},
            {job: inputs or [] for job in jobs},
        )
