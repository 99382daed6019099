"""What speaks TLS at the built-in server, with a certificate that may be renewed while the door is open."""

import os
import socket
import ssl
from typing import Final

import structlog
from cheroot.ssl.builtin import BuiltinSSLAdapter

log = structlog.get_logger(__name__)

_State = tuple[int, int, int]
_GONE: Final[_State] = (0, 0, 0)


class TlsAdapter(BuiltinSSLAdapter):
    """Leaves the handshake to the threads, so that the one which accepts all connections does not wait.

    Args:
        cert_file: the certificate, with those of the authorities between.
        key_file: its key.

    Raises:
        OSError, ValueError: they cannot be used.
    """

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._files = cert_file, key_file
        self._seen = self._states()
        super().__init__(cert_file, key_file)

    def wrap(self, sock: socket.socket) -> tuple[ssl.SSLSocket, dict[str, str]]:
        """The socket, still silent."""
        wrapped = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return wrapped, {"wsgi.url_scheme": "https", "HTTPS": "on"}

    def renew(self) -> None:
        """Show the certificate that lies there now to those who come from now on; one that is unfit changes nothing.

        The context is replaced as a whole: handshakes go on in other threads while this is done.
        """
        states = self._states()
        if states == self._seen:
            return
        self._seen = states
        fresh = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            fresh.load_cert_chain(*self._files)
        except (OSError, ValueError) as error:
            log.warning("the door keeps its certificate, the new one is unfit", file=self._files[0], reason=str(error))
            return
        self.context = fresh
        log.info("the door has a new certificate", file=self._files[0])

    def _states(self) -> tuple[_State, ...]:
        return tuple(map(_state, self._files))


def _state(path: str) -> _State:
    try:
        found = os.stat(path)  # noqa: PTH116 (twice a second, for a text)
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
