"""Proxies with attributes of a virtual organisation, made by `arcproxy` of NorduGrid ARC (plugins reference §4.14)."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from harvester.plugins.credentials.proxies import CommandProxyManager, CommandSettings
from harvester.plugins.tools.command_settings import Command


class ArcproxySettings(CommandSettings):
    """Settings of the manager.

    Attributes:
        renew_command: the program, with arguments if need be.
    """

    renew_command: Command = Field(default=("arcproxy",), alias="renewCommand")


class ArcproxyManager(CommandProxyManager[ArcproxySettings]):
    """Keeps one proxy valid by `arcproxy`."""

    Settings = ArcproxySettings

    def arguments(self, new: Path) -> Sequence[str]:
        """As upstream calls it."""
        settings = self.settings
        return [
            *settings.renew_command,
            *(("-S", settings.voms) if settings.voms else ()),
            "-P",
            str(new),
            "-c",
            f"validityPeriod={settings.lifetime}h",
            *(("-c", f"vomsACvalidityPeriod={settings.lifetime}h") if settings.voms else ()),
            *(("-C", settings.in_file, "-K", settings.in_file) if settings.in_file else ()),
        ]
