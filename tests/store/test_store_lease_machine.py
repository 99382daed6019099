"""Any order of claiming, renewing, letting go, dying and waiting leaves each row with at most one holder."""

from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import Connection, delete
from store_tools import LEASE, NOW, fetch

from harvester.core.jobs import JobSubstatus
from harvester.store import jobs, leases
from harvester.store.engine import Database
from harvester.store.leases import JOB_WORK, Claim, ClaimTicket, Owner
from harvester.store.schema import JobPhase, metadata

JOBS = (1, 2, 3, 4)
job_ids = st.sampled_from(JOBS)
owners = st.integers(0, 1)


class Claims(RuleBasedStateMachine):
    """Two owners on one table; `held` is what ought to be true: job → (claim number, when it runs out)."""

    def __init__(self, db: Database) -> None:
        super().__init__()
        self.db = db
        self.now = NOW
        self.held: dict[int, tuple[int, object]] = {}
        self.outdated: set[tuple[int, int]] = set()

    @initialize()
    def begin(self) -> None:
        with self.db.write() as connection:
            for table in metadata.sorted_tables:
                connection.execute(delete(table))
            fetch(connection, *JOBS)
            self.owners = [self._register(connection) for _ in range(2)]

    def _register(self, connection: Connection) -> Owner:
        return leases.register_owner(connection, "host", 1, "boot:1", now=NOW, expires_at=NOW)

    def _is_held(self, job: int) -> bool:
        return job in self.held and self.held[job][1] > self.now

    @rule(who=owners, limit=st.integers(1, len(JOBS)))
    def claim(self, who: int, limit: int) -> None:
        fence = self.owners[who].next_fence()
        until = self.now + LEASE
        with self.db.write() as connection:
            found = jobs.claim_phase(connection, JobPhase.PREPARE, ClaimTicket(fence, self.now, until, limit=limit))
        got = [each.job_id for each in found]
        assert not [job for job in got if self._is_held(job)]
        assert len(got) == min(limit, sum(not self._is_held(job) for job in JOBS))
        for job in got:
            if job in self.held:
                self.outdated.add((job, self.held[job][0]))
            self.held[job] = (fence, until)

    @rule(job=job_ids)
    def write(self, job: int) -> None:
        if job in self.held:
            fence = self.held.pop(job)[0]
            assert self._write(job, fence) == 1
            self.outdated.add((job, fence))

    @rule(job=job_ids)
    def write_too_late(self, job: int) -> None:
        for late in [fence for known, fence in self.outdated if known == job]:
            assert self._write(job, late) == 0

    def _write(self, job: int, fence: int) -> int:
        row = {"job_id": job, "substatus": JobSubstatus.PREPARING, "due": self.now}
        with self.db.write() as connection:
            return jobs.change_held(connection, [row], fence)

    @rule(job=job_ids, later=st.integers(0, 20))
    def extend(self, job: int, later: int) -> None:
        until = self.now + timedelta(minutes=later)
        with self.db.write() as connection:
            for known, late in self.outdated:
                leases.extend(connection, [Claim(JOB_WORK, [known], late)], self.now)
            if job in self.held:
                leases.extend(connection, [Claim(JOB_WORK, [job], self.held[job][0])], until)
                self.held[job] = (self.held[job][0], until)

    @rule(job=job_ids)
    def let_go(self, job: int) -> None:
        if job in self.held:
            fence = self.held.pop(job)[0]
            with self.db.write() as connection:
                leases.give_back(connection, Claim(JOB_WORK, [job], fence), self.now)
            self.outdated.add((job, fence))

    @rule(who=owners)
    def die(self, who: int) -> None:
        gone = self.owners[who].owner_id
        lost = {job: claim for job, claim in self.held.items() if claim[0] >> 32 == gone}
        with self.db.write() as connection:
            assert leases.release_owner(connection, gone, self.now) == len(lost)
            self.owners[who] = self._register(connection)
        self.outdated |= {(job, claim[0]) for job, claim in lost.items()}
        self.held = {job: claim for job, claim in self.held.items() if job not in lost}

    @rule(minutes=st.integers(1, 15))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)


def test_no_row_ever_has_two_holders(db: Database):
    many = settings(
        max_examples=40 if db.dialect == "sqlite" else 10,
        stateful_step_count=25,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Claims(db), settings=many)
