"""Ends the workers that a demonstration which did not come to its end has left on the resource."""

import time
from dataclasses import replace
from typing import Final

from harvester.cli.demo.plan import QUEUE, Plan
from harvester.core.clock import utc_now
from harvester.core.workers import Worker
from harvester.plugins.api import Gone, PluginSettings, Resource, Seen
from harvester.plugins.pool import PluginPool
from harvester.service import database_url, plugin_context
from harvester.startup.loading import load
from harvester.store import worker_choice, workers
from harvester.store.engine import Database
from harvester.store.worker_choice import WorkerChoice

_PATIENCE: Final = 20.0


def end_workers(plan: Plan) -> int:
    """Kill what still runs, after Harvester itself has stopped; returns how many could not be ended in time."""
    configuration = load([plan.config], plan.queues)
    db = Database(database_url(configuration.settings), 1)
    try:
        with db.read() as connection:
            ids = worker_choice.live(connection, WorkerChoice(queues=[QUEUE]))
            live = [each.worker for each in workers.find(connection, ids)]
    finally:
        db.close()
    if not live:
        return 0
    pool = PluginPool(configuration.queues.queues, plugin_context(configuration.settings, utc_now))
    return _end(pool.sweeper(QUEUE), live)


def _end(resource: Resource[PluginSettings], live: list[Worker]) -> int:
    known = [worker for worker in live if worker.batch_id]
    found = resource.find([worker for worker in live if not worker.batch_id]).found
    known += [replace(worker, batch_id=found[worker.marker].batch_id) for worker in live if worker.marker in found]
    end = time.monotonic() + _PATIENCE
    while known and time.monotonic() < end:
        resource.kill(known)
        outcomes = zip(known, resource.check(known), strict=True)
        known = [worker for worker, seen in outcomes if not _has_ended(seen)]
        time.sleep(0.3)
    return len(known)


def _has_ended(outcome: object) -> bool:
    return isinstance(outcome, Gone) or (isinstance(outcome, Seen) and outcome.status.is_final)
