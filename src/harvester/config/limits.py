"""The limits of a queue: in agreement with each other, and as decisions take them (core reference §2.5, §4.5, §4.6)."""

from harvester.config.job_sections import JobFetcher
from harvester.config.queue_model import QueueConfig
from harvester.config.worker_sections import Submitter
from harvester.core.job_fetch import JobLimits
from harvester.core.limits import WorkerLimits
from harvester.core.workers import MapType


def with_agreeing_limits(queue: QueueConfig) -> QueueConfig:
    """The queue with its limits as the sizing decisions use them.

    A limit and its older name are the lower of the two, and no more workers may wait than there may be in all. Job
    limits mean nothing to workers that fetch their own jobs; where jobs are fetched for them, these decide and not the
    workers that run.
    """
    pulls = queue.map_type is MapType.NO_JOB
    waiting = _least(queue.n_queue_limit_worker, queue.n_queue_limit_worker_max)
    jobs = _least(queue.n_queue_limit_job, queue.n_queue_limit_job_max)
    return queue.model_copy(
        update={
            "n_queue_limit_worker": None if waiting is None else _least(waiting, queue.max_workers),
            "n_queue_limit_job": None if pulls else jobs,
            "n_queue_limit_worker_ratio": queue.n_queue_limit_worker_ratio if pulls else None,
            "n_queue_limit_worker_min": queue.n_queue_limit_worker_min if pulls else None,
        }
    )


def worker_limits(queue: QueueConfig, section: Submitter) -> WorkerLimits:
    """How many workers the queue may have; the section has the limit of a cycle of any queue."""
    return WorkerLimits(
        queued=queue.n_queue_limit_worker,
        total=queue.max_workers or 0,
        per_cycle=queue.max_new_workers_per_cycle or 0,
        instance_per_cycle=section.max_new_workers or 0,
        queued_ratio=queue.n_queue_limit_worker_ratio,
        queued_min=queue.n_queue_limit_worker_min,
        cores=queue.n_queue_limit_worker_cores,
        cores_ratio=queue.n_queue_limit_worker_cores_ratio,
        cores_min=queue.n_queue_limit_worker_cores_min,
        ram_mb=queue.n_queue_limit_worker_memory,
        ram_ratio=queue.n_queue_limit_worker_memory_ratio,
        ram_min=queue.n_queue_limit_worker_memory_min,
    )


def job_limits(queue: QueueConfig, section: JobFetcher) -> JobLimits:
    """How many jobs of the queue may wait to run; the section has the limit of a request for any queue."""
    return JobLimits(
        jobs=queue.n_queue_limit_job,
        per_request=section.max_jobs,
        ratio=queue.n_queue_limit_job_ratio,
        least=queue.n_queue_limit_job_min,
        cores=queue.n_queue_limit_job_cores,
        cores_ratio=queue.n_queue_limit_job_cores_ratio,
        cores_least=queue.n_queue_limit_job_cores_min,
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
