"""One queue as the agents see it, core reference §2.2."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, JsonValue
from pydantic.fields import FieldInfo

from harvester.config.core_keys import CoreKeys, JsonSeconds
from harvester.config.fields import Count, JsonFlag, Keyed, Kind, Text, kind_of
from harvester.config.plugin_blocks import PluginBlock
from harvester.core.workers import MapType

STATUSES_OF_TRUE_PILOT = frozenset({"running", "transferring", "finished", "failed"})
"""Job statuses that a pilot reports itself when the queue says `truePilot`."""


class RunMode(StrEnum):
    """Who decides how many workers a queue gets: this instance, or the server's commands."""

    SELF = "self"
    SLAVE = "slave"


def _pairs(value: object) -> object:
    """`k=v,k2=v2` as a dictionary."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    complete = all(key.strip() and equals for key, equals, _ in pairs)
    return {key.strip(): text.strip() for key, _, text in pairs} if complete else value


def _names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


_LIMIT = Kind("a whole number, 0 or more")
Limit = Annotated[int | None, _LIMIT]
Block = Annotated[PluginBlock, Kind("a plugin block")]
PluginDicts = Annotated[
    tuple[dict[str, JsonValue], ...], Kind("a list of plugins", sample='[{"module": …, "name": …}]')
]
Criteria = Annotated[dict[str, str], BeforeValidator(_pairs), Kind("text like k=v,k2=v2", sample='"key=value"')]
StatusNames = Annotated[frozenset[str], BeforeValidator(_names), Kind("a comma-separated list", sample='"running"')]
Labels = Annotated[tuple[Text, ...], Kind("a list of labels", sample='["rc_alrb"]')]
Weights = Annotated[
    dict[str, Annotated[int, Field(strict=True, ge=0)]],
    Kind("an object of whole numbers", sample='{"label": permille}'),
]


class QueueConfig(Keyed):
    """A queue: the resource it stands for, how many jobs and workers it may hold, and the plugins that serve it."""

    unused: ClassVar[Mapping[str, str]] = {
        "queueName": "the key of the entry",
        "uniqueName": "the name of the queue tells its workers apart",
        "configID": "versions are counted by themselves",
        "nNewWorkers": "counted by the submitter",
        "pilotTypeRandomWeightsPermille": "labels have weights: `prodSourceLabelRandomWeightsPermille`",
    }

    queue_name: Text
    """Its name, the key of the entry."""
    site_name: Text
    """Site; the part of the name before `/` when not set."""
    site_family: Text
    """Family of sites, whose workers the throttler `tiny` limits together; the part of the name before `/` when not
    set."""
    panda_queue_name: Text | None = None
    """Name of the PanDA queue in CRIC, from the resolver, as workers are told it; the name of this queue when there is
    none."""
    queue_status: Text = "online"
    """`offline` takes the queue out of service; its present workers are still followed."""
    template_queue_name: Text | None = None
    """Template that the queue is a copy of."""
    resource_type: Text = "ANY"
    """Resource type of workers that fetch their own jobs; the part of the name after `/` when not set. `ANY` leaves it
    to the block `workerMaker`."""
    job_type: Text = "ANY"
    """Job type of such workers, likewise."""
    prod_source_label: Text = "managed"
    """Source label of the jobs."""
    prod_source_label_random_weights_permille: Weights = Field(default={})
    """Labels asked for instead, each in so many of 1000 cases."""
    prioritized_prod_source_labels: Labels = ("rc_alrb",)
    """Labels whose jobs get workers first, out of those that the server orders (`runMode` `slave`). Needs the server's
    statistics of jobs by label, `job_statistics_new.json` of the cacher."""
    map_type: MapType = MapType.ONE_TO_ONE
    """Jobs to workers; with `NoJob` the workers fetch their jobs themselves."""
    run_mode: RunMode = RunMode.SELF
    """`self`: this instance decides how many workers there are. `slave`: the server orders them, and the limits of the
    queue cap what it orders."""
    use_job_late_binding: JsonFlag = False
    """Jobs are given to workers when these run and ask for them, not when they are submitted."""
    allow_job_mixture: JsonFlag = False
    """Jobs of different tasks may share a worker."""
    max_submission_attempts: Count = 3
    """Attempts to submit a worker for one job."""
    true_pilot: JsonFlag = False
    """The pilot reports its jobs to the server itself."""
    no_heartbeat: StatusNames = frozenset()
    """Job statuses that are not reported, separated by commas; those a pilot reports, with `truePilot`."""
    get_job_criteria: Criteria = Field(default={})
    """Further conditions when asking for jobs, as in `k=v,k2=v2`."""
    zip_per_mb: Annotated[Count | None, Field(alias="zipPerMB")] = None
    """Output files of events are packed into files of at most this many megabytes; 0 for one per worker. A job may say
    otherwise."""
    ddm_endpoint_in: Text | None = None
    """Storage endpoint that input files are brought to; jobs share those of one endpoint, each is brought once."""
    prefetch_events: JsonFlag = True
    """Event ranges are asked for at submission."""
    init_events_multiplier: Annotated[Count, Field(alias="initEventsMultipler")] = 2
    """Event ranges per core asked for first."""
    scattered_events: JsonFlag | None = None
    """Event ranges of one worker may come from different files."""
    walltime_limit: JsonSeconds | None = None
    """Wall time of workers, for the worker makers `multijob`, `multinode` and `dummy_dynamic`."""

    max_workers: Limit = 0
    """Workers in all. 0: one queued worker at a time, none with `NoJob`."""
    max_new_workers_per_cycle: Limit = 0
    """New workers per cycle; 0 for no such limit."""
    n_queue_limit_worker: Limit = None
    """Workers that may wait in the batch system."""
    n_queue_limit_worker_max: Limit = None
    """Older name of `nQueueLimitWorker`."""
    n_queue_limit_worker_ratio: Limit = None
    """Waiting workers in percent of the running ones, with `NoJob`."""
    n_queue_limit_worker_min: Limit = None
    """Least result of the ratio."""
    n_queue_limit_worker_cores: Limit = None
    """Cores of waiting workers."""
    n_queue_limit_worker_cores_ratio: Limit = None
    """The same in percent of the running ones."""
    n_queue_limit_worker_cores_min: Limit = None
    """Least result of that ratio."""
    n_queue_limit_worker_memory: Limit = None
    """Memory of waiting workers in MB."""
    n_queue_limit_worker_memory_ratio: Limit = None
    """The same in percent of the running ones."""
    n_queue_limit_worker_memory_min: Limit = None
    """Least result of that ratio."""
    n_queue_limit_job: Limit = None
    """Jobs fetched and not yet running."""
    n_queue_limit_job_max: Limit = None
    """Older name of `nQueueLimitJob`."""
    n_queue_limit_job_ratio: Limit = None
    """Waiting jobs in percent of the running ones."""
    n_queue_limit_job_min: Limit = None
    """Least result of the ratio."""
    n_queue_limit_job_cores: Limit = None
    """Cores of waiting jobs."""
    n_queue_limit_job_cores_ratio: Limit = None
    """The same in percent of the running ones."""
    n_queue_limit_job_cores_min: Limit = None
    """Least result of that ratio."""

    common: Annotated[dict[str, JsonValue], Kind("an object", sample="{key: value}"), Field(repr=False)] = Field(
        default={}
    )
    """Parameters for all plugins of the queue; a plugin's own ones win."""
    submitter: Block
    """Submits workers."""
    monitor: Block
    """Checks workers; the submitter's block when not set and that names a `plugin`."""
    sweeper: Block
    """Kills workers and cleans up after them; as with the monitor when not set."""
    worker_maker: Block
    """Sizes a worker for its jobs; `simple` when not set."""
    messenger: Block
    """Talks to workers; its `accessPoint` is the directory shared with them. `shared_file` below `[master] workDir`
    when not set."""
    preparator: Block
    """Brings input files; `dummy` when not set."""
    stager: Block
    """Takes output files away; `dummy` when not set."""
    throttler: Block | None = None
    """May hold submission back, while too many submissions fail or a site family has enough workers."""
    zipper: Block | None = None
    """Packs output files; `tar` with the settings of the stager when not set."""
    aux_preparator: Annotated[Block | None, Field(alias="aux_preparator")] = None
    """Brings auxiliary inputs."""
    extractor: Block | None = None
    """Finds auxiliary inputs in job parameters; they need an `aux_preparator`."""
    resource: Block | None = None
    """Tells worker makers which nodes are free."""
    credmanagers: PluginDicts = Field(default=(), repr=False)
    """Credential managers of this queue; `${harvesterID}`, `${queueName}` and `${common.KEY}` are filled in."""
    file_syncer: Annotated[PluginDicts, Field(alias="file_syncer", repr=False)] = ()
    """File syncers of this queue, likewise."""

    core: CoreKeys = CoreKeys()
    """What the agents read from the plugin blocks."""

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """The field of each attribute, as it is written in the file."""
        return {key: field for key, field in super().by_key().items() if key not in {"core", "queueName"}}

    def gathers_outputs(self, end: str) -> bool:
        """Whether logs and left-over outputs of workers that end so are gathered (core reference §3.7 step 4)."""
        is_told_by_pilot = self.true_pilot or end in self.no_heartbeat
        return not is_told_by_pilot or self.core.messenger.force_post_processing

    @property
    def offline(self) -> bool:
        """Whether the configuration takes the queue out of service."""
        return self.queue_status.lower() == "offline"

    @property
    def blocks(self) -> dict[str, PluginBlock]:
        """The plugins of the queue by role."""
        values = {key: getattr(self, python_name(key)) for key in ROLES}
        return {role: block for role, block in values.items() if isinstance(block, PluginBlock)}


ROLES = (
    "submitter",
    "monitor",
    "sweeper",
    "workerMaker",
    "messenger",
    "preparator",
    "stager",
    "throttler",
    "zipper",
    "aux_preparator",
    "extractor",
    "resource",
)
"""The plugin blocks of a queue, as written in its configuration."""


LIMIT_KEYS = tuple(key for key, field in QueueConfig.by_key().items() if kind_of(field) is _LIMIT)
"""All limits; the resolver may set these and no other key."""


def python_name(role: str) -> str:
    """The attribute of a role."""
    return "worker_maker" if role == "workerMaker" else role
