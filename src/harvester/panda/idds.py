"""iDDS, as far as it keeps the points of hyper-parameter searches (protocol reference §11.4)."""

from typing import Final
from urllib.parse import quote

from pydantic import JsonValue

from harvester.core.clock import Clock, utc_now
from harvester.core.samples import SamplePoint
from harvester.panda.auth import Credentials
from harvester.panda.closing import Closable
from harvester.panda.errors import PandaRefused, PandaUnavailable
from harvester.panda.storable import fault_of
from harvester.panda.transport import parse_answer
from harvester.panda.wire import NOTHING, Wire

_STATED_IN: Final = "[pandacon] iddsURL"
_PATIENCE: Final = 20.0
"""Seconds, at most: a worker that waits for a point is better off being tried again."""
_LARGEST: Final = 2**20
_HTTP_OK: Final = 200
_LONGEST_WORDS: Final = 200

Point = dict[str, JsonValue]
"""A point as iDDS describes it."""


class Idds(Closable):
    """Asks for points and tells their losses; may be used from many threads. It asks nobody who he is.

    Args:
        base_url: `[pandacon] iddsURL`.
        credentials: how servers are verified; nothing of them is shown.
        timeout: seconds for connecting and for each silence.

    Raises:
        ValueError: `base_url` is no address of a server.
    """

    def __init__(self, base_url: str, credentials: Credentials, *, timeout: float, clock: Clock = utc_now) -> None:
        anonymous = Credentials(ca_cert=credentials.ca_cert)
        patience = min(timeout, _PATIENCE)
        self._wire = Wire(base_url, anonymous, stated_in=_STATED_IN, clock=clock, timeout=patience)

    def close(self) -> None:
        """Close idle connections."""
        self._wire.close()

    def point(self, point: SamplePoint) -> Point:
        """What a point is.

        Raises:
            PandaUnavailable: iDDS does not say.
            PandaRefused: it knows no such point.
        """
        path = f"idds/hpo/{point.task_id}/null/{quote(point.point_id, safe='')}/null/null"
        answer = self._ask("GET", path)
        if not isinstance(answer, list):
            raise self._nonsense(path, "is no list of points")
        known = (each for each in answer if isinstance(each, dict) and str(each.get("id")) == point.point_id)
        found = next(known, None)
        if found is None:
            raise PandaRefused(self._url(path), f"iDDS knows no point {point.point_id} of task {point.task_id}")
        if fault := fault_of(found):
            raise PandaRefused(self._url(path), f"point {point.point_id} of task {point.task_id} holds {fault}")
        return found

    def tell_loss(self, point: SamplePoint, loss: float) -> None:
        """Tell what a point was worth; to tell it twice changes nothing.

        Raises:
            PandaUnavailable: iDDS cannot be told.
            PandaRefused: it does not want to hear it.
        """
        path = f"idds/hpo/{point.task_id}/null/{quote(point.point_id, safe='')}/{loss!r}"
        answer = self._ask("PUT", path)
        if not isinstance(answer, dict) or "status" not in answer:
            raise self._nonsense(path, "has no status")
        if answer["status"] != 0:
            words = f"iDDS refuses the loss {loss!r}: {str(answer)[:_LONGEST_WORDS]}"
            raise PandaRefused(self._url(path), words)

    def _ask(self, verb: str, path: str) -> JsonValue:
        status, answer = self._wire.exchange(verb, path, NOTHING, at_most=_LARGEST)
        if status != _HTTP_OK:
            words = f"iDDS answers HTTP {status}; check {_STATED_IN} and the log of iDDS"
            raise PandaUnavailable(self._url(path), words, status=status)
        return parse_answer(self._url(path), answer, "an iDDS server")

    def _url(self, path: str) -> str:
        return f"{self._wire.base_url}/{path}"

    def _nonsense(self, path: str, what: str) -> PandaUnavailable:
        return PandaUnavailable(self._url(path), f"the answer {what}; is {_STATED_IN} an iDDS server?")
