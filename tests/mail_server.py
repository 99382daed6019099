"""A mail server on loopback that keeps what it gets, and knows one account: `me` with the password `hush`."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

ACCOUNT = LoginPassword(b"me", b"hush")
SEALED_USER, SEALED_PASSWORD = "MDEyMzQ1Njc4OWFiY2RlZq9C", "MDEyMzQ1Njc4OWFiY2RlZqqxJyw="
"""The account, encrypted with the pass-phrase `phrase` as upstream's `encryptForWatcher.py` does it."""


class Receiver:
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.logins: list[LoginPassword] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"

    def authenticate(self, _server: object, _session: object, _envelope: object, _kind: str, given: Any) -> AuthResult:  # noqa: ANN401 - aiosmtpd's word
        self.logins.append(given)
        return AuthResult(success=given == ACCOUNT)


class _Server(Controller):
    """Listens on a free port."""

    @property
    def bound(self) -> int:
        assert self.server is not None
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def _trigger_server(self) -> None:
        self.port = self.bound
        super()._trigger_server()


@contextmanager
def receiving(receiver: Receiver, **options: Any) -> Iterator[int]:  # noqa: ANN401 - aiosmtpd's options
    """The port of a server that takes mail from everybody."""
    server = _Server(receiver, hostname="127.0.0.1", port=0, ready_timeout=30, **options)
    server.start()
    try:
        yield server.bound
    finally:
        server.stop()


@contextmanager
def receiving_in_secret(receiver: Receiver, authority: Path) -> Iterator[int]:
    """The port of a server that insists on STARTTLS and a login; the certificate of its authority is put there."""
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(str(authority))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert("127.0.0.1").configure_cert(context)
    secret = {"tls_context": context, "require_starttls": True, "auth_required": True}
    with receiving(receiver, **secret, authenticator=receiver.authenticate) as port:
        yield port
