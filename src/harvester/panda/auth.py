"""Who we are to a PanDA server: X.509 certificate or bearer token, per host, renewed on disk while we run."""

import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, TypeAdapter, ValidationError

from harvester.core.clock import Clock
from harvester.panda.errors import CredentialError

REREAD_AFTER = timedelta(minutes=10)
"""A token file is read again after this time even if its time stamp says that it has not changed."""
TOKEN_FILE = "file:"  # noqa: S105 - a word, no secret
"""What stands before the path of a token's file."""
_DEFAULT_PORTS = {"https": 443, "http": 80}

Stamp = tuple[tuple[int, int, int] | None, ...]


class AuthType(StrEnum):
    """The two ways in."""

    X509 = "x509"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to show to a server, as the `[pandacon]` section says it.

    Attributes:
        ca_cert: bundle or directory of trusted authorities; None = the system's; False = believe any server.
        auth_token: the token itself, or `file:/path`.
        auth_origin: `vo` or `vo:role`, sent as the `Origin` header without which the server cannot read a token.
    """

    auth_type: AuthType = AuthType.X509
    cert_file: str | None = None
    key_file: str | None = None
    ca_cert: str | Literal[False] | None = None
    auth_token: str | None = field(default=None, repr=False)
    auth_origin: str | None = None

    def stamp(self) -> Stamp:
        """Tell one state of the certificate files from the next."""
        return tuple(_file_stamp(name) for name in (self.cert_file, self.key_file, self.ca_cert) if name)

    def tls_context(self) -> ssl.SSLContext:
        """Build the client side of TLS.

        Raises:
            CredentialError: a file is missing or is not what it should be.
        """
        context = self._trust()
        if self.auth_type is AuthType.X509 and self.cert_file:
            try:
                context.load_cert_chain(self.cert_file, self.key_file or None)
            except OSError as error:
                pair = f"cert_file {self.cert_file} and key_file {self.key_file or '(the same)'}"
                raise CredentialError(
                    f"{pair} cannot be used: {error}; renew the proxy or correct [pandacon]"
                ) from None
        return context

    def _trust(self) -> ssl.SSLContext:
        if self.ca_cert is False:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        place = Path(self.ca_cert) if self.ca_cert else None
        try:
            if place and place.is_dir():
                return ssl.create_default_context(capath=place)
            return ssl.create_default_context(cafile=place)
        except OSError as error:
            reason = error.strerror or error
            raise CredentialError(f"ca_cert {place} cannot be used: {reason}; correct [pandacon] ca_cert") from None


def token_file(text: str) -> str | None:
    """The file that `auth_token` names; None if it is the token itself."""
    return text.removeprefix(TOKEN_FILE) if text.startswith(TOKEN_FILE) else None


class BearerToken:
    """The current token, read again when its file changes; the last good one serves while a file is being replaced."""

    def __init__(self, text: str, clock: Clock) -> None:
        self._literal = None if text.startswith(TOKEN_FILE) else text.strip()
        if self._literal is not None and not is_header_word(self._literal):
            raise CredentialError("the text of [pandacon] auth_token is no token; for a file write file:/path")
        self._path = Path(text.removeprefix(TOKEN_FILE))
        self._clock = clock
        self._lock = Lock()
        self._value: str | None = None
        self._stamp: tuple[int, int, int] | None = None
        self._read_at: datetime | None = None

    def current(self) -> str:
        """Give the token without its trailing newline.

        Raises:
            CredentialError: its file cannot be read and no token is at hand.
        """
        if self._literal is not None:
            return self._literal
        with self._lock:
            if self._is_due():
                self._read()
            if self._value is None:
                raise CredentialError(f"no token in {self._path}; check [pandacon] auth_token and who renews that file")
            return self._value

    def forget(self) -> None:
        """Read the file at the next use, since the server did not like what we have."""
        with self._lock:
            self._read_at = None

    def _is_due(self) -> bool:
        now = self._clock()
        if self._read_at is not None and now - self._read_at < REREAD_AFTER and now >= self._read_at:
            return _file_stamp(self._path) != self._stamp
        return True

    def _read(self) -> None:
        self._stamp = _file_stamp(self._path)
        try:
            text = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if is_header_word(text):
            self._value, self._read_at = text, self._clock()


def is_header_word(text: str) -> bool:
    """Whether a text can stand in a header; a library that refuses it would print it."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def _file_stamp(path: str | Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - takes both kinds of path
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


HostTable = Mapping[str, Mapping[str, str | bool]]
_HOST_TABLE = TypeAdapter(dict[str, dict[str, str | bool]], config=ConfigDict(strict=True))
_HOST_KEYS = frozenset(each.name for each in fields(Credentials))


def load_host_table(path: Path) -> HostTable:
    """Read the file of `multihost_auth_config`: `{"host:port": {"auth_type": ..., "auth_token": ...}}`.

    Raises:
        CredentialError: it cannot be read or says something else.
    """
    try:
        return _HOST_TABLE.validate_python(json.loads(path.read_bytes()))
    except (OSError, ValueError) as error:
        what = _first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise CredentialError(f"multihost_auth_config {path} cannot be used: {what}") from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc']) or 'top level'}: {first['msg']}"


def credentials_for(base_url: str, default: Credentials, hosts: HostTable) -> Credentials:
    """Overlay the general credentials with what the table has for this URL's host.

    A host's own token wins over everything general, also over the general way in: who writes a token for a host wants
    it used there.

    Raises:
        CredentialError: the entry names an unknown key or way in.
    """
    url = urlsplit(base_url)
    with_port = f"{url.hostname}:{url.port or _DEFAULT_PORTS.get(url.scheme)}"
    as_written = url.netloc.rpartition("@")[2]
    entry = hosts.get(as_written, hosts.get(with_port, {}))
    unknown = sorted(set(entry) - _HOST_KEYS)
    if unknown:
        raise CredentialError(f"multihost_auth_config, {as_written}: unknown {', '.join(unknown)}")
    return _overlay(default, entry, as_written) if entry else default


def _overlay(default: Credentials, entry: Mapping[str, str | bool], host: str) -> Credentials:
    texts = {name: value for name, value in entry.items() if isinstance(value, str)}
    implied = AuthType.OIDC if "auth_token" in texts else default.auth_type
    try:
        auth_type = AuthType(texts.get("auth_type", implied))
    except ValueError:
        raise CredentialError(f"multihost_auth_config, {host}: auth_type must be x509 or oidc") from None
    return replace(
        default,
        auth_type=auth_type,
        cert_file=texts.get("cert_file", default.cert_file),
        key_file=texts.get("key_file", default.key_file),
        ca_cert=False if entry.get("ca_cert") is False else texts.get("ca_cert", default.ca_cert),
        auth_token=texts.get("auth_token", default.auth_token),
        auth_origin=texts.get("auth_origin", default.auth_origin),
    )
