"""A web server that hands out a configuration, as well or as badly as a test wants."""

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import trustme


@dataclass(slots=True)
class Answer:
    """What the server says.

    Attributes:
        length: what it says of the length of the body; the truth when None.
        location: where it sends people instead.
        pause: it waits for this before it says anything.
    """

    body: bytes = b""
    status: int = 200
    length: int | None = None
    location: str = ""
    pause: threading.Event | None = None


class ConfigServer:
    """The server of one document; a context.

    Args:
        authority: signs its certificate; without one it speaks no TLS.

    Attributes:
        answer: what it says.
        fetches: how often it was asked.
    """

    def __init__(self, authority: trustme.CA | None = None) -> None:
        self.answer = Answer()
        self.fetches = 0
        self._authority = authority
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.come_back()

    @property
    def url(self) -> str:
        """Where the document is."""
        return f"{'https' if self._authority else 'http'}://localhost:{self._port}/config.json"

    def give(self, document: object) -> None:
        """Hand this out from now on."""
        self.answer = Answer(json.dumps(document, indent=1).encode())

    def go_away(self) -> None:
        """Nobody listens at the address any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Listen again, if it does not."""
        if self._server is not None:
            return
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches += 1
                answer = outer.answer
                if answer.pause is not None:
                    answer.pause.wait(60)
                self.send_response(302 if answer.location else answer.status)
                if answer.location:
                    self.send_header("Location", answer.location)
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        if self._authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.answer.pause is not None:
            self.answer.pause.set()
        self.go_away()


def written(authority: trustme.CA, directory: Path) -> Path:
    """The certificate of an authority, as a file."""
    path = directory / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path
