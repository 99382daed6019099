"""Proxies with or without attributes of a virtual organisation, made by `voms-proxy-init` (plugins reference §4.14)."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from harvester.plugins.credentials.proxies import CommandProxyManager, CommandSettings
from harvester.plugins.tools.command_settings import Command


class VomsProxySettings(CommandSettings):
    """Settings of the manager.

    Attributes:
        from_key_and_certificate: use `cert` and `key` instead of `in_file`.
        renew_command: the program, with arguments if need be.
        lifetime_option: how the lifetime is asked for.
    """

    check_period: float = Field(default=1.0, alias="checkPeriod", ge=0)
    from_key_and_certificate: bool = Field(default=False, alias="genFromKeyCert")
    key: str | None = None
    cert: str | None = None
    renew_command: Command = Field(default=("voms-proxy-init",), alias="renewCommand")
    lifetime_option: str = Field(default="-valid {lifetime}:00", alias="lifetimeOptFormat")


class VomsProxyManager(CommandProxyManager[VomsProxySettings]):
    """Keeps one proxy valid by `voms-proxy-init`."""

    Settings = VomsProxySettings

    def sources(self) -> Sequence[str]:
        """`inCertFile`, or `cert`."""
        settings = self.settings
        source = settings.cert if settings.from_key_and_certificate else settings.in_file
        return (source,) if source else ()

    def arguments(self, new: Path) -> Sequence[str]:
        """As upstream calls it."""
        settings = self.settings
        source = settings.in_file
        cert, key = (settings.cert, settings.key) if settings.from_key_and_certificate else (source, source)
        return [
            *settings.renew_command,
            "-rfc",
            *(() if settings.from_key_and_certificate else ("-noregen",)),
            *(("-voms", settings.voms) if settings.voms else ()),
            "-out",
            str(new),
            *shlex.split(settings.lifetime_option.replace("{lifetime}", str(settings.lifetime))),
            *((f"-cert={cert}",) if cert else ()),
            *((f"-key={key}",) if key else ()),
        ]
