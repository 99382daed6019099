"""The iDDS server of the development server: it tells points of searches, and hears what they were worth."""

from typing import Final

from pydantic import JsonValue

from harvester.panda.devserver.answers import HttpFailure
from harvester.panda.devserver.searches import Point
from harvester.panda.devserver.state import State

IDDS: Final = "/idds/"
_ASKED: Final = 6
_TOLD: Final = 5


def idds(state: State, verb: str, path: str) -> JsonValue:
    """Answer `GET /idds/hpo/<task>/null/<point>/null/null` and `PUT /idds/hpo/<task>/null/<point>/<loss>`.

    Raises:
        HttpFailure: there is no such thing.
    """
    parts = path.removeprefix(IDDS).split("/")
    if parts[0] != "hpo" or (verb, len(parts)) not in {("GET", _ASKED), ("PUT", _TOLD)}:
        raise HttpFailure("404 Not Found", "no such thing")
    with state.turn() as now:
        point = state.searches.get(parts[1], parts[3])
        return _asked(state, point) if verb == "GET" else _told(state, point, parts[4], now)


def _asked(state: State, point: Point | None) -> JsonValue:
    if point is None:
        return []
    point.times_asked += 1
    state.searches.keep(point)
    return [point.to_wire()]


def _told(state: State, point: Point | None, loss: str, now: float) -> JsonValue:
    if point is None:
        return {"status": 1, "message": "no such point"}
    point.losses.append(float(loss))
    state.searches.keep(point)
    state.memory.note(now, "point", f"{point.task_id}_{point.point_id}", "loss", loss)
    return {"status": 0}
