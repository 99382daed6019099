"""A virtual organisation, programs that make proxies, and an issuer of tokens, each started once per test process."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from real_services import facts, running


@dataclass(frozen=True, slots=True)
class Organisation:
    """A virtual organisation: what the programs have to find in their environment, and its member."""

    environment: Mapping[str, str]
    robot: Path


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """A running issuer with one client."""

    url: str
    client_id: str
    client_secret: str
    ca: Path


@pytest.fixture(scope="session")
def organisation() -> Iterator[Organisation]:
    """A running VOMS server with its member."""
    with running("voms") as directory:
        told = facts(directory)
        yield Organisation({name: value for name, value in told.items() if name != "ROBOT"}, Path(told["ROBOT"]))


@pytest.fixture(scope="session")
def start_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., TokenIssuer]]:
    """Starts issuers: `start_issuer(ttl=60)`."""
    place = tmp_path_factory.mktemp("authority")
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    ca, certificate, key = (place / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(str(ca))
    server.cert_chain_pems[0].write_to_path(str(certificate))
    server.private_key_pem.write_to_path(str(key))
    with ExitStack() as issuers:

        def start(*, ttl: int = 3600) -> TokenIssuer:
            options = {"OIDC_CERT": str(certificate), "OIDC_KEY": str(key), "OIDC_TTL": str(ttl)}
            told = facts(issuers.enter_context(running("oidc", **options)))
            return TokenIssuer(told["ISSUER"], told["CLIENT_ID"], told["CLIENT_SECRET"], ca)

        yield start


@pytest.fixture(scope="session")
def issuer(start_issuer: Callable[..., TokenIssuer]) -> TokenIssuer:
    """An issuer whose tokens last an hour."""
    return start_issuer()
