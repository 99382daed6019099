"""`creds/...`: keys, proxies and tokens that open nothing, made as they are asked for."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.methods import Call, method

_LASTS: Final = timedelta(hours=96)


@method("GET", "creds/get_key_pair", production=True)
def get_key_pair(call: Call, public_key_name: str, private_key_name: str) -> Answer:
    """Give a pair of keys that open nothing, whatever they are called."""
    return ok({"public_key": f"public key {public_key_name}", "private_key": f"private key {private_key_name}"})


@method("GET", "creds/get_proxy")
def get_proxy(call: Call, role: str | None = None, dn: str | None = None) -> Answer:
    """Give a certificate with its key, signed by nobody, that names the role."""
    who = dn or (call.caller.name if call.caller else "")
    return ok({"user_proxy": _made_proxy(role or "none", who, datetime.fromtimestamp(call.now, UTC))})


@method("GET", "creds/get_token_key")
def get_token_key(call: Call, client_name: str) -> Answer:
    """Give the client's key, always the same."""
    return ok({"tokenKey": _token_key(client_name)})


@method("GET", "creds/get_access_token")
def get_access_token(call: Call, client_name: str, token_key: str | None = None) -> Answer:
    """Give a token to whoever has the client's key."""
    if token_key is None:
        return refused(f"Token key is missing for '{client_name}'")
    if token_key != _token_key(client_name):
        return refused(f"failed since token key is invalid for {client_name}")
    return ok({"user_proxy": f"token.of.{client_name}"})


def _token_key(client_name: str) -> str:
    return sha256(f"key of {client_name}".encode()).hexdigest()


def _made_proxy(role: str, who: str, now: datetime) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [(x509.NameOID.ORGANIZATION_NAME, who or "anyone"), (x509.NameOID.COMMON_NAME, role)]
    name = x509.Name([x509.NameAttribute(kind, text[:64]) for kind, text in names])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LASTS)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (certificate.public_bytes(Encoding.PEM) + secret).decode()
