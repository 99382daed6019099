"""An issuer of tokens, asked by client credentials (RFC 6749 §4.4, plugins reference §4.14)."""

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, ValidationError

from harvester.core.clock import Clock
from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.panda.auth import Credentials
from harvester.panda.closing import Closable
from harvester.panda.wire import Body, Wire

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_LARGEST: Final = 2**20
_LONGEST_WORDS: Final = 200
_HTTP_OK: Final = 200
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class IssuerError(HarvesterError):
    """No token; the message never holds a secret."""


class ClientAccount(BaseModel):
    """Who asks: the content of `client_cred_file`.

    Attributes:
        token_endpoint: where tokens are asked for; `<issuer>/token` when not set.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    issuer: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(min_length=1)
    token_endpoint: str | None = None

    @property
    def address(self) -> str:
        """Where tokens are asked for."""
        return self.token_endpoint or f"{self.issuer.rstrip('/')}/token"


def read_account(path: Path) -> ClientAccount:
    """Read `client_cred_file`.

    Raises:
        IssuerError: it cannot be read, or says something else.
    """
    try:
        return ClientAccount.model_validate_json(path.read_bytes())
    except OSError as error:
        raise IssuerError(f"client_cred_file {path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        advice = 'write {"issuer": "https://…", "client_id": "…", "client_secret": "…"}'
        raise IssuerError(f"client_cred_file {path} {_first_problem(error)}; {advice}") from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    key = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"has no {key}"
    return f"cannot be used, {key}: {first['msg']}" if key else f"cannot be used: {first['msg']}"


def is_open_to_others(path: Path) -> bool:
    """Whether somebody else on this machine may read or change a file."""
    try:
        return bool(os.stat(path).st_mode & _OTHERS)  # noqa: PTH116 - the same
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; an empty scope is not sent."""

    audience: str
    scope: str = ""


class Issuer(Closable):
    """Asks one issuer; may be used from many threads.

    Args:
        account: who asks, and whom.
        ca_cert: authorities that its certificate is checked with; None for those of the system.
        timeout: seconds for connecting and for each silence.
        clock: what time it is.

    Raises:
        IssuerError: secrets cannot be sent to that address.
    """

    def __init__(self, account: ClientAccount, *, ca_cert: str | None, timeout: float, clock: Clock) -> None:
        base, _, self._path = account.address.rpartition("/")
        address = urlsplit(account.address)
        if address.scheme != "https" and address.hostname not in _LOOPBACK:
            raise IssuerError(f"the secret would travel openly to {masked(account.address)}; write https://")
        self._account = account
        try:
            anonymous = Credentials(ca_cert=ca_cert)
            self._wire = Wire(base, anonymous, stated_in="client_cred_file", clock=clock, timeout=timeout)
        except ValueError as error:
            raise IssuerError(masked(str(error))) from None

    def close(self) -> None:
        """Close idle connections."""
        self._wire.close()

    def token(self, wanted: Wanted) -> str:
        """A new token.

        Raises:
            IssuerError: there is none, with the issuer's reason.
            PandaUnavailable: the issuer does not answer.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret.get_secret_value(),
            "audience": wanted.audience,
            **({"scope": wanted.scope} if wanted.scope else {}),
        }
        body = Body(urlencode(form).encode(), headers=_FORM)
        status, answer = self._wire.exchange("POST", self._path, body, at_most=_LARGEST)
        said = _object_of(answer)
        token = said.get("access_token")
        if status == _HTTP_OK and isinstance(token, str) and token:
            return token
        raise IssuerError(f"the issuer answers HTTP {status}: {self._words(said)}")

    def _words(self, said: dict[str, JsonValue]) -> str:
        """What it says, which may repeat what it was sent."""
        parts = [str(said[key]) for key in ("error", "error_description") if isinstance(said.get(key), str)]
        if not parts:
            return "no token, and no reason that can be read"
        text = " ".join(": ".join(parts).split())
        hidden = text.replace(self._account.client_secret.get_secret_value(), "(hidden)")
        return masked(hidden)[:_LONGEST_WORDS]


def _object_of(answer: bytes) -> dict[str, JsonValue]:
    """An answer that is no JSON object says nothing; it is not shown, since it may be a token."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
