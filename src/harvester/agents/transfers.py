"""What preparator and stager share: files of jobs that a plugin moves, asked for by queue."""

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar, Final

import structlog
from sqlalchemy import Connection

from harvester.agents.base import Agent, Unit
from harvester.core.files import TO_PACK, Course, File, FileKind, FileStatus
from harvester.core.jobs import Job
from harvester.plugins.api import (
    Done,
    Failed,
    FileOutcome,
    Grouped,
    Later,
    Moved,
    Packed,
    PluginSettings,
    Preparator,
    Stager,
    StartOutcome,
)
from harvester.store import files, jobs, leases
from harvester.store.leases import JOB_WORK, Claim, ClaimTicket
from harvester.store.schema import JobPhase

Mover = Preparator[PluginSettings] | Stager[PluginSettings]
PackOutcome = Done | Packed | Later | Failed

log = structlog.get_logger(__name__)

_OFTEN: Final = 5.0
"""Seconds after which transfers are looked at again, however long the configured interval is."""


class Step(Enum):
    """What a job needs next; jobs that need different things do not wait for each other."""

    NOTHING = "nothing"
    PACK = "pack"
    START = "start"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done in one call of a plugin, and how long it takes to the next one.

    Attributes:
        jobs: jobs whose files are treated in one call, by what they need; without a word on a step, all.
        to_start: files of one job whose transfers are started, None for all.
        to_look: files of one job that are asked for, None for all.
        start_again: seconds after which starting is tried again.
        look_again: seconds after which a transfer is asked for again.
    """

    jobs: Mapping[Step, int]
    to_start: int | None
    to_look: int | None
    start_again: float
    look_again: float


@dataclass(frozen=True, slots=True)
class TransferUnit(Unit):
    """Jobs of one queue with the files that have to be moved for them.

    Attributes:
        access_points: directories by worker, where files are to be packed.
        version: of the queue's configuration, if the jobs need other plugins than those of the present one.
    """

    jobs: Sequence[Job]
    files: Mapping[int, Sequence[File]]
    access_points: Mapping[int, str] = field(default_factory=dict)
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Transfers:
    """What plugins said, by file id; `packed` about files that are made of others."""

    triggered: Mapping[int, StartOutcome] = field(default_factory=dict)
    checked: Mapping[int, FileOutcome] = field(default_factory=dict)
    packed: Mapping[int, PackOutcome] = field(default_factory=dict)

    def of(self, file: File) -> StartOutcome | FileOutcome | None:
        """The last word on a file that is moved; None if it was not asked about."""
        return self.checked.get(file.file_id, self.triggered.get(file.file_id))

    def has_begun(self, file: File) -> bool:
        """Whether the transfer of a file was started, so that the last word is about how it stands."""
        return file.file_id in self.checked

    def problem_of(self, file: File) -> str:
        """Why a file is not where it should be; empty if nothing was said."""
        outcome = self.packed.get(file.file_id) or self.of(file)
        return outcome.reason if isinstance(outcome, Failed | Later | Grouped) else ""

    def has_moved_on(self, file: File) -> bool:
        """Whether something was achieved for the file."""
        return isinstance(self.packed.get(file.file_id) or self.of(file), Done | Grouped | Moved | Packed)


class TransferAgent(Agent[TransferUnit, Transfers]):
    """An agent that has files of jobs moved.

    Attributes:
        phase: the phase of jobs that wait for it.
        kinds: the files it cares for; those of one set are moved by one plugin.
        course: the statuses that they go through.
    """

    phase: ClassVar[JobPhase]
    kinds: ClassVar[Sequence[frozenset[FileKind]]]
    course: ClassVar[Course]

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """As configured."""

    @abstractmethod
    def mover(self, unit: TransferUnit, kinds: frozenset[FileKind]) -> Mover:
        """The plugin of the unit's queue for one of the sets of kinds."""

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next job is due."""
        return leases.next_due(connection, JOB_WORK, self.phase, besides=besides)

    # ---- claiming ----------------------------------------------------------------------------------------------------

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[TransferUnit]:
        """Jobs by queue and what they need, except those of queues whose plugin is still at work or rests."""
        found = jobs.claim_phase(connection, self.phase, ticket)
        if not found:
            return ()
        every_kind = frozenset[FileKind]().union(*self.kinds)
        of_jobs = files.of_jobs(connection, [job.job_id for job in found], every_kind)
        whole = TransferUnit(Claim(JOB_WORK, [], ticket.fence), "", found, of_jobs)
        return self._divided(self.arrange(connection, whole))

    def arrange(self, connection: Connection, unit: TransferUnit) -> TransferUnit:  # noqa: ARG002 (for agents that need it)
        """Decide in the transaction of the claim what the files are to become; nothing by default."""
        return unit

    def _divided(self, whole: TransferUnit) -> list[TransferUnit]:
        together: dict[tuple[str, int | None, Step], list[Job]] = defaultdict(list)
        for job in whole.jobs:
            version = self.instance.plugins.own_version(job.queue, job.config_version)
            together[job.queue, version, self._next_step(whole.files[job.job_id])].append(job)
        most = self.limits.jobs
        return [
            replace(
                whole,
                claim=replace(whole.claim, keys=[job.job_id for job in some]),
                about=queue,
                jobs=some,
                version=version,
            )
            for (queue, version, step), every in together.items()
            for some in _pieces(every, most.get(step, len(every)))
        ]

    def _next_step(self, some: Sequence[File]) -> Step:
        statuses = {each.status for each in some} - self.course.done
        if not statuses:
            return Step.NOTHING
        if statuses & TO_PACK:
            return Step.PACK
        return Step.START if self.course.waiting in statuses else Step.LOOK

    def still_ours(self, connection: Connection, unit: TransferUnit) -> TransferUnit:
        """The unit without jobs that others have taken over or ended meanwhile; nothing may be written of those."""
        held = leases.held_keys(connection, JOB_WORK, [job.job_id for job in unit.jobs], unit.claim.fence)
        return replace(unit, jobs=[job for job in unit.jobs if job.job_id in held])

    # ---- asking ------------------------------------------------------------------------------------------------------

    def act(self, unit: TransferUnit) -> Transfers:
        """Have every transfer started that is not (starting it twice changes nothing), and ask how they stand.

        Files about which the plugin could not be asked stay as they are, and no attempt is counted.
        """
        triggered: dict[int, StartOutcome] = {}
        checked: dict[int, FileOutcome] = {}
        limits = self.limits
        for kinds in self.kinds:
            wanted = [self._wanted(unit.files[job.job_id], kinds, limits) for job in unit.jobs]
            if any(wanted):
                self._move(self.mover(unit, kinds), wanted, triggered, checked)
        return Transfers(triggered, checked)

    def _wanted(self, some: Sequence[File], kinds: frozenset[FileKind], limits: Limits) -> list[File]:
        """The files of one job that are asked about in this round: those that were asked least go first."""
        mine = [each for each in some if each.kind in kinds]
        waiting = [each for each in mine if each.status is self.course.waiting]
        moving = sorted((each for each in mine if each.status is self.course.moving), key=lambda each: each.attempts)
        return moving[: limits.to_look] + waiting[: limits.to_start]

    def _move(
        self,
        plugin: Mover,
        wanted: Sequence[Sequence[File]],
        triggered: dict[int, StartOutcome],
        checked: dict[int, FileOutcome],
    ) -> None:
        call = self.instance.call
        every = [each for some in wanted for each in some]
        told = zip(every, call(plugin.trigger, every, str), strict=True)
        triggered |= {file.file_id: answer for file, answer in told if not isinstance(answer, str)}
        begun = [[each for each in some if _is_begun(triggered.get(each.file_id))] for some in wanted]
        moving = [each for some in begun for each in some[: self.limits.to_look]]
        stand = zip(moving, call(plugin.check, moving, str), strict=True)
        checked |= {file.file_id: answer for file, answer in stand if not isinstance(answer, str)}

    # ---- what follows ------------------------------------------------------------------------------------------------

    def after(self, file: File, result: Transfers, now: datetime) -> File:
        """The file as it stands after this round."""
        course = self.course
        match result.of(file):
            case Moved() as moved:
                return replace(
                    file,
                    status=course.arrived,
                    path=moved.path,
                    size=moved.size or file.size,
                    checksum=moved.checksum or file.checksum,
                    objstore_id=moved.objstore_id,
                    path_convention=moved.path_convention,
                )
            case Failed():
                return replace(file, status=FileStatus.FAILED)
            case Grouped() as grouped:
                return _in_group(replace(file, status=course.moving, attempts=file.attempts + 1), grouped, now)
            case Later():
                status = course.moving if result.has_begun(file) else file.status
                return replace(file, status=status, attempts=file.attempts + 1)
            case Done():
                return replace(file, status=course.moving)
            case None:
                return file

    def note_files(
        self, connection: Connection, unit: TransferUnit, result: Transfers, now: datetime
    ) -> Mapping[int, Sequence[File]]:
        """Write what has become of the files, and return them by job."""
        after = {job.job_id: [self.after(each, result, now) for each in unit.files[job.job_id]] for job in unit.jobs}
        before = {each.file_id: each for job in unit.jobs for each in unit.files[job.job_id]}
        changed = [each for some in after.values() for each in some if each != before[each.file_id]]
        files.note_travels(connection, changed)
        self._log_losses(unit.about, changed, result)
        groups = {each.group_id: each.group_status for each in changed if each.grouped_at == now and each.group_id}
        files.note_groups(connection, groups, now)
        return after

    def _log_losses(self, queue: str, changed: Iterable[File], result: Transfers) -> None:
        """One line per reason, however many files it concerns."""
        by_reason: dict[str, list[File]] = defaultdict(list)
        for each in changed:
            if each.status is FileStatus.FAILED:
                by_reason[result.problem_of(each)].append(each)
        for reason, some in by_reason.items():
            about = {"agent": self.name, "queue": queue, "files": len(some), "first_job": some[0].job_id}
            log.warning("files are given up", **about, reason=reason)

    def pause(self, some: Sequence[File], result: Transfers) -> timedelta:
        """How long to wait before the files of a job are looked at again; not at all if some had to wait for others."""
        waiting = [each for each in some if each.status is self.course.waiting]
        left_out = any(result.of(each) is None for each in waiting)
        if left_out and any(result.has_moved_on(each) for each in some):
            return timedelta()
        seconds = self.limits.start_again if waiting else self.limits.look_again
        return timedelta(seconds=min(seconds, _OFTEN))


def cause(what: str, some: Sequence[File], result: Transfers) -> str:
    """What is said of a job in one line: what was lost of its files, what they wait for, or how many there are.

    Args:
        what: `input` or `output`.
        some: all files of the job, as they are now.
        result: what plugins said of them.
    """
    lost = [each for each in some if each.status is FileStatus.FAILED]
    if problem := first_problem(lost or some, result):
        return f"{what} {problem}"
    if lost:
        return f"{what} {lost[0].lfn} was lost before"
    if not some:
        return f"the job has no {what} files"
    return f"1 {what} file" if len(some) == 1 else f"{len(some)} {what} files"


def first_problem(some: Iterable[File], result: Transfers) -> str:
    """The first file that is not where it should be, and why; empty if nothing was said."""
    return next((f"{each.lfn}: {reason}" for each in some if (reason := result.problem_of(each))), "")


def _is_begun(answer: StartOutcome | None) -> bool:
    return isinstance(answer, Done | Grouped)


def _in_group(file: File, grouped: Grouped, now: datetime) -> File:
    known = (file.group_id, file.group_status)
    if known == (grouped.group_id, grouped.status):
        return file
    return replace(file, group_id=grouped.group_id, group_status=grouped.status, grouped_at=now)


def _pieces(every: Sequence[Job], length: int) -> Iterable[Sequence[Job]]:
    return (every[start : start + length] for start in range(0, len(every), length))
