"""The five verbs of a Slurm cluster."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final

from pydantic import JsonValue

from harvester.core.workers import Worker
from harvester.plugins.api import (
    CheckOutcome,
    Done,
    Failed,
    Gone,
    Grade,
    Later,
    PluginContext,
    Resource,
    Search,
    Seen,
    SubmitOutcome,
    Unknown,
)
from harvester.plugins.slurm.answers import left_behind, own_word, seen
from harvester.plugins.slurm.cluster import Cluster
from harvester.plugins.slurm.listing import Listing, Row
from harvester.plugins.slurm.naming import is_batch_id
from harvester.plugins.slurm.settings import SlurmSettings
from harvester.plugins.slurm.states import meaning_of
from harvester.plugins.slurm.submission import Submission
from harvester.plugins.slurm.under_way import Submissions
from harvester.plugins.tools.commands import Commands
from harvester.plugins.tools.harmless import harmless_script

_MARGIN: Final = timedelta(minutes=1)
_CLOCKS_DIFFER: Final = timedelta(hours=1)


class SlurmResource(Resource[SlurmSettings]):
    """Workers as Slurm batch jobs: alike ones as one array, one listing for all of them, one bulk cancel."""

    grade: ClassVar[Grade] = Grade.SEARCHABLE
    poll_seconds = 2.0
    settle_seconds = 15.0
    Settings: ClassVar[type[SlurmSettings]] = SlurmSettings

    def __init__(self, settings: SlurmSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(settings.command_timeout)
        self._cluster = Cluster(settings, self._commands)
        self._submissions = Submissions(context.state_dir / "slurm-submissions")
        self._submission = Submission(settings, context, self._cluster, self._submissions)

    @property
    def endpoint(self) -> str:
        """One listing serves all queues of a cluster."""
        return self._cluster.name

    @property
    def process_starts(self) -> Mapping[str, int]:
        """How many processes were started so far, by name of the Slurm command."""
        return self._commands.starts

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """One `sbatch` for all workers that are alike."""
        return self._submission.submit(workers)

    def find(self, workers: Sequence[Worker]) -> Search:
        """One `squeue`; one `sacct` too if a job could have ended so long ago that the controller has forgotten it."""
        if not workers:
            return Search({}, complete=True)
        by_marker = {worker.marker: worker for worker in workers}
        busy = self._submissions.concerns({worker.worker_id for worker in workers})
        queue = self._cluster.queue()
        rows = _by_marker(queue.every_row(), by_marker.keys())
        past = self._forgotten([worker for worker in workers if worker.marker not in rows])
        rows = {**_by_marker(past.every_row(), by_marker.keys()), **rows}
        reasons = [listing.reason for listing in (queue, past) if not listing.complete]
        if busy:
            reasons.append("an sbatch for some of the workers is still at work")
        found = {marker: self._submission.adopted(by_marker[marker], row.batch_id) for marker, row in rows.items()}
        return Search(found, complete=not reasons, reason="; ".join(reasons))

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """One `squeue`, and one `sacct` for those that it does not show."""
        if not workers:
            return []
        queue = self._cluster.queue()
        if not queue.complete and not queue.rows:
            return [Unknown(queue.reason)] * len(workers)
        missing = [worker for worker in workers if queue.of(worker) is None]
        past = self._accounting_of(missing)
        return [_outcome(worker, queue, past) for worker in workers]

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """One `squeue` to be sure whose job it is, one `scancel` for all that live."""
        if not workers:
            return []
        queue = self._cluster.queue()
        by_marker = _by_marker(queue.every_row(), {worker.marker for worker in workers})
        rows = [queue.of(worker) or by_marker.get(worker.marker) for worker in workers]
        problems = self._cluster.cancel([row.batch_id for row in rows if row is not None and not _has_ended(row)])
        return [_kill_outcome(row, queue, problems) for row in rows]

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Nothing is left outside the access points."""
        return [Done() for _ in workers]

    def harmless(self, directory: Path) -> Mapping[str, JsonValue] | None:
        """A batch script with the same directives.

        Raises:
            OSError: the template cannot be read, or the copy not be written.
        """
        if self.settings.template_file is None:
            return None
        return {"templateFile": str(harmless_script(Path(self.settings.template_file), directory))}

    def _forgotten(self, missing: Sequence[Worker]) -> Listing:
        """Accounting of the time in which a missing worker's job could have ended and left the controller's memory."""
        remembered = self._cluster.limits().ended_jobs_stay - _MARGIN
        now = self.context.clock()
        since = _earliest(missing)
        if not missing or (since is not None and now - since < remembered):
            return Listing()
        return self._cluster.accounting(None, self._by_slurms_clock(since))

    def _accounting_of(self, missing: Sequence[Worker]) -> Listing:
        batch_ids = [worker.batch_id for worker in missing if worker.batch_id and is_batch_id(worker.batch_id)]
        if not batch_ids:
            return Listing()
        since = _earliest(missing)
        return self._cluster.accounting(batch_ids, self._by_slurms_clock(since))

    def _by_slurms_clock(self, since: datetime | None) -> datetime | None:
        """A time that is surely not later where jobs are dated: our clock may be ahead of it after one was put back."""
        return None if since is None else since - _CLOCKS_DIFFER - max(self.context.ahead(), timedelta())


def _earliest(workers: Iterable[Worker]) -> datetime | None:
    """When the first of the workers was intended; None if that is not known of all."""
    times = [worker.created_at for worker in workers]
    known = [time for time in times if time is not None]
    return min(known) if known and len(known) == len(times) else None


def _by_marker(rows: Iterable[Row], markers: Collection[str]) -> dict[str, Row]:
    """The batch job of each marker; one that lives goes before one that has ended."""
    found: dict[str, Row] = {}
    for row in rows:
        marker = row.marker
        if marker is not None and marker in markers and (marker not in found or _has_ended(found[marker])):
            found[marker] = row
    return found


def _has_ended(row: Row) -> bool:
    meaning = meaning_of(row.state)
    return meaning is not None and meaning.status.is_final


def _outcome(worker: Worker, queue: Listing, past: Listing) -> CheckOutcome:
    """The controller's word, then the accounting's on ended jobs, then what else there is if both are sure of it."""
    if (row := queue.of(worker)) is not None:
        return _with_own_word(worker, row)
    if (row := past.of(worker)) is not None and _has_ended(row):
        return _with_own_word(worker, row)
    if not worker.batch_id:
        return Unknown("the worker has no batch id yet")
    if not queue.complete:
        return Unknown(queue.reason)
    return _contradiction(worker, queue, past) or _remains(worker, queue, past) or _nothing(worker, past)


def _contradiction(worker: Worker, queue: Listing, past: Listing) -> Unknown | None:
    """Why the worker's job may live although `squeue` does not list it; None if nothing says so."""
    if (row := queue.rest_of(worker)) is not None and not _has_ended(row):
        return Unknown(f"squeue says {row.state} of job {row.batch_id} as a whole, but does not list the worker's part")
    if (row := past.of(worker) or past.rest_of(worker)) is not None and not _has_ended(row):
        return Unknown(f"sacct says {row.state} of job {row.batch_id}, squeue does not show it")
    return None


def _remains(worker: Worker, queue: Listing, past: Listing) -> Seen | Unknown | None:
    """What files left behind, or else a record that the worker shares, tell of its end.

    The shared record comes last: an element that did run may have been forgotten.
    """
    if (left := left_behind(worker)) is not None:
        return left
    rest = queue.rest_of(worker) or past.rest_of(worker)
    return seen(rest) if rest is not None else None


def _nothing(worker: Worker, past: Listing) -> Gone | Unknown:
    """What it means that nothing tells of a worker."""
    if not past.complete and not past.switched_off:
        return Unknown(past.reason)
    return Gone(
        f"neither squeue nor {'the access point' if past.switched_off else 'sacct'} knows job {worker.batch_id}"
    )


def _with_own_word(worker: Worker, row: Row) -> Seen | Unknown:
    """The worker's own FINISHED file tells better than Slurm how an ended payload did."""
    outcome = seen(row)
    if not _has_ended(row) or isinstance(outcome, Unknown):
        return outcome
    word = own_word(worker)
    if word is None or word is outcome.status:
        return outcome
    return replace(outcome, status=word, diagnostics=f"the worker wrote {word} to FINISHED", error_code=0)


def _kill_outcome(row: Row | None, queue: Listing, problems: Mapping[str, str]) -> Done | Later:
    if row is not None and row.batch_id in problems:
        return Later(problems[row.batch_id])
    if row is None and not queue.complete:
        return Later(queue.reason)
    return Done()
