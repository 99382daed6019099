"""A development server that can go away and come back under the same address, with everything it knew."""

from functools import partial
from pathlib import Path

from harvester.panda.devserver import Access, DevControl, DevServer
from loopback import free_port


class Server:
    """The server of a test.

    Attributes:
        control: puts jobs in, switches faults and reads what the server saw.
    """

    def __init__(self, directory: Path) -> None:
        self._make = partial(DevServer, free_port(), directory / "server.db", adder_delay=0.1)
        self._running: DevServer | None = self._make().start()
        self.url = self._running.url
        self.control = DevControl(self.url)

    def go_away(self) -> None:
        """Nobody listens at the address any more."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def come_back(self) -> None:
        """Serve again, with what the state file remembers."""
        self._running = self._make().start()

    def secure(self, certificate: Path, private_key: Path, client_ca: Path) -> None:
        """From now on the server speaks TLS, and serves those who show a certificate of that authority."""
        self.go_away()
        files = {"certificate": certificate, "private_key": private_key, "client_ca": client_ca}
        self._make = partial(self._make, **files, access=Access(is_open=False))
        self.url = self.url.replace("http:", "https:")
        self.control.close()
        self.control = DevControl(self.url, verify=False)
        self.come_back()

    def close(self) -> None:
        """End for good."""
        self.control.close()
        self.go_away()
