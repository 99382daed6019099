"""Proxies, certificates and tokens for tests: real ones that last as long as a test wants, signed by nobody."""

import base64
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_ATTRIBUTES = x509.ObjectIdentifier("1.3.6.1.4.1.8005.100.100.5")


def made_proxy(
    until: datetime, *, since: datetime | None = None, attributes_until: datetime | None = None, name: str = "robot"
) -> str:
    """A certificate with its key, valid until then; with VOMS attributes, as far as time goes, if their end is said."""
    key = ec.generate_private_key(ec.SECP256R1())
    since = since or min(until, datetime.now(UTC)) - timedelta(hours=1)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )
    if attributes_until is not None:
        period = _period(since, attributes_until)
        builder = builder.add_extension(x509.UnrecognizedExtension(_ATTRIBUTES, period), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + secret).decode()


def made_token(until: datetime, **claims: object) -> str:
    """A JWT that is valid until then, for whoever does not look at its signature."""
    parts = {"alg": "RS256", "typ": "JWT"}, {"exp": int(until.timestamp()), **claims}
    words = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*words, base64.urlsafe_b64encode(b"signature").rstrip(b"=").decode()])


def _period(since: datetime, until: datetime) -> bytes:
    times = [f"{each.astimezone(UTC):%Y%m%d%H%M%S}Z".encode() for each in (since, until)]
    return b"\x30\x22" + b"".join(b"\x18\x0f" + each for each in times)
