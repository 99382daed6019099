"""Lets a trouble that lasts be logged when it begins or changes, not in every round."""

from collections.abc import Mapping
from typing import Generic, TypeVar

SubjectT = TypeVar("SubjectT")


class Complaints(Generic[SubjectT]):
    """What was complained of in the last round of each endpoint."""

    def __init__(self) -> None:
        self._last: dict[str, Mapping[SubjectT, str]] = {}

    def fresh(self, endpoint: str, troubles: Mapping[SubjectT, str]) -> dict[SubjectT, str]:
        """Those of the troubles that the endpoint's last round did not have in the same words."""
        last = self._last.get(endpoint, {})
        self._last[endpoint] = dict(troubles)
        return {subject: trouble for subject, trouble in troubles.items() if last.get(subject) != trouble}
