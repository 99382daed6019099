"""Proxies that the PanDA server keeps for others and hands out (plugins reference §4.14, panda-protocol §11.1)."""

from pathlib import Path

from harvester.core.errors import HarvesterError
from harvester.plugins.credentials.proxies import ProxyManager, ProxySettings


class ProxyCacheSettings(ProxySettings):
    """Settings of the manager.

    Attributes:
        in_file: what the server is shown; what `[pandacon]` says when not set.
        voms: the role whose proxy is wanted, as the server calls it.
    """


class ProxyCacheManager(ProxyManager[ProxyCacheSettings]):
    """Keeps one proxy valid by asking the PanDA server for another."""

    Settings = ProxyCacheSettings

    def make(self, new: Path) -> str:
        """Ask for the proxy."""
        if self.context.server is None:
            return "there is no PanDA server to ask"
        try:
            proxy = self.context.server.proxy(self.settings.voms or "", self.settings.in_file)
        except HarvesterError as error:
            return str(error)
        new.write_text(proxy, encoding="ascii", errors="replace")
        return ""
