"""The two ends of a connection, as the built-in server's library wants them; its own are several times as slow."""

import socket
import ssl
from typing import Final

_AT_ONCE: Final = 65_536
_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 16_384
"""A longer one is refused by whoever reads it."""
_INTERIM: Final = b"HTTP/1.1 100"


class Inlet:
    """What a client sends."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._left = b""

    def has_data(self) -> bool:
        """Whether there is something that can be served without waiting for the client: a whole head, if not more.

        TLS keeps nothing back that `select` would not tell of: a record is shorter than what is taken at once.
        """
        return _HEAD_END in self._left

    def has_more(self) -> bool:
        """Whether the client has said anything that is not read yet."""
        if self._left:
            return True
        try:  # past TLS, which has no flags
            return bool(socket.socket.recv(self._line, 1, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except OSError:
            return False

    def hear(self) -> bool:
        """Take in what has come, without waiting; whether it can be served, if only by closing the connection."""
        try:
            part = self._received_already()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError:
            return True
        self._left += part
        return not part or self.has_data() or len(self._left) > _LONGEST_HEAD

    def readline(self, size: int | None = None) -> bytes:
        """The rest of a line, or so many bytes of it; less if the client has ended."""
        most = -1 if size is None else size
        while not (end := self._left.find(b"\n") + 1) and not 0 <= most <= len(self._left):
            if not self._receive():
                end = len(self._left)
                break
        return self._take(min(end or most, most) if most >= 0 else end)

    def read(self, size: int | None = None) -> bytes:
        """So many bytes, or all there will be; less if the client has ended."""
        parts = [self._left]
        received = len(self._left)
        while size is None or received < size:
            part = self._line.recv(_AT_ONCE)
            if not part:
                break
            parts.append(part)
            received += len(part)
        self._left = b"".join(parts)
        return self._take(len(self._left) if size is None else size)

    def close(self) -> None:
        """Nothing more is read."""
        self._left = b""

    def _received_already(self) -> bytes:
        if not isinstance(self._line, ssl.SSLSocket):
            return self._line.recv(_AT_ONCE, socket.MSG_DONTWAIT)
        self._line.settimeout(0)  # no flags with TLS
        try:
            return self._line.recv(_AT_ONCE)
        finally:
            self._line.settimeout(None)

    def _receive(self) -> bool:
        part = self._line.recv(_AT_ONCE)
        self._left += part
        return bool(part)

    def _take(self, number: int) -> bytes:
        taken, self._left = self._left[:number], self._left[number:]
        return taken


class Outlet:
    """What is sent to a client: head and body of an answer together."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Send this with what follows; a client that waits for leave to go on gets it at once."""
        self._parts.append(data)
        if data.startswith(_INTERIM):
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Send what was written.

        Raises:
            OSError: the client has gone, or does not take it.
        """
        if self._parts:
            text, self._parts = b"".join(self._parts), []
            self._line.sendall(text)
