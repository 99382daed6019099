"""Commands that stand in for those that make proxies: they give what a test has laid ready."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from made_proxies import made_proxy

NOW = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)

_TOOL = """#!/bin/sh
echo "$(basename "$0") $@" >> "{place}/asked"
[ -e "{place}/fails" ] && {{ cat "{place}/fails" >&2; echo "Contacting the server"; exit 1; }}
while [ $# -gt 0 ]; do case "$1" in -out|-P) out="$2";; esac; shift; done
cat "{place}/ready" > "$out"
"""


class Tools:
    """The commands, first in `PATH`."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir()
        for name in ("voms-proxy-init", "grid-proxy-init", "arcproxy"):
            (place / name).write_text(_TOOL.format(place=place))
            (place / name).chmod(0o755)
        self.lay_ready(proxy_for(hours=96))

    def lay_ready(self, text: str) -> None:
        """What they make from now on."""
        self.made = text
        (self._place / "ready").write_text(text)

    def fail(self, words: str) -> None:
        """They make nothing."""
        (self._place / "fails").write_text(words)

    @property
    def asked(self) -> str:
        """The one command that was run."""
        (line,) = (self._place / "asked").read_text().splitlines()
        return line


def proxy_for(*, hours: float, asked: float = 96, attributes: float | None = 96) -> str:
    """A proxy that lasts so many hours more, of so many that it had, and its attributes likewise."""
    until = NOW + timedelta(hours=hours)
    of_attributes = None if attributes is None else NOW + timedelta(hours=min(attributes, hours))
    return made_proxy(until, since=until - timedelta(hours=asked), attributes_until=of_attributes)
