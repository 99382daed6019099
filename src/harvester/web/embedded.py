"""The server that is built in: the application on a port of this host, without another program.

No thread waits for a client that has nothing to say: a connection comes to a thread when the head of a request is
there, and before that, with TLS, for each turn of the handshake. From then on the request has a deadline as a whole: a
client that sends one byte now and then would otherwise hold a thread for ever. What is left of a refused request is not
waited for.
"""

import contextlib
import logging
import resource
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import lru_cache
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol, Self
from wsgiref.types import WSGIApplication

import structlog
from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server as WsgiServer

from harvester.config.instance_sections import Frontend
from harvester.plugins.worker_door import is_loopback
from harvester.web.door import LARGEST_BODY
from harvester.web.listening import BACKLOG, DoorError, listen
from harvester.web.tls import TlsAdapter
from harvester.web.turn import Turn
from harvester.web.wire import Inlet, Outlet

log = structlog.get_logger(__name__)

_LARGEST_HEAD: Final = 16_384
_IDLE_SECONDS: Final = 30
"""How long a connection is kept that asks nothing."""
_DEADLINE_SECONDS: Final = 15.0
_KEPT_CONNECTIONS: Final = 5000
_WAITING_REQUESTS: Final = 2000
_PATIENCE_SECONDS: Final = 0.01
"""Long enough for the turns of all threads, short enough that a request which is stuck holds nobody up."""
_STOP_SECONDS: Final = 5
_DRAIN_SECONDS: Final = 1.0
"""How long a server that stops waits for requests on connections that it has accepted."""
_LOOK_AGAIN_SECONDS: Final = 0.01
_NOTICE_SECONDS: Final = 0.25
"""How soon the server's own thread notices that it is to stop."""


class EmbeddedServer:
    """Serves an application by threads of this process.

    Args:
        app: the application.
        frontend: `[frontend]`: where to listen, how many threads, which certificate.
        sockets: sockets that listen already, as `listen` makes them, for processes that share one; made otherwise.
        deadline: seconds that a request may take.

    Raises:
        DoorError: the port cannot be had, the certificate cannot be used, or nothing would protect the tokens.
    """

    def __init__(
        self,
        app: WSGIApplication,
        frontend: Frontend,
        *,
        sockets: Sequence[socket.socket] = (),
        deadline: float = _DEADLINE_SECONDS,
    ) -> None:
        self._adapter = require_usable(frontend)
        self._sockets = list(sockets) or listen(frontend)
        for each in self._sockets:  # an answer in two packets would wait for the other side's delayed acknowledgement
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._servers = [
            _Server(each, app, threads=frontend.n_threads, adapter=self._adapter, deadline=deadline)
            for each in self._sockets
        ]
        self._threads = [Thread(target=each.serve, name="door", daemon=True) for each in self._servers]
        self._stopping = Event()
        self._watch = Thread(target=self._keep_watch, args=(deadline,), name="door watch", daemon=True)
        self._scheme = "https" if self._adapter else "http"

    @property
    def url(self) -> str:
        """Scheme, host and port of the first socket."""
        host, port = self._sockets[0].getsockname()[:2]
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> Self:
        """Serve from now on, in threads."""
        for server in self._servers:
            server.prepare()
        for thread in (*self._threads, self._watch):
            thread.start()
        log.info("the door is open", url=self.url)
        return self

    def stop(self) -> None:
        """End: who has got through is answered, and requests in work are finished, for a few seconds at the most."""
        self._stopping.set()
        for server in self._servers:
            server.stop()
        for thread in (*self._threads, self._watch):
            if thread.ident is not None:
                thread.join()
        for each in self._sockets:
            each.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _keep_watch(self, deadline: float) -> None:
        while not self._stopping.wait(min(deadline, 1.0)):
            for server in self._servers:
                server.cut_off_the_late()
            if self._adapter:
                self._adapter.renew()


def require_usable(frontend: Frontend) -> TlsAdapter | None:
    """Make sure that a door may be opened as the configuration says; what speaks TLS there, if anything does.

    Raises:
        DoorError: the certificate cannot be used, or nothing would protect the tokens.
    """
    if frontend.cert_file:
        return _adapter(frontend.cert_file, frontend.key_file or frontend.cert_file)
    if frontend.trusted_networks or is_loopback(frontend.address):
        return None
    raise DoorError(
        f"[frontend] address: on {frontend.address} tokens would travel without TLS; name a certFile, or the "
        "trustedNetworks whose hosts may do without"
    )


def _adapter(cert_file: str, key_file: str) -> TlsAdapter:
    for name, path in (("certFile", cert_file), ("keyFile", key_file)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise DoorError(f"[frontend] {name}: {path} cannot be read: {error.strerror}; correct it") from None
    try:
        return TlsAdapter(cert_file, key_file)
    except (ssl.SSLError, ValueError) as error:
        raise DoorError(f"[frontend] certFile: {cert_file} and its key cannot be used: {error}; correct them") from None


class _Clocked(Protocol):
    """What a connection needs of its server."""

    there: set["_Connection"]
    in_work: dict["_Connection", float]
    deadline: float
    turn: Turn


class _Request(HTTPRequest):
    """A request whose rest, if it is answered before all of it is read, is not worth a thread.

    Nor must it be taken for the next request: nobody here reads a body in chunks.
    """

    def send_headers(self) -> None:
        """Send the head of the answer; the library would read the rest of the request first."""
        if self.chunked_read or getattr(self.rfile, "remaining", 0) != 0:
            self.close_connection = True
        self.outheaders.append((b"Date", _date(int(time.time()))))
        super().send_headers()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """What a head says of when it was sent; made anew for each answer it takes a twelfth of the door's time."""
    return formatdate(second, usegmt=True).encode()


class _Connection(HTTPConnection):
    """A connection whose requests are clocked."""

    RequestHandlerClass = _Request
    server: _Clocked

    def __init__(self, server: "_Server", sock: socket.socket, makefile: Callable[..., object]) -> None:
        super().__init__(server, sock, makefile)
        sock.settimeout(None)  # whoever waits too long is cut off; a timeout of its own costs a system call each time
        self.rfile = Inlet(sock)
        self.wfile = Outlet(sock)
        self._heard_since: float | None = None
        self._is_answered = False
        self.server.there.add(self)

    def is_ready(self) -> bool:
        """Whether a thread need not wait for the client; asked of a connection that is new, or on which data came."""
        if self.last_used is None:
            return False
        if not self._has_shaken_hands() or self.rfile.has_data():
            return True
        return bool(self.rfile.hear())

    def is_too_slow(self, deadline: float) -> bool:
        """Whether the head of a request, or the handshake before it, takes too long to come."""
        now = time.monotonic()
        self._heard_since = self._heard_since or now
        return self.last_used is not None and now - self._heard_since > deadline

    def communicate(self) -> bool:
        """Serve what the client asks for next; whether the connection is to be kept."""
        self._is_answered = False
        self.server.in_work[self] = time.monotonic()
        try:
            if isinstance(self.socket, ssl.SSLSocket) and not self._has_shaken_hands():
                return self._shake_hands(self.socket)
            with self.server.turn.taken():
                is_kept = bool(super().communicate())  # type: ignore[no-untyped-call]  # cheroot has no types here
                self.wfile.flush()
            self._heard_since = None
            self._is_answered = True
        except OSError:
            return False
        else:
            return is_kept
        finally:
            self.server.in_work.pop(self, None)

    def close(self) -> None:
        """Send what is still to be sent, and end."""
        self.server.there.discard(self)
        if self._has_shaken_hands():  # to send would wait for the handshake
            with contextlib.suppress(OSError):
                self.wfile.flush()
        super().close()

    def is_owed_an_answer(self) -> bool:
        """Whether the client has said something, or has come to say its first."""
        return not self._is_answered or self.rfile.has_more()

    def _has_shaken_hands(self) -> bool:
        return not isinstance(self.socket, ssl.SSLSocket) or self.socket.version() is not None

    def _shake_hands(self, line: ssl.SSLSocket) -> bool:
        """Go on as far as what has come allows; whether to wait for the rest, or else for a request."""
        line.settimeout(0)
        try:
            line.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return not self.is_too_slow(self.server.deadline)
        finally:
            line.settimeout(None)
        return True

    def cut_off(self) -> None:
        """Whoever waits for the client in this connection goes on as if it had gone."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class _Server(WsgiServer):
    """cheroot with our socket, limits and logs."""

    ConnectionClass = _Connection
    max_request_body_size = LARGEST_BODY
    max_request_header_size = _LARGEST_HEAD
    expiration_interval = _NOTICE_SECONDS

    def __init__(
        self,
        listener: socket.socket,
        app: WSGIApplication,
        *,
        threads: int,
        adapter: TlsAdapter | None,
        deadline: float,
    ) -> None:
        super().__init__(
            listener.getsockname()[:2],
            app,
            numthreads=threads,
            server_name="harvester",
            request_queue_size=BACKLOG,
            timeout=_IDLE_SECONDS,
            shutdown_timeout=_STOP_SECONDS,
            accepted_queue_size=_WAITING_REQUESTS,
            accepted_queue_timeout=0,
        )
        self.ssl_adapter = adapter
        self.there: set[_Connection] = set()
        self.in_work: dict[_Connection, float] = {}
        self.is_leaving = False
        self.deadline = deadline
        self.turn = Turn(_PATIENCE_SECONDS)
        self.keep_alive_conn_limit = min(_KEPT_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._listener = listener

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Whether a connection is kept after its answer."""
        return not self.is_leaving and bool(super().can_add_keepalive_connection)

    def stop(self) -> None:
        """Accept nobody any more, answer who is there, and end."""
        if self.ready and not self.is_leaving:
            self._answer_all()
        super().stop()

    def _answer_all(self) -> None:
        """Wait until nobody is owed an answer, but not for ever: somebody may have come and say nothing."""
        self.is_leaving = True
        monitored = self._connections._selector  # type: ignore[attr-defined]  # noqa: SLF001 (cheroot itself accepts until it closes all)
        monitored.unregister(self.socket.fileno())
        until = time.monotonic() + _DRAIN_SECONDS
        while any(each.is_owed_an_answer() for each in self.there.copy()) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)

    def process_conn(self, conn: _Connection) -> None:
        """Hand a connection to a thread, or wait until it is worth one."""
        if conn.is_ready():
            super().process_conn(conn)
        elif conn.is_too_slow(self.deadline) or not super().can_add_keepalive_connection:
            conn.close()
        else:
            self.put_conn(conn)

    def bind(self, _family: int, _type: int, _proto: int = 0) -> socket.socket:
        """Use the socket that there is; another process may be quicker to accept, so that it must not wait."""
        self.socket = self._listener
        return self._listener

    def prepare(self) -> None:
        """Start the threads."""
        super().prepare()
        self.socket.settimeout(0)

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 (as it is called)
        """What the server has to say goes to our log."""
        log.log(level, "the built-in server says", text=msg, exc_info=traceback)

    def cut_off_the_late(self) -> None:
        """End the requests whose time is over."""
        for connection, began in self.in_work.copy().items():
            if began < time.monotonic() - self.deadline:
                log.warning("a request took too long and is cut off", address=connection.remote_addr)
                connection.cut_off()
