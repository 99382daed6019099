"""From when and until when a credential is valid: a certificate, a proxy, a token, read from its file.

Nothing is trusted for what is read here: whoever the credential is shown to verifies it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harvester.core.errors import HarvesterError

_ATTRIBUTES: Final = x509.ObjectIdentifier("1.3.6.1.4.1.8005.100.100.5")
"""The extension of a proxy that holds the attribute certificates of VOMS."""
_PERIOD: Final = re.compile(rb"\x30\x22\x18\x0f(\d{14})Z\x18\x0f(\d{14})Z", re.DOTALL)
"""`AttCertValidityPeriod` of RFC 5755 in DER: a sequence of two times, which nothing else there has."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_KEY: Final = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_LARGEST: Final = 2**20


class NoCredentialError(HarvesterError):
    """A file that holds no credential; the message never quotes it."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The time in which a credential can be used.

    Attributes:
        since: its beginning; None if it is not told.
        until: its end; None if it has none, or does not tell.
        attributes: of a proxy, until when its VOMS attributes are valid; None without any.
    """

    since: datetime | None
    until: datetime | None
    attributes: datetime | None = None


def of_file(path: Path) -> Validity:
    """The validity of the certificates in a file, or of the token that it is.

    Raises:
        NoCredentialError: it holds neither.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_LARGEST)
    if _CERTIFICATE in content:
        return _of_certificates(_certificates(path, content))
    return of_token(content.decode("ascii", "replace").strip(), str(path))


def of_proxy(path: Path) -> Validity:
    """The validity of a proxy that is complete: its key is there and belongs to it.

    Raises:
        NoCredentialError: it is not.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    certificates = _certificates(path, content)
    key = _KEY.search(content)
    try:
        own = load_pem_private_key(key[0], password=None).public_key() if key else None
    except (ValueError, TypeError):
        own = None
    if own is None or own != certificates[0].public_key():
        raise NoCredentialError(f"{path} has no private key that belongs to its certificate")
    return _of_certificates(certificates)


def of_token(token: str, what: str) -> Validity:
    """The validity of a token; one that is not a JWT does not tell.

    Args:
        token: its text.
        what: where it is from, for people.

    Raises:
        NoCredentialError: the text is empty or no word.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise NoCredentialError(f"{what} holds neither a certificate nor a token")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return Validity(None, None)
    return Validity(_moment(claims.get("nbf", claims.get("iat"))), _moment(claims.get("exp")))


def _certificates(path: Path, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise NoCredentialError(f"{path} holds no certificate that can be read") from None


def _of_certificates(chain: list[x509.Certificate]) -> Validity:
    """Of a chain, and of the attributes in it: whichever ends first ends all."""
    periods = [each for one in chain for each in _periods_of_attributes(one)]
    attributes = min((end for _, end in periods), default=None)
    ends = [*(each.not_valid_after_utc for each in chain), *(end for _, end in periods)]
    beginnings = [chain[0].not_valid_before_utc, *(begin for begin, _ in periods)]
    return Validity(max(beginnings), min(ends), attributes)


def _periods_of_attributes(certificate: x509.Certificate) -> Iterable[tuple[datetime, datetime]]:
    try:
        extension = certificate.extensions.get_extension_for_oid(_ATTRIBUTES).value
        content = extension.value if isinstance(extension, x509.UnrecognizedExtension) else b""
        return [(_time(begin), _time(end)) for begin, end in _PERIOD.findall(content)]
    except (x509.ExtensionNotFound, ValueError):
        return []


def _time(digits: bytes) -> datetime:
    return datetime.strptime(digits.decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def _moment(claim: object) -> datetime | None:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        return None
    try:
        return datetime.fromtimestamp(claim, UTC)
    except (OverflowError, ValueError, OSError):
        return None
