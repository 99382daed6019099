"""Hyper-parameter searches of the development server: the points that its iDDS knows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import Record


@dataclass(slots=True)
class Point(Record):
    """One point of a task's search.

    Attributes:
        parameters: what the payload tries.
        times_asked: how often its parameters were asked for.
        losses: every loss that was told of it, in order.
    """

    task_id: int
    point_id: int
    parameters: dict[str, JsonValue]
    times_asked: int = 0
    losses: list[JsonValue] = field(default_factory=list)

    def to_wire(self) -> dict[str, JsonValue]:
        """Give the point as iDDS describes it."""
        loss = self.losses[-1] if self.losses else None
        return {"id": self.point_id, "parameters": self.parameters, "loss": loss}


class Searches:
    """All points, by task and number."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._points: dict[tuple[int, int], Point] = {}
        for _, record in memory.records("points"):
            point = Point.from_record(record)
            self._points[point.task_id, point.point_id] = point

    def add(self, task_id: int, point_ids: Iterable[int]) -> None:
        """Let iDDS know points; those that it knows stay as they are."""
        for point_id in point_ids:
            if (task_id, point_id) not in self._points:
                self.keep(Point(task_id, point_id, {"x": point_id / 10}))

    def get(self, task_id: str, point_id: str) -> Point | None:
        """Find a point by the texts of an address."""
        return self._points.get((int(task_id), int(point_id))) if task_id.isdigit() and point_id.isdigit() else None

    def of_task(self, task_id: int) -> list[Point]:
        """Give the points of a task."""
        return [point for (task, _), point in self._points.items() if task == task_id]

    def keep(self, point: Point) -> None:
        """Remember a point in its present state."""
        self._points[point.task_id, point.point_id] = point
        self._memory.keep("points", f"{point.task_id}_{point.point_id}", point.to_record())
