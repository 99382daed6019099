"""Has outputs of events packed and taken away while their jobs still run: the server waits for the events in them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from harvester.agents.stager import StagerAgent
from harvester.agents.transfers import Transfers, TransferUnit
from harvester.core.files import AT_REST, EVENT_KINDS, OUTPUT_DONE, File
from harvester.store import files, jobs, leases
from harvester.store.leases import TOGETHER
from harvester.store.schema import JobPhase


class EarlyStager(StagerAgent):
    """See the module. It changes files alone; a job that ends meanwhile is left to the stager."""

    name = "early stager"
    phase = JobPhase.WORK
    kinds = (EVENT_KINDS,)
    jobs_have_ended = False

    def commit(self, connection: Connection, unit: TransferUnit, result: Transfers) -> Sequence[str]:
        """Jobs with outputs on their way are looked at again, the others when they have new ones."""
        now = self.instance.clock()
        unit = self.still_ours(connection, unit)
        after = self.note_files(connection, unit, result, now)
        jobs.trigger_reports(connection, _with_settled_files(unit, after), now + TOGETHER)
        again = files.jobs_with_open_outputs(connection, after.keys(), EVENT_KINDS)
        dues = {job: now + self._pause(some, result) if job in again else None for job, some in after.items()}
        jobs.rest_working(connection, dues, unit.claim.fence)
        leases.give_back(connection, unit.claim, now)
        return ("stager", "propagator", self.name)

    def _pause(self, known: Sequence[File], result: Transfers) -> timedelta:
        """Not at all for files that have come meanwhile."""
        all_at_rest = all(each.status in AT_REST for each in known)
        return timedelta() if all_at_rest else self.pause(known, result)


def _with_settled_files(unit: TransferUnit, after: Mapping[int, Sequence[File]]) -> set[int]:
    """Jobs of whose event ranges the server can be told more than before."""
    done = {each.file_id for some in unit.files.values() for each in some if each.status in OUTPUT_DONE}
    return {job for job, some in after.items() if any(_is_new(each, done) for each in some)}


def _is_new(file: File, done: set[int]) -> bool:
    return file.status in OUTPUT_DONE and file.file_id not in done
