"""Who may come to the door at all: by where a request comes from, and by the token that it shows."""

import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import structlog
from falcon import Request

from harvester.plugins.tools.worker_tokens import InvalidTokenError, KeyFileError, WorkerTokens
from harvester.web.calls import Refusal
from harvester.web.networks import Networks
from harvester.web.rates import Rate

log = structlog.get_logger(__name__)

INVALID: Final = "Auth failed: Invalid token"
_TYPES: Final = frozenset({"application/json", "application/x-www-form-urlencoded"})
"""The second is what curl says when it is told nothing; the body is JSON in any case."""


class Callers:
    """Decides by a request's head alone.

    Args:
        tokens: what workers show; None where nothing is asked for.
        networks: from where requests without token, or without TLS, are let in, besides this host.
        tick: seconds of a clock that never goes back.
    """

    def __init__(
        self, tokens: WorkerTokens | None, networks: Sequence[str], tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._tokens = tokens
        self._trusted = Networks(networks)
        self._complaints = Rate(0.2, 5, tick)

    @property
    def must_show_token(self) -> bool:
        """Whether workers need a token."""
        return self._tokens is not None

    def admit(self, request: Request) -> int | None:
        """The worker whose token a request shows; None if it shows none.

        Raises:
            Refusal: it may not come in, whatever it wants.
        """
        if request.env.get("HTTP_ORIGIN") is not None:
            raise Refusal(HTTPStatus.FORBIDDEN, "pages of a browser are not served")
        kind = request.env.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
        if kind not in _TYPES:
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json")
        is_open = self._tokens is None or request.env.get("wsgi.url_scheme") != "https"
        if is_open and not self._trusted.holds(request.env.get("REMOTE_ADDR", "")):
            self.complain(request, "its address is not in [frontend] trustedNetworks")
            raise Refusal(HTTPStatus.FORBIDDEN, "this address is not served without TLS and a token")
        return self._subject(request) if self._tokens else None

    def _subject(self, request: Request) -> int | None:
        words = request.env.get("HTTP_AUTHORIZATION", "").split()
        if not words or self._tokens is None:
            return None
        try:
            return self._tokens.read(words[-1])
        except InvalidTokenError as error:
            self.complain(request, str(error))
            raise Refusal(HTTPStatus.FORBIDDEN, INVALID) from None
        except KeyFileError as error:
            self.complain(request, str(error))
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "tokens cannot be verified now") from None

    def complain(self, request: Request, reason: str) -> None:
        """Tell the operator of a request that was refused, of each address only now and then."""
        address = request.env.get("REMOTE_ADDR", "")
        if self._complaints.allows(address):
            log.warning("refused at the door", address=address, reason=reason)
