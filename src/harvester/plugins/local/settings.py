"""Settings of the local resource."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationInfo, model_validator

from harvester.config.findings import Severity, nearest, severity_of_missing
from harvester.config.places import is_there
from harvester.config.plugin_blocks import PluginProblem
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import PluginSettings
from harvester.plugins.local.rendering import values_for
from harvester.plugins.tools.path_settings import missing_script

_PLACEHOLDERS: Final = frozenset(values_for(Worker(0, "", WorkerStatus.PENDING, "", MapType.NO_JOB), "", 1))
_BRACES: Final = re.compile(r"(\$?)\{(\w+)\}")


class LocalSettings(PluginSettings):
    """What a queue block may say; `submitter` needs `command` or `templateFile`.

    A queue whose `directory` is not the default one names it in `common`, so that monitor and sweeper look there too.
    """

    command: tuple[str, ...] = Field(default=(), description="program and arguments, with placeholders")
    template_file: Path | None = Field(
        default=None, alias="templateFile", description="executable script, rendered per worker into its access point"
    )
    cores: PositiveInt = Field(
        default_factory=lambda: os.cpu_count() or 1, description="cores that all running workers together may use"
    )
    directory: Path | None = Field(default=None, description="where the ledger of workers lives; a local disk")
    kill_grace: NonNegativeFloat = Field(
        default=10.0, alias="killGrace", description="seconds between SIGTERM and SIGKILL"
    )
    panda_queue_name: str | None = Field(
        default=None, alias="pandaQueueName", description="what CRIC calls the queue, for the placeholder of that name"
    )
    environment: dict[str, str] = Field(
        default_factory=dict, repr=False, description="additional variables of the worker, with placeholders"
    )

    @model_validator(mode="after")
    def _has_one_payload(self, info: ValidationInfo) -> Self:
        if self.command and self.template_file:
            raise ValueError("'command' and 'templateFile' exclude each other; keep one of them")
        role = (info.context or {}).get("role")
        if role == "submitter" and not self.command and not self.template_file:
            raise ValueError("nothing to run; add 'command' (a list of arguments) or 'templateFile' (a script)")
        return self

    def mistakes(self, role: str) -> Iterator[PluginProblem]:
        """What would keep workers from running, as far as this machine can tell; only the submitter runs anything."""
        if role != "submitter":
            return
        if self.template_file is not None:
            yield from missing_script(self.template_file, "templateFile", "script")
        if self.command:
            yield from self._mistakes_of_program(self.command[0])
        for written, near in self._misspelt():
            yield PluginProblem(f"{written} is no placeholder", f"write {{{near}}}", "command")

    def _misspelt(self) -> Iterator[tuple[str, str]]:
        """Placeholders that nobody knows, with what is meant; other names in braces belong to a shell."""
        for match in _BRACES.finditer(" ".join(self.command)):
            mark, name = match.groups()
            is_variable = mark and (name.isupper() or name in self.environment)
            if name not in _PLACEHOLDERS and not is_variable and (near := nearest(name, _PLACEHOLDERS)):
                yield match[0], near

    def _mistakes_of_program(self, program: str) -> Iterator[PluginProblem]:
        """Only warnings: the program may be brought later, or be in a file system that is not mounted yet."""
        is_beside_worker = "/" in program and not program.startswith("/")
        if "{" in program or is_beside_worker or shutil.which(program, path=self.environment.get("PATH")):
            return
        known = is_there(program)
        problem = f"{program} {'is not executable' if known else 'is not found'}, so workers would fail"
        advice = f"make it executable with chmod +x {program}" if known else "install it, or correct the path"
        severity = severity_of_missing(program, Severity.WARNING)
        yield PluginProblem(problem, advice, "command", severity, may_pass=True, elsewhere=severity is Severity.INFO)
