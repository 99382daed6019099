"""Gets jobs from the server for queues that have room for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.auxiliary import with_auxiliary_inputs
from harvester.agents.base import Agent, Instance, Pace, Unit
from harvester.agents.fetched_jobs import fetched_job, input_files, refused_job
from harvester.agents.holds import leave_held
from harvester.agents.lines import Line
from harvester.config.limits import job_limits
from harvester.config.queues import QueueConfig
from harvester.core.job_fetch import JobCounts, JobRequest, size_job_fetch
from harvester.core.labels import SLOTS, draw_label
from harvester.core.workers import MapType
from harvester.panda.messages import Acquired
from harvester.store import files, history, jobs, leases, queues
from harvester.store.leases import QUEUE_FETCH, Claim, ClaimTicket

log = structlog.get_logger(__name__)
_QUEUES_AT_ONCE: Final = 50
_EVERY_LABEL: Final = "unified"
_FAILURES: Final = 3
"""In a row, that mean that the server is in trouble and not a queue."""


@dataclass(frozen=True, slots=True)
class FetchUnit(Unit):
    """One queue that has room for `wanted` jobs."""

    wanted: int


class JobFetcher(Agent[FetchUnit, Acquired]):
    """See the module."""

    name = "job fetcher"
    is_repeatable = False  # the server gives each job out once

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self.line: Line = Line(_FAILURES, instance.tick)

    @property
    def pace(self) -> Pace:
        """`[jobfetcher] sleepTime` and `nThreads`; a claim outlasts what the server may take to answer."""
        settings = self.instance.settings
        lease = 2 * settings.pandacon.timeout + 60
        return Pace(settings.jobfetcher.sleep_time, lease, settings.jobfetcher.n_threads)

    def horizon(self, connection: Connection, besides: Collection[str] = ()) -> datetime | None:
        """When the next queue may be looked at."""
        return leases.next_due(connection, QUEUE_FETCH, besides=besides)

    def claim(self, connection: Connection, ticket: ClaimTicket) -> Sequence[FetchUnit]:
        """Queues with room; the others are looked at again after `lookupTime` or when a job of theirs starts."""
        due = leases.claim_queues(connection, QUEUE_FETCH, replace(ticket, limit=min(_QUEUES_AT_ONCE, ticket.limit)))
        held = self.instance.held.of(connection, due, ticket.now)
        leave_held(connection, QUEUE_FETCH, held, ticket, self.name)
        names = [name for name in due if name not in held]
        sizes = self._sizes(connection, names)
        full = [name for name in names if name not in sizes or sizes[name].jobs == 0]
        later = ticket.now + timedelta(seconds=self.instance.settings.jobfetcher.lookup_time)
        leases.let_queues_go(connection, QUEUE_FETCH, full, ticket.fence, due=later, now=ticket.now)
        notes = {name: self._why_full(name, size) for name, size in sizes.items() if name in full}
        queues.note(connection, self.name, notes, ticket.now)
        return [
            FetchUnit(Claim(QUEUE_FETCH, [name], ticket.fence), name, sizes[name].jobs)
            for name in names
            if name not in full
        ]

    def _why_full(self, queue: str, size: JobRequest) -> dict[str, str]:
        if self.instance.plugins.queue(queue).map_type is MapType.NO_JOB:
            return {"text": "its workers fetch their jobs themselves"}
        return {"limit": size.limit, "text": size.reason}

    def _sizes(self, connection: Connection, names: Sequence[str]) -> dict[str, JobRequest]:
        known = {name: config for name in names if (config := self.instance.plugins.queues.get(name))}
        section = self.instance.settings.jobfetcher
        limits = {name: job_limits(config, section) for name, config in known.items()}
        weighed = [name for name, mine in limits.items() if mine.counts_more]
        starting = jobs.count_starting(connection, [name for name in limits if name not in weighed])
        counts = {name: JobCounts(number) for name, number in starting.items()}
        counts |= jobs.count_loads(connection, weighed) if weighed else {}
        return {name: size_job_fetch(mine, counts[name], self._usual_cores(name)) for name, mine in limits.items()}

    def _usual_cores(self, queue: str) -> int:
        facts = self.instance.facts.of(queue)
        return (facts and facts.core_count) or 1

    def _label(self, queue: QueueConfig) -> str:
        """What kind of jobs is asked for this time (core reference §4.9)."""
        facts = self.instance.facts.of(queue.queue_name)
        usual = _EVERY_LABEL if facts is not None and facts.is_grandly_unified else queue.prod_source_label
        weights = queue.prod_source_label_random_weights_permille
        return draw_label(weights, usual, self.instance.draw(SLOTS)) if weights else usual

    def act(self, unit: FetchUnit) -> Acquired:
        """Ask the server."""
        queue = self.instance.plugins.queue(unit.about)
        # before any job is taken: without it none could be given to a worker
        extractor = self.instance.plugins.extractor(unit.about) if queue.extractor is not None else None
        with self.line.asking():
            acquired = self.instance.panda.acquire_jobs(
                site=queue.site_name,
                node=self.instance.host,
                label=self._label(queue),
                n_jobs=unit.wanted,
                computing_element=self.instance.host,
                criteria=queue.get_job_criteria or {},
            )
        if extractor is not None:
            acquired = with_auxiliary_inputs(self.instance, queue, extractor, acquired)
        for refused in acquired.refused:
            log.error("job refused", queue=unit.about, job=refused.job_id, reason=str(refused))
        return acquired

    def commit(self, connection: Connection, unit: FetchUnit, result: Acquired) -> Sequence[str]:
        """The jobs are ours from here on; a full answer means that the server may have more."""
        now = self.instance.clock()
        version = self.instance.plugins.version(unit.about)
        new = [jobs.NewJob(fetched_job(offer, unit.about, version), offer.params) for offer in result.offers]
        new += [jobs.NewJob(job, {}) for bad in result.refused if (job := refused_job(bad, unit.about))]
        stored = set(jobs.insert_fetched(connection, new, now))
        offers = [offer for offer in result.offers if offer.job_id in stored]
        config = self.instance.plugins.queues.get(unit.about)
        endpoint = config.ddm_endpoint_in if config else None
        files.insert_new(connection, [each for offer in offers for each in input_files(offer, endpoint)])
        cause = f"queue {unit.about} had room for {unit.wanted} jobs"
        history.record(
            connection,
            [
                history.Event(history.Kind.JOB, each.job.job_id, now, None, each.job.substatus, cause, self.name)
                for each in new
                if each.job.job_id in stored
            ],
        )
        lookup = timedelta(seconds=self.instance.settings.jobfetcher.lookup_time)
        due = now if len(stored) >= unit.wanted else now + lookup
        leases.let_queues_go(connection, QUEUE_FETCH, [unit.about], unit.claim.fence, due=due, now=now)
        text = f"asked for {unit.wanted} jobs, got {len(result.offers)}"
        queues.note(connection, self.name, {unit.about: {"text": text, "server": result.message}}, now)
        return ("preparator", "propagator", self.name) if stored else ()
