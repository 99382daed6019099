"""Commands that stand in for those of VOMS, and what they make proxies from.

A proxy is a real certificate with its key; its first line tells when it ends for `voms-proxy-info`.
"""

import os
from pathlib import Path

import trustme

_INIT = """#!/bin/sh
[ -e "{place}/fails" ] && {{ echo "Error: the VOMS server is down" >&2; exit 1; }}
while [ $# -gt 0 ]; do [ "$1" = -out ] && out="$2"; shift; done
{{ echo "ends $(( $(date +%s) + $(cat "{place}/lasts") ))"; cat "{place}/robot.pem"; }} > "$out"
"""
_INFO = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -file ] && file="$2"; shift; done
read -r _ ends < "$file" && echo $(( ends - $(date +%s) ))
"""


class Voms:
    """An authority, and commands that make proxies from a certificate that it has issued.

    Attributes:
        path: `PATH` with these commands first.
        ca: the authority's certificate.
        server, server_key: certificate and key of the PanDA server.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        self.path = f"{place}:{os.environ['PATH']}"
        self.ca, self.server, self.server_key = (place / name for name in ("ca.pem", "server.pem", "server.key"))
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        server = authority.issue_cert("127.0.0.1")
        server.cert_chain_pems[0].write_to_path(str(self.server))
        server.private_key_pem.write_to_path(str(self.server_key))
        robot = authority.issue_cert("robot@example.org", common_name="robot")
        robot.private_key_and_cert_chain_pem.write_to_path(str(place / "robot.pem"))
        for name, text in (("voms-proxy-init", _INIT), ("voms-proxy-info", _INFO)):
            (place / name).write_text(text.format(place=place))
            (place / name).chmod(0o755)

    @property
    def credential(self) -> Path:
        """Certificate and key that proxies are made from."""
        return self._place / "robot.pem"

    def give(self, hours: int) -> None:
        """New proxies last so long."""
        (self._place / "lasts").write_text(str(3600 * hours))
        (self._place / "fails").unlink(missing_ok=True)

    def go_down(self) -> None:
        """No proxies can be made."""
        (self._place / "fails").touch()
