"""How the jobs of a queue come to workers, by its configuration (core reference §4.4, §4.8)."""

from harvester.config.queue_model import QueueConfig
from harvester.core.grouping import GroupRules, Spread
from harvester.core.workers import MapType


def binds_late(queue: QueueConfig) -> bool:
    """Whether workers are submitted without jobs and get them when they ask; those of pull queues never do."""
    return queue.use_job_late_binding and queue.map_type is not MapType.NO_JOB


def may_ask(queue: QueueConfig | None) -> bool:
    """Whether workers of the queue may ask for jobs while they run."""
    return queue is not None and (queue.map_type is MapType.MANY_TO_ONE or binds_late(queue))


def group_rules(queue: QueueConfig, jobs_per_worker: int | None = None) -> GroupRules:
    """How the jobs of the queue come together; the worker maker may say how many share a worker."""
    return GroupRules(
        queue.map_type, jobs_per_worker or queue.core.worker_maker.n_jobs_per_worker, queue.allow_job_mixture
    )


def spread_of(queue: QueueConfig, workers_per_job: int | None = None) -> Spread:
    """How many workers a job of the queue may have; the worker maker may say how many at once."""
    keys = queue.core.worker_maker
    return Spread(
        workers_per_job or keys.n_workers_per_job,
        keys.max_workers_per_job_in_total,
        keys.max_workers_per_job_per_cycle or 0,
    )
