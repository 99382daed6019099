"""A development server that can go away and come back under the same address, with everything it knew."""

import socket
from pathlib import Path

from harvester.panda.devserver import DevControl, DevServer


class Server:
    """The server of a test.

    Attributes:
        control: puts jobs in, switches faults and reads what the server saw.
    """

    def __init__(self, directory: Path) -> None:
        self._state_file = directory / "server.db"
        self._port = _free_port()
        self._running: DevServer | None = None
        self.url = f"http://127.0.0.1:{self._port}/api/v1"
        self.control = DevControl(self.url)
        self.come_back()

    def go_away(self) -> None:
        """Nobody listens at the address any more."""
        if self._running is not None:
            self._running.stop()
            self._running = None

    def come_back(self) -> None:
        """Serve again, with what the state file remembers."""
        self._running = DevServer(self._port, self._state_file, adder_delay=0.1).start()

    def close(self) -> None:
        """End for good."""
        self.control.close()
        self.go_away()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
