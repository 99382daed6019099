"""Says why a demonstration does not come to a good end, from what its Harvester has written down."""

from typing import Final

from harvester.cli.database import reading
from harvester.cli.demo.plan import Plan
from harvester.cli.explaining import explain_job, explain_worker
from harvester.cli.looking import queue_in_words
from harvester.cli.overview import look_at_queues
from harvester.core.clock import utc_now
from harvester.core.errors import HarvesterError
from harvester.store import views, workers

_EXAMPLES: Final = 3


def explain_trouble(plan: Plan) -> list[str]:
    """The queue in words, with its last failure and refusal, and some jobs and workers that have not ended."""
    try:
        return _explain(plan)
    except HarvesterError as error:
        return [str(error)]


def _explain(plan: Plan) -> list[str]:
    with reading([plan.config]) as connection:
        queues = {each.name: each for each in look_at_queues(connection, utc_now())}
        words: list[str] = []
        for queue in queues.values():
            words += queue_in_words(connection, queue)
        for job_id in views.open_jobs(connection, _EXAMPLES):
            if job := views.job(connection, job_id):
                held = [each.worker for each in workers.find(connection, job.worker_ids)]
                words += explain_job(job, held, queues.get(job.job.queue))
        for worker_id in views.open_workers(connection, _EXAMPLES):
            if worker := views.worker(connection, worker_id):
                words += explain_worker(worker)
    return words
