"""Workers as agents hold them: with what neither plugins nor the server care for."""

from harvester.core.jobs import PilotError
from harvester.core.records import record_type
from harvester.core.workers import Worker, WorkerStatus


@record_type
class Held:
    """A worker with what only agents care for.

    Attributes:
        tries: how often the resource was asked to take it.
        absences: complete listings in a row that did not hold its marker.
        batch_end: the final state of the batch job while its outputs are still being collected.
        kill_error: the pilot error of its jobs if it is to be killed.
        jobs_asked: how many jobs it has asked for and not been given yet.
        ends_jobs: whether it is to be killed so that also those of its jobs end that it has not taken up.
    """

    worker: Worker
    tries: int
    absences: int
    batch_end: WorkerStatus | None
    kill_error: PilotError | None
    jobs_asked: int = 0
    ends_jobs: bool = False
