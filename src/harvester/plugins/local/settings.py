"""Settings of the local resource."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, NonNegativeFloat, PositiveInt, ValidationInfo, model_validator

from harvester.plugins.api import PluginSettings


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
