"""The contracts between Harvester and its plugins.

Rules that hold for every method here:

* It receives a list and answers with one result per item, in the same order. It never raises for one item: a problem
  with one worker is that worker's result. (What it raises anyway is contained to the items of the call.)
* It never touches the database and never reads the time by itself; `PluginContext.clock` tells it.
* Truth has three values. A resource that cannot be asked answers `Unclear` or `Unknown`, never "gone".
* One process start, one query or one listing per call and endpoint, not one per worker.

To add a batch system, write one `Resource` with its five verbs and run `harvester.plugins.testing` against it. All
contracts stand in this one file, long as it is, so that whoever writes a plugin has one file to read; only the answers
that Harvester's decisions are made of have their homes in `core`, in `outcomes` and `news`.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, JsonValue, model_validator

from harvester.config.plugin_blocks import PluginProblem
from harvester.core.clock import Clock
from harvester.core.facts import ComputingElement
from harvester.core.files import File
from harvester.core.jobs import Job
from harvester.core.kinds import ANY_KIND, WorkerKind
from harvester.core.news import NO_NEWS, News, RangesWanted, ReportedEvent, ReportedFile
from harvester.core.outcomes import CheckOutcome, Done, Failed, Gone, Later, Seen, Unknown
from harvester.core.records import record_type
from harvester.core.slots import Slot
from harvester.core.workers import Worker
from harvester.plugins.worker_door import WorkerDoor

__all__ = [
    "NO_NEWS",
    "Assignment",
    "AuxiliaryInput",
    "CheckOutcome",
    "CredentialManager",
    "CredentialSettings",
    "CredentialSource",
    "CredentialState",
    "Current",
    "Done",
    "EventFeed",
    "Extracted",
    "Extractor",
    "Failed",
    "Fed",
    "FileOutcome",
    "FileSyncer",
    "FreeSlot",
    "Gone",
    "Grade",
    "GroupToServe",
    "Grouped",
    "Invalid",
    "Later",
    "Messenger",
    "MissedLevel",
    "Moved",
    "News",
    "Packed",
    "Parcel",
    "Plugin",
    "PluginContext",
    "PluginSettings",
    "Preparator",
    "QueueLoad",
    "RangesWanted",
    "Refused",
    "ReportedEvent",
    "ReportedFile",
    "Resource",
    "Search",
    "Seen",
    "SettingsT",
    "SlotFinder",
    "Stager",
    "Stale",
    "StartOutcome",
    "SubmitOutcome",
    "Submitted",
    "TellsChanges",
    "Throttler",
    "Unclear",
    "Unknown",
    "Valid",
    "WorkerMaker",
    "WorkerPlan",
    "Zipper",
]


class PluginSettings(BaseModel):
    """Base of a plugin's typed settings; the fields' aliases are the keys of the queue configuration.

    Keys that the model does not know are kept out of the way but not refused: blocks are shared between plugins
    through `common`, and existing configurations carry keys of other plugins. A key with `null` or an empty text is as
    good as none: existing configurations have them.
    """

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, block: object) -> object:
        if not isinstance(block, Mapping):
            return block
        return {key: value for key, value in block.items() if value is not None and value != ""}

    def mistakes(self, _role: str) -> Iterable[PluginProblem]:
        """What would keep the plugin from working in that role and only shows on this machine, such as a missing file.

        `harvester check` and the start of the service tell it. The resource is not asked.
        """
        return ()


SettingsT = TypeVar("SettingsT", bound=PluginSettings)


class CredentialSource(Protocol):
    """The PanDA server, as far as it gives credentials; what it does not give raises a HarvesterError that says why."""

    @property
    def url(self) -> str:
        """Its address."""
        ...

    def proxy(self, role: str, certificate: str | None) -> str:
        """The proxy that it keeps for a role, given to whoever shows this file with certificate and key."""
        ...

    def token_key(self, client_name: str) -> str:
        """The key that pilots of a client trade for new tokens."""
        ...


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What every plugin may know besides its own settings.

    Attributes:
        instance: `harvester_id`.
        queue: name of the queue whose block made this plugin; empty for one that serves the instance.
        clock: the present time, aware UTC.
        state_dir: a directory of this instance for small state of plugins; exists and is private.
        file_names: names of the files in the access point, by key of `[payload_interaction]`.
        ahead: by how much `clock` is ahead of the system's clock, which dates files and may be set by people.
        setup: name of the set-up of a plugin that serves the instance.
        packing_threads: how many parcels a zipper may pack at once.
        draw: a number from 0 to below the one given, by chance.
        door: how workers reach Harvester by HTTP; None where nobody opens it to them.
        server: the PanDA server, for plugins that keep credentials.
        elements: the computing elements that work is sent to: of the queue, or of all queues of the instance.
    """

    instance: str
    queue: str
    clock: Clock
    state_dir: Path
    file_names: Mapping[str, str] = field(default_factory=dict)
    ahead: Callable[[], timedelta] = timedelta
    setup: str = ""
    packing_threads: int = 1
    draw: Callable[[int], int] = secrets.randbelow
    door: WorkerDoor | None = None
    server: CredentialSource | None = None
    elements: Callable[[], Sequence[ComputingElement]] = tuple

    @property
    def place(self) -> str:
        """Whom the plugin serves, for messages."""
        return f"queue {self.queue}" if self.queue else f"set-up {self.setup}"

    def file_time(self) -> datetime:
        """The present time as files are dated."""
        return self.clock() - self.ahead()


class Plugin(Generic[SettingsT]):
    """Base of all plugins: typed settings and a context."""

    Settings: ClassVar[type[PluginSettings]] = PluginSettings

    def __init__(self, settings: SettingsT, context: PluginContext) -> None:
        self.settings = settings
        self.context = context


# ---- resources: batch systems, clouds, this machine ------------------------------------------------------------------


class Grade(Enum):
    """How surely a submission can be found again after a crash (published per resource)."""

    IDEMPOTENT = "A"
    """The resource itself refuses a second submission with the same key."""
    SEARCHABLE = "B"
    """The marker is in every batch job and can be searched."""
    BLIND = "C"
    """No marker: a submission whose answer was lost is never repeated and stays charged to the queue."""


@record_type
class Submitted:
    """The resource holds the batch job.

    Attributes:
        batch_id: identifier to check and kill it with; with array jobs the element (`123_4`).
        log_urls: `stdOut`, `stdErr`, `batchLog`, `jdl` → URL or path.
    """

    batch_id: str
    submission_host: str | None = None
    computing_element: str | None = None
    batch_queue: str | None = None
    log_urls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The resource certainly holds no batch job for this worker.

    Attributes:
        permanent: trying the same job again cannot help (a broken template, an unknown partition …).
    """

    reason: str
    permanent: bool = False


@dataclass(frozen=True, slots=True)
class Unclear:
    """It is not known whether the resource took it (time-out, connection lost); it will be searched by its marker."""

    reason: str


SubmitOutcome = Submitted | Refused | Unclear


@dataclass(frozen=True, slots=True)
class Search:
    """The answer to a search by marker.

    Attributes:
        found: batch jobs by marker. Identity is marker *and* batch id: batch systems reuse ids.
        complete: the listing covered every batch job that could carry one of the markers, ended ones included;
            only then does a missing marker count as absent.
        reason: why the listing is not complete.
    """

    found: Mapping[str, Submitted]
    complete: bool
    reason: str = ""


class Resource(Plugin[SettingsT], ABC):
    """A place where workers run. One instance serves one block of one queue; it must be safe to call from threads."""

    grade: ClassVar[Grade]
    poll_seconds: ClassVar[float] = 10.0
    """The shortest pause between two rounds of checks that the system bears well."""
    settle_seconds: ClassVar[float] = 60.0
    """How long after an interrupted call its batch jobs may still appear in a listing."""

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """What is asked in one call: workers of all queues with the same endpoint are checked together.

        One of these queues' resources answers for all of them, so everything that changes the answer belongs to the
        endpoint: the system, the account, the commands that ask it and what they are told.
        """

    @abstractmethod
    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """Submit workers in as few calls as the system allows; each batch job carries its worker's marker.

        The access point exists and is filled when this is called.
        """

    @abstractmethod
    def find(self, workers: Sequence[Worker]) -> Search:
        """Search batch jobs by marker; called for workers whose submission was interrupted."""

    @abstractmethod
    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """Tell the state of each worker's batch job."""

    @abstractmethod
    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Ask the resource to end the batch jobs. Done also for those already gone: kills are repeated freely."""

    @abstractmethod
    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Remove what `submit` left behind for ended workers, except the access point, which the messenger owns."""

    def harmless(self, directory: Path) -> Mapping[str, JsonValue] | None:  # noqa: ARG002 (for overriding)
        """Settings with which workers ask for the same, but only say that they ran; for `harvester test submitter`.

        Only what differs from the settings of the block, `null` for what is left out; None if the resource cannot tell
        what its workers would run.

        Args:
            directory: where files may be put that these settings name.

        Raises:
            OSError: a file cannot be read or written.
        """
        return None


@runtime_checkable
class TellsChanges(Protocol):
    """A resource that can say quickly what changed; `[monitor] eventBasedPlugins` names it."""

    def changed(self, within: timedelta) -> Sequence[str]:
        """Markers of batch jobs whose state has changed in this time; some too many do no harm."""
        ...


# ---- messengers: how a worker without network talks to Harvester -----------------------------------------------------


@record_type
class Assignment:
    """A worker with the jobs that it is to run.

    Attributes:
        job_params: the server's full dictionaries by job id, empty in pull mode.
        input_files: input files by job id, with their local paths where staged in.
    """

    worker: Worker
    job_params: Mapping[int, Mapping[str, JsonValue]] = field(default_factory=dict)
    input_files: Mapping[int, Sequence[File]] = field(default_factory=dict)


@record_type
class Fed(Done):
    """A worker has what it needs, and its batch job is to find these variables in its environment.

    Batch systems show environments to many, so that none of them may hold a secret.
    """

    variables: Mapping[str, str] = field(default_factory=dict)


@record_type
class EventFeed:
    """Event ranges for a worker.

    Attributes:
        delivery: the same number when the same ranges are fed again after a crash; no other ranges ever have it.
        ranges: by job, as the server describes them; an empty list says that there are no more.
        token: the request that this answers; empty where the worker did not ask.
    """

    worker: Worker
    delivery: int
    ranges: Mapping[int, Sequence[Mapping[str, JsonValue]]]
    token: str = ""


class Messenger(Plugin[SettingsT], ABC):
    """Carries jobs to workers and brings back what they report."""

    @abstractmethod
    def access_point_template(self) -> str:
        """The `accessPoint` of the queue, placeholders not yet filled in."""

    @abstractmethod
    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Make the access points and put the jobs there; repeating it for the same worker starts afresh.

        `Fed` is `Done` with variables for the batch job.
        """

    def feed_running(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Give jobs to workers that run and have asked for them; repeating it changes nothing.

        `Failed` promises that this call told the worker of none of them: it is killed, and others get its new jobs.

        `job_params` and `input_files` have only the jobs that are new to a worker, its `job_ids` all that it ever had.
        """
        reason = f"{type(self).__name__} cannot give jobs to workers that run; switch useJobLateBinding off"
        return [Failed(reason) for _ in assignments]

    def untaken(self, workers: Sequence[Worker]) -> Sequence[Collection[int] | Later]:
        """Which of their jobs each of these ended workers has certainly never taken up, so that others may have them.

        Called for workers that got jobs while they ran. None of them means that it may have taken up all; `Later` that
        this cannot be told now: the end of the worker waits for it, as long as it would for `finish`.
        """
        return [() for _ in workers]

    @abstractmethod
    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        """Read what the workers left. The same news may be told again until it is acknowledged."""

    @abstractmethod
    def acknowledge(self, workers: Sequence[Worker]) -> None:
        """The news of these workers is safe in the database; it need not be told again."""

    def feed_events(self, feeds: Sequence[EventFeed]) -> Sequence[Done | Later | Failed]:
        """Give event ranges to workers; a delivery that a worker has already is not given to it again."""
        return [Failed("its messenger gives no event ranges") for _ in feeds]

    @abstractmethod
    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """After the batch job has ended: gather logs and left-over outputs, so that `collect` tells of them."""

    @abstractmethod
    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Remove the access points; done if they are gone already."""


# ---- what a resource has free ----------------------------------------------------------------------------------------


@record_type
class FreeSlot:
    """Nodes that a resource would give to one batch job at once, and for how many seconds they stay free."""

    nodes: int
    walltime_s: int


class SlotFinder(Plugin[SettingsT], ABC):
    """Knows which nodes are free, so that worker makers can fit workers to them; a queue names it as `resource`."""

    @abstractmethod
    def free_slots(self) -> Sequence[FreeSlot] | Unknown:
        """What may be used now, each slot by one batch job; none if nothing is free or it is too little."""


# ---- worker makers ---------------------------------------------------------------------------------------------------


@record_type
class WorkerPlan:
    """What one worker asks the resource for; units as in `Worker`."""

    cores: int = 1
    ram_mb: int = 0
    disk_mb: int = 0
    walltime_s: int = 0
    job_type: str | None = None
    resource_type: str | None = None
    pilot_type: str | None = None


@record_type
class GroupToServe:
    """The jobs that one new worker is to run, with the server's dictionaries; both empty in pull mode.

    Attributes:
        kind: what the worker is wanted for, which counts where no job says it.
        slot: what it takes by the information system, where that knows the queue.
        free: the nodes that it is meant to run on, of those that the worker maker chose.
        cores_per_node: `submitter.nCorePerNode`; None if the queue does not say it.
        walltime_limit_s: `walltimeLimit` of the queue, likewise.
    """

    jobs: Sequence[Job] = ()
    job_params: Mapping[int, Mapping[str, JsonValue]] = field(default_factory=dict)
    kind: WorkerKind = ANY_KIND
    slot: Slot | None = None
    free: FreeSlot | None = None
    cores_per_node: int | None = None
    walltime_limit_s: float | None = None


class WorkerMaker(Plugin[SettingsT], ABC):
    """Decides what a worker looks like, and if it likes how jobs and workers come together.

    Where it does not like (None), the keys of its block decide that Harvester itself reads.
    """

    @property
    def fits_slots(self) -> bool:
        """Whether its workers are made for free nodes, so that these are asked for each time and none are made without.

        (With `staticWorkers` so many are kept whatever is free.)
        """
        return False

    def choose_slots(self, free: Sequence[FreeSlot], new_workers: int) -> Sequence[FreeSlot]:
        """The nodes for each new worker, best first and not more than `new_workers`, out of those that are free."""
        return free[:new_workers]

    def jobs_per_worker(self, new_workers: int, slots: Sequence[FreeSlot]) -> int | None:  # noqa: ARG002 (for overriding)
        """How many jobs share a worker, with mapType ManyToOne; else `nJobsPerWorker`.

        Args:
            new_workers: how many new workers there may be.
            slots: what `choose_slots` answered; empty if free nodes do not matter.
        """
        return None

    def workers_per_job(self, new_workers: int) -> int | None:  # noqa: ARG002 (for overriding)
        """How many workers a job has at once, with mapType OneToMany; else `nWorkersPerJob`."""
        return None

    def ready_resources(self) -> int | None:
        """How many workers the resource would start at once, with `dynamicSizing`; else `nReadyResources`."""
        return None

    @abstractmethod
    def make(self, groups: Sequence[GroupToServe]) -> Sequence[WorkerPlan | Failed]:
        """One plan per group; Failed fails the jobs of that group (`failed_to_make`)."""

    def launch_scripts(self, workers: Sequence[Worker]) -> Sequence[str]:
        """What the batch job of each worker has to run, for the placeholder `launchScript`; empty leaves it out.

        Asked again whenever a worker is submitted: it follows from the worker and the settings alone.
        """
        return [""] * len(workers)


# ---- throttlers ------------------------------------------------------------------------------------------------------


class MissedLevel(StrEnum):
    """Which submissions count together: of a site, of a queue, or of the queues that use a computing element."""

    SITE = "site"
    QUEUE = "pq"
    ELEMENT = "ce"


@record_type
class QueueLoad:
    """What a throttler may judge a queue by.

    Attributes:
        missed: workers that could not be submitted, by level and by the minutes that the throttler asked about.
        queued: workers of all queues of the site family that wait, with their cores.
        running: likewise, those that run.
    """

    missed: Mapping[tuple[MissedLevel, float], int] = field(default_factory=dict)
    queued: int = 0
    running: int = 0
    queued_cores: int = 0
    running_cores: int = 0


class Throttler(Plugin[SettingsT], ABC):
    """Holds submission back where it would only make things worse; asked before workers are made."""

    @property
    @abstractmethod
    def windows(self) -> frozenset[float]:
        """How many minutes back it wants to know of submissions that failed."""

    @abstractmethod
    def judge(self, loads: Sequence[QueueLoad]) -> Sequence[Done | Later]:
        """Later for a queue that gets no new workers for now."""


# ---- data ------------------------------------------------------------------------------------------------------------


@record_type
class AuxiliaryInput:
    """A file that a job needs besides its declared inputs, such as a sandbox or a container image."""

    lfn: str
    url: str
    scope: str = "aux_input"


@record_type
class Extracted:
    """What a job needs besides.

    Attributes:
        inputs: files to be brought by the queue's `aux_preparator`.
        params: what is added to the job's dictionary.
    """

    inputs: Sequence[AuxiliaryInput] = ()
    params: Mapping[str, JsonValue] = field(default_factory=dict)


class Extractor(Plugin[SettingsT], ABC):
    """Finds auxiliary inputs in jobs that have just come."""

    @abstractmethod
    def extract(self, jobs: Sequence[Mapping[str, JsonValue]]) -> Sequence[Extracted | Failed]:
        """What each job needs, told from the server's dictionary; a job that Failed goes back to the server."""


@record_type
class Moved:
    """A file is where it should be.

    Attributes:
        path: its place now (for inputs: what the job reads; for outputs: where it was stored).
        size: bytes as stored, if the plugin looked.
        checksum: as stored, if the plugin looked.
        objstore_id: number of the object store that has it, if one has.
        path_convention: how that store lays it out, as the server numbers it.
    """

    path: str
    size: int | None = None
    checksum: str | None = None
    objstore_id: int | None = None
    path_convention: int | None = None


@record_type
class Grouped:
    """A file travels together with others: its transfer is under way, or waits until the group is complete.

    Harvester keeps both words with the file, gives them back with it, and writes a new status to all files of that
    group.

    Attributes:
        group_id: at most 190 characters, such as the id of one task of a transfer service.
        status: the plugin's own word, at most 64 characters.
        reason: how it stands, for people.
    """

    group_id: str
    status: str | None = None
    reason: str = "its group is under way"


StartOutcome = Done | Grouped | Later | Failed
FileOutcome = Moved | Grouped | Later | Failed


class Preparator(Plugin[SettingsT], ABC):
    """Brings input files to the resource before a worker is made."""

    @abstractmethod
    def trigger(self, files: Sequence[File]) -> Sequence[StartOutcome]:
        """Start the transfers. Starting one that is under way or done changes nothing."""

    @abstractmethod
    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """How the transfers stand: Moved with the local path, Later while under way, Failed for good."""


class Stager(Plugin[SettingsT], ABC):
    """Brings output files away after a job has ended."""

    @abstractmethod
    def trigger(self, files: Sequence[File]) -> Sequence[StartOutcome]:
        """Start the transfers. Starting one that is under way or done changes nothing."""

    @abstractmethod
    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """How the transfers stand."""


@record_type
class Parcel:
    """Output files that are to be packed into one.

    Attributes:
        file: what they become; its name is `file.lfn`.
        members: the files, each with its path.
        access_point: directory of the worker that wrote them, None if that worker is gone.
    """

    file: File
    members: Sequence[File]
    access_point: str | None = None


@record_type
class Packed:
    """The parcel is a file now; size in bytes, checksum as in `File`."""

    path: str
    size: int
    checksum: str


class Zipper(Plugin[SettingsT], ABC):
    """Packs output files before they are taken away."""

    def begin(self, parcels: Sequence[Parcel]) -> Sequence[Done | Later | Failed]:
        """With `usePostZipping`: start what takes long elsewhere; then `pack` is asked until it is done."""
        return [Done() for _ in parcels]

    @abstractmethod
    def pack(self, parcels: Sequence[Parcel]) -> Sequence[Packed | Later | Failed]:
        """Make the files. A crash may have left any part of an earlier attempt; Failed names the member to blame."""


# ---- upkeep: credentials and files of the hosts ----------------------------------------------------------------------


@record_type
class Valid:
    """The credential can be used.

    Attributes:
        until: when it runs out; None if it does not, or if nobody can tell.
        is_due: its manager wants it renewed, although it is still valid.
    """

    until: datetime | None = None
    is_due: bool = False


@dataclass(frozen=True, slots=True)
class Invalid:
    """The credential cannot be used: it is not there, ran out, or is of the wrong kind."""

    reason: str


CredentialState = Valid | Invalid | Unknown


class CredentialSettings(PluginSettings):
    """Base of the settings of credential managers."""

    def files(self) -> Iterable[str]:
        """The files that will be made, as far as the settings tell: `harvester check` does not miss these."""
        return ()


class CredentialManager(Plugin[SettingsT], ABC):
    """Keeps credentials valid: proxies and tokens, each a file that others read while it is replaced.

    Credentials are files on hosts, so every host of an instance runs each manager for itself, one process at a time.
    One that brings a credential to another place, such as a secret of Kubernetes, must not mind doing so once per host.
    """

    @abstractmethod
    def names(self) -> Sequence[str]:
        """The credentials that it keeps, by what operators call them: the path of the file."""

    def sources(self) -> Sequence[str]:
        """The files of certificates that it makes them from: people renew those, and hear of it in time."""
        return ()

    @abstractmethod
    def check(self, names: Sequence[str]) -> Sequence[CredentialState]:
        """How long each is valid, and whether it should be renewed."""

    @abstractmethod
    def renew(self, names: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Make new ones. The old one stays in place unless the new one is complete: never half a file, mode 0600."""


@record_type
class Current:
    """The local copy is as the remote files are."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The local copy is missing or old."""

    reason: str


class FileSyncer(Plugin[SettingsT], ABC):
    """Keeps local copies of remote files; as credentials, on every host for itself."""

    @abstractmethod
    def targets(self) -> Sequence[str]:
        """The copies that it keeps, by their paths."""

    @abstractmethod
    def check(self, targets: Sequence[str]) -> Sequence[Current | Stale | Unknown]:
        """Whether each copy is current; unknown changes nothing."""

    @abstractmethod
    def update(self, targets: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Bring the copies up to date; a copy that cannot be is left as it was."""
