"""Plain proxies made by `grid-proxy-init` of the Grid Community Toolkit (plugins reference §4.14)."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from harvester.plugins.credentials.proxies import CommandProxyManager, CommandSettings
from harvester.plugins.tools.command_settings import Command


class GridProxySettings(CommandSettings):
    """Settings of the manager.

    Attributes:
        voms: makes no difference: the program knows nothing of attributes.
        renew_command: the program, with arguments if need be.
    """

    renew_command: Command = Field(default=("grid-proxy-init",), alias="renewCommand")


class GridProxyManager(CommandProxyManager[GridProxySettings]):
    """Keeps one proxy without attributes valid by `grid-proxy-init`."""

    Settings = GridProxySettings
    wants_attributes = False

    def arguments(self, new: Path) -> Sequence[str]:
        """Upstream gives it no key, so that it works with a certificate in the usual place only."""
        source = self.settings.in_file
        made_from = ("-cert", source, "-key", source) if source else ()
        return [*self.settings.renew_command, "-out", str(new), "-valid", f"{self.settings.lifetime}:00", *made_from]
