"""The development server as a running thing: on loopback only, with TLS if a certificate is given."""

import signal
import socket
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from ssl import CERT_OPTIONAL
from threading import Event, Thread
from typing import Self

from cheroot.server import HTTPRequest
from cheroot.ssl.builtin import BuiltinSSLAdapter
from cheroot.wsgi import Gateway_10
from cheroot.wsgi import Server as WsgiServer

from harvester.core.clock import Clock, utc_now
from harvester.panda.devserver.access import Access
from harvester.panda.devserver.app import DROP, DevApp
from harvester.panda.devserver.faults import Faults
from harvester.panda.devserver.state import State

DEFAULT_ADDER_DELAY = 1.0
_THREADS = 24
_SECONDS_TO_NOTICE_THE_END = 0.05
_OPEN_ACCESS = Access()


class _Gateway(Gateway_10):
    """Lets the application cut the connection it is called from, which is how some servers answer."""

    def __init__(self, req: HTTPRequest) -> None:
        super().__init__(req)
        self.env[DROP] = self._drop

    def _drop(self) -> None:
        self.req.close_connection = True
        self.req.conn.socket.shutdown(socket.SHUT_RDWR)


class DevServer:
    """A small PanDA server for development, demonstrations and tests.

    Args:
        port: 0 chooses a free one.
        state_file: a SQLite file in which everything acknowledged outlives this process; None = memory only.
        adder_delay: seconds between a job's final report and its final status.
        access: who may call; by default everybody on this machine.
        certificate, private_key: PEM files; with both the server speaks TLS.
        client_ca: PEM file of the authority whose client certificates are an identity.

    Raises:
        ValueError: the host is not this machine's loopback.
    """

    def __init__(
        self,
        port: int = 0,
        state_file: Path | None = None,
        *,
        host: str = "127.0.0.1",
        adder_delay: float = DEFAULT_ADDER_DELAY,
        access: Access = _OPEN_ACCESS,
        certificate: Path | None = None,
        private_key: Path | None = None,
        client_ca: Path | None = None,
        clock: Clock = utc_now,
    ) -> None:
        if not ip_address(host).is_loopback:
            raise ValueError(f"the development server listens on loopback only, not on {host}; leave the host out")
        self.faults = Faults()
        self._stopping = Event()
        self._state = State(clock, state_file, adder_delay)
        app = DevApp(self._state, access, self.faults, self._stopping)
        self._server = WsgiServer((host, port), app, numthreads=_THREADS, request_queue_size=128, shutdown_timeout=2)
        self._server.gateway = _Gateway
        self._server.expiration_interval = _SECONDS_TO_NOTICE_THE_END
        self._scheme = "http"
        if certificate and private_key:
            self._server.ssl_adapter = _tls(certificate, private_key, client_ca)
            self._scheme = "https"
        self._thread = Thread(target=self._server.serve, name="dev-server", daemon=True)

    @property
    def url(self) -> str:
        """The base of the API, with `/api/v1`."""
        return f"{self.origin}/api/v1"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host, port = self._server.bind_addr
        return f"{self._scheme}://{host}:{port}"

    def start(self) -> Self:
        """Listen; calls are served from now on.

        Raises:
            OSError: the port cannot be had.
        """
        _require_free(self._server.bind_addr)
        self._server.prepare()
        self._thread.start()
        return self

    def stop(self) -> None:
        """End; calls that hang are cut off."""
        self._stopping.set()
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._state.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _require_free(address: tuple[str, int]) -> None:
    """Fail as the system does: the web server would only say that it could make no socket."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)


def _tls(certificate: Path, private_key: Path, client_ca: Path | None) -> BuiltinSSLAdapter:
    adapter = BuiltinSSLAdapter(str(certificate), str(private_key))
    if client_ca:
        adapter.context.load_verify_locations(client_ca)
        adapter.context.verify_mode = CERT_OPTIONAL
    return adapter


def run_dev_server(
    host: str = "127.0.0.1",
    port: int = 25080,
    state_file: Path | None = None,
    *,
    adder_delay: float = DEFAULT_ADDER_DELAY,
    on_ready: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM; `on_ready` is told the URL once calls are served.

    Both are held back until they are waited for: a handler could interrupt what it would have to call.
    """
    ends = (signal.SIGINT, signal.SIGTERM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with DevServer(port, state_file, host=host, adder_delay=adder_delay) as server:
            on_ready(server.url)
            signal.sigwait(ends)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
