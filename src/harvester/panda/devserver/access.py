"""Who calls: nobody asked, a TLS client certificate, or a bearer token."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester.panda.devserver.answers import forbidden

Environ = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Caller:
    """An identity and whether it has the production role."""

    name: str
    is_production: bool


_ANYONE = Caller("anyone", is_production=True)


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of the door.

    Attributes:
        is_open: no credentials are asked for; a token that is shown is checked all the same if `tokens` are known.
        tokens: the bearer tokens that are good.
        known_vos: the VOs whose tokens can be read; empty = any.
        production_dns: parts of certificate names that have the production role; empty = all of them.
    """

    is_open: bool = True
    tokens: frozenset[str] = field(default=frozenset(), repr=False)
    known_vos: frozenset[str] = frozenset()
    production_dns: tuple[str, ...] = ()

    def identify(self, environ: Environ) -> Caller | None:
        """Tell who calls, None for nobody.

        Raises:
            HttpFailure: a token is shown that is no good; this happens before anything else, even for `is_alive`.
        """
        authorization = str(environ.get("HTTP_AUTHORIZATION", ""))
        if authorization.startswith("Bearer ") and (self.tokens or not self.is_open):
            return self._by_token(authorization.removeprefix("Bearer "), str(environ.get("HTTP_ORIGIN", "")))
        if self.is_open:
            return _ANYONE
        name = str(environ.get("SSL_CLIENT_S_DN", ""))
        if not name:
            return None
        return Caller(name, not self.production_dns or any(part in name for part in self.production_dns))

    def _by_token(self, token: str, origin: str) -> Caller:
        if not origin:
            raise forbidden("Token authentication failed. Origin is missing in the request header")
        vo, role = _vo_and_role(origin)
        if self.known_vos and vo not in self.known_vos:
            raise forbidden(f"Token authentication failed. Unknown vo : {vo}")
        if not any(hmac.compare_digest(token.encode(), good.encode()) for good in self.tokens):
            raise forbidden("Token authentication failed. Signature verification failed")
        return Caller(f"robot {role}".strip(), role == "production")


def _vo_and_role(origin: str) -> tuple[str, str]:
    """Split `<vo>`, `<vo>:<role>` or `<vo>.<role>`; the dots of a VO that begins with `vo.` are its own."""
    if ":" in origin or "." not in origin or origin.startswith("vo."):
        vo, _, role = origin.partition(":")
    else:
        vo, _, role = origin.rpartition(".")
    return vo, role
