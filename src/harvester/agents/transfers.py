"""What preparator and stager share: files of jobs that a plugin moves, asked for by queue."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection

from harvester.agents.base import Agent, Unit
from harvester.core.files import File, FileKind, FileStatus
from harvester.core.jobs import Job
from harvester.plugins.api import Done, Failed, FileOutcome, Later, PluginSettings, Preparator, Stager
from harvester.store import files, jobs, leases
from harvester.store.leases import JOB_WORK, Claim, ClaimTicket
from harvester.store.schema import JobPhase

Mover = Preparator[PluginSettings] | Stager[PluginSettings]


@dataclass(frozen=True, slots=True)
class TransferUnit(Unit):
    """Jobs of one queue with the files that have to be moved for them."""

    jobs: Sequence[Job]
    files: Mapping[int, Sequence[File]]


@dataclass(frozen=True, slots=True)
class Transfers:
    """What the plugin said, by file id."""

    triggered: Mapping[int, Done | Later | Failed] = field(default_factory=dict)
    checked: Mapping[int, FileOutcome] = field(default_factory=dict)

    def of(self, file: File) -> Done | FileOutcome | None:
        """The last word on a file; None if it was not asked about."""
        return self.checked.get(file.file_id, self.triggered.get(file.file_id))

    def has_begun(self, file: File) -> bool:
        """Whether the transfer of a file was started, so that the last word is about how it stands."""
        return file.file_id in self.checked


class TransferAgent(Agent[TransferUnit, Transfers]):
    """An agent that has files of jobs moved.

    Attributes:
        phase: the phase of jobs that wait for it.
        kinds: the files it cares for.
        done: statuses in which a file needs nothing more.
    """

    phase: ClassVar[JobPhase]
    kinds: ClassVar[Sequence[FileKind]]
    done: ClassVar[frozenset[FileStatus]]

    @abstractmethod
    def mover(self, queue: str) -> Mover:
        """The plugin of a queue."""

    def horizon(self, connection: Connection) -> datetime | None:
        """When the next job is due."""
        return leases.next_due(connection, JOB_WORK, self.phase)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[TransferUnit]:
        """Jobs by queue, except those of queues whose plugin is still at work or rests."""
        found = jobs.claim_phase(connection, self.phase, ticket)
        of_jobs = files.of_jobs(connection, [job.job_id for job in found], self.kinds)
        by_queue: dict[str, list[Job]] = defaultdict(list)
        for job in found:
            by_queue[job.queue].append(job)
        return [
            TransferUnit(Claim(JOB_WORK, [job.job_id for job in some], ticket.fence), queue, some, of_jobs)
            for queue, some in by_queue.items()
        ]

    def still_ours(self, connection: Connection, unit: TransferUnit) -> TransferUnit:
        """The unit without jobs that others have taken over or ended meanwhile; nothing may be written of those."""
        held = jobs.held_ids(connection, [job.job_id for job in unit.jobs], unit.claim.fence)
        return replace(unit, jobs=[job for job in unit.jobs if job.job_id in held])

    def act(self, unit: TransferUnit) -> Transfers:
        """Have every transfer started that is not (starting it twice changes nothing), and ask how they stand.

        Files about which the plugin could not be asked stay as they are, and no attempt is counted.
        """
        wanted = [each for job in unit.jobs for each in unit.files[job.job_id] if each.status not in self.done]
        if not wanted:
            return Transfers()
        plugin, call = self.mover(unit.about), self.instance.call
        told = zip(wanted, call(plugin.trigger, wanted, str), strict=True)
        triggered = {file.file_id: answer for file, answer in told if not isinstance(answer, str)}
        moving = [each for each in wanted if isinstance(triggered.get(each.file_id), Done)]
        stand = zip(moving, call(plugin.check, moving, str), strict=True)
        return Transfers(triggered, {file.file_id: answer for file, answer in stand if not isinstance(answer, str)})
