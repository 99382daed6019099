"""A command that stands in for `voms-proxy-init`, and what it makes proxies from: real certificates with their keys."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

_INIT = """#!/bin/sh
[ -e "{place}/fails" ] && {{ echo "Error: the VOMS server is down" >&2; exit 1; }}
while [ $# -gt 0 ]; do [ "$1" = -out ] && out="$2"; shift; done
cat "{place}/ready" > "$out"
"""


class Voms:
    """An authority, and a command that gives the proxy that is laid ready.

    Attributes:
        path: `PATH` with this command first.
        ca: the authority's certificate.
        server, server_key: certificate and key of the PanDA server.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        self.path = f"{place}:{os.environ['PATH']}"
        self.ca, self.server, self.server_key = (place / name for name in ("ca.pem", "server.pem", "server.key"))
        self._authority = authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        server = authority.issue_cert("127.0.0.1")
        server.cert_chain_pems[0].write_to_path(str(self.server))
        server.private_key_pem.write_to_path(str(self.server_key))
        self._issue(self.credential, timedelta(days=100))
        command = place / "voms-proxy-init"
        command.write_text(_INIT.format(place=place))
        command.chmod(0o755)

    @property
    def credential(self) -> Path:
        """Certificate and key that proxies are made from."""
        return self._place / "robot.pem"

    def give(self, hours: float) -> None:
        """New proxies end so many hours from now."""
        self._issue(self._place / "ready", timedelta(hours=hours))
        (self._place / "fails").unlink(missing_ok=True)

    def _issue(self, path: Path, lasts: timedelta) -> None:
        until = datetime.now(UTC) + lasts
        robot = self._authority.issue_cert("robot@example.org", common_name="robot", not_after=until)
        robot.private_key_and_cert_chain_pem.write_to_path(str(path))

    def go_down(self) -> None:
        """No proxies can be made."""
        (self._place / "fails").touch()
