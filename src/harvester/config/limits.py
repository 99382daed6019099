"""The limits of a queue agree with each other, core reference §2.5."""

from harvester.config.queue_model import QueueConfig
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


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)
