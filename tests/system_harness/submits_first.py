"""A Harvester with a defect: it asks the resource first, and only then commits that it was going to."""

from collections.abc import Sequence

from sqlalchemy import Connection

from harvester.agents.base import ClaimTicket
from harvester.agents.submitter import Submitter, SubmitUnit
from harvester.plugins.api import Assignment, SubmitOutcome

_claim = Submitter.claim
_act = Submitter.act
_answers: dict[int, Sequence[SubmitOutcome]] = {}


def _claim_and_submit(self: Submitter, connection: Connection, ticket: ClaimTicket) -> Sequence[SubmitUnit]:
    units = _claim(self, connection, ticket)
    _answers.update({id(unit): _act(self, unit) for unit in units})
    return units


def _tell(_: Submitter, unit: SubmitUnit) -> Sequence[SubmitOutcome]:
    return _answers.pop(id(unit))


def _all_ours(_: Submitter, _unit: SubmitUnit, some: Sequence[Assignment]) -> list[Assignment]:
    return list(some)


Submitter.claim = _claim_and_submit  # type: ignore[method-assign]
Submitter.act = _tell  # type: ignore[method-assign]
Submitter._still_ours = _all_ours  # type: ignore[method-assign]
