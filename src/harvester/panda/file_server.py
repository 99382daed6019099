"""The part of the PanDA server that keeps files: where logs of workers are put (panda-protocol §12)."""

import re
from typing import BinaryIO, Final

import httpx2

from harvester.core.clock import Clock, utc_now
from harvester.panda.auth import Credentials
from harvester.panda.closing import Closable
from harvester.panda.transport import Transport
from harvester.panda.wire import Wire

_STATED_IN: Final = "[pandacon] cache_api_url_ssl"
_PLACE: Final = re.compile(r".*/cache/((?:[A-Za-z0-9_-]+/)*)[^/]*")
"""An address below the path from which the server gives its files out."""


class FileServer(Closable):
    """Calls of the server that keeps files, which may be another than the one that keeps jobs.

    Args:
        base_url: up to and with `/api/v1`.
        timeout: seconds for connecting and for each silence of the server.
        transport: replaces the network, for tests.
        clock: tells when a token file is due to be read again.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        timeout: float,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = utc_now,
    ) -> None:
        wire = Wire(base_url, credentials, stated_in=_STATED_IN, clock=clock, timeout=timeout, network=transport)
        self._transport = Transport(wire, retries=0)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def upload_log(self, name: str, log: BinaryIO) -> str:
        """Put a log in place of the one of the same name; returns where it is below the server's cache.

        The server keeps the bytes as they are, in a folder of its own choice that its answer names. A call that fails
        is not repeated: whoever sends a log knows better when to try again than one who waits with it in hand.

        Raises:
            PandaUnavailable: no usable answer.
            PandaRefused: the server said no.
            OSError: the log cannot be read to its end.
        """
        answer = self._transport.send_file("file_server/upload_jedi_log", name, log)
        place = _PLACE.fullmatch(answer) if isinstance(answer, str) else None
        return f"{place[1]}{name}" if place else name
