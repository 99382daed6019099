"""Says why a demonstration does not come to its end, from what its Harvester has written down."""

from typing import Final

from harvester.cli.database import reading
from harvester.cli.demo.plan import Plan
from harvester.cli.explaining import explain_job, explain_queue, explain_worker
from harvester.cli.overview import look_at_queues
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.store import views, workers

_EXAMPLES: Final = 3


def explain_stuck(plan: Plan) -> list[str]:
    """The queue in words, and some jobs and workers that have not ended."""
    try:
        return _explain(plan)
    except HarvesterError as error:
        return [str(error)]


def _explain(plan: Plan) -> list[str]:
    with reading([plan.config]) as connection:
        queues = {each.name: each for each in look_at_queues(connection, utc_now())}
        words: list[str] = []
        for name, queue in queues.items():
            words += explain_queue(queue, views.jobs_by_phase(connection, name))
        for job_id in views.open_jobs(connection, _EXAMPLES):
            if job := views.job(connection, job_id):
                held = [each.worker for each in workers.find(connection, job.worker_ids)]
                words += explain_job(job, held, queues.get(job.job.queue))
        for worker_id in views.open_workers(connection, _EXAMPLES):
            if worker := views.worker(connection, worker_id):
                words += explain_worker(worker)
    return words
