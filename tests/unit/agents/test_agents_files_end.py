"""Whatever agents, crashes, kills and answers come in whatever order: every file and its job reach an end."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaving import Interleaving
from moving import Traffic, an_input, an_output
from sqlalchemy import select, update
from world import QUEUE, World, client_of

from empty_databases import open_copy
from harvester.agents.base import Agent
from harvester.agents.early_stager import EarlyStager
from harvester.agents.preparator import PreparatorAgent
from harvester.agents.settling import cancel_jobs
from harvester.agents.stager import StagerAgent
from harvester.core.files import AT_REST, INBOUND, INPUT_KINDS, OUTBOUND, File, FileKind, FileStatus
from harvester.core.jobs import JobStatus
from harvester.plugins.api import Done, Failed, Grouped, Later, Moved, Packed
from harvester.store import files, jobs
from harvester.store.schema import JobPhase
from harvester.store.schema import jobs as job_table

AGENTS: Sequence[type[Agent[Any, Any]]] = (PreparatorAgent, StagerAgent, EarlyStager)
STARTS = (Done(), Later("busy"), Failed("never"), Grouped("g", "queued"))
LOOKS = (Moved("/there", 1, "ad:1"), Later("under way"), Failed("lost"), Grouped("g", "active"))
PACKS = (Packed("/zip", 1, "ad:1"), Later("full"), Failed("broken"))
NAMES = ("a{}", "b{}", "x{}", "y{}", "z{}", "panda.x{}.zip", "panda.y{}.zip")
ENDPOINT = "E"
MANY_ROUNDS = 12
NUMBERS = count(1)
FAMILIES = 10
"""Of jobs, to each of which other things happen: with 200 examples there are 2,000 cases."""


def pending(job: int, lfn: str) -> File:
    known = {"kind": FileKind.ES_OUTPUT, "status": FileStatus.PENDING, "worker_id": 5, "size": 2**20}
    return an_output(job, lfn, **known)


@dataclass(frozen=True)
class Family:
    """Two jobs that share an input, one that has ended, and one that runs and writes outputs of events."""

    number: int
    first: int = field(default_factory=NUMBERS.__next__)
    second: int = field(default_factory=NUMBERS.__next__)
    ended: int = field(default_factory=NUMBERS.__next__)
    running: int = field(default_factory=NUMBERS.__next__)

    @property
    def jobs(self) -> list[int]:
        return [self.first, self.second, self.ended, self.running]

    def begin(self, traffic: Traffic) -> None:
        name = [each.format(self.number) for each in NAMES]
        for job, own in ((self.first, name[1]), (self.second, "own")):
            traffic.fetch(job, an_input(job, name[0], endpoint=ENDPOINT), an_input(job, own))
        outputs = [pending(self.ended, name[2]), pending(self.ended, name[3]), an_output(self.ended, name[4])]
        traffic.end(self.ended, *outputs)
        traffic.end(self.running, pending(self.running, name[2]), pending(self.running, name[3]))


class Play(Interleaving):
    """Families of jobs in one instance, and all that can befall them."""

    agents = AGENTS

    def __init__(self, traffic: Traffic) -> None:
        super().__init__(traffic.world)
        self.traffic = traffic
        self.families = [Family(number) for number in range(FAMILIES)]
        self.jobs = [job for family in self.families for job in family.jobs]
        self.running = [family.running for family in self.families]
        self.ends: dict[int, FileStatus] = {}
        self._behave()
        for family in self.families:
            family.begin(traffic)
        with self.world.db.write() as connection:
            works = {"phase": JobPhase.WORK, "status": JobStatus.RUNNING, "due": self.world.clock()}
            connection.execute(update(job_table).where(job_table.c.job_id.in_(self.running)).values(**works))

    def _behave(self) -> None:
        for plugin in (self.traffic.preparator, self.traffic.stager):
            plugin.start.clear()
            plugin.look.clear()
        self.traffic.zipper.answers.clear()

    # ---- what can befall it ------------------------------------------------------------------------------------------

    def kill_job(self, n: int) -> None:
        family = self.families[n % FAMILIES]
        with self.world.db.write() as connection:
            job = (family.first, family.second, family.running)[n // FAMILIES % 3]
            cancel_jobs(connection, [job], self.world.clock(), "test")

    def end_running(self, n: int) -> None:
        """As the monitor does it: without a look at who holds the job."""
        with self.world.db.write() as connection:
            row = {"job_id": self.running[n % FAMILIES], "status": JobStatus.FINISHED, "phase": JobPhase.STAGE}
            jobs.change_working(connection, [{**row, "due": self.world.clock()}])

    def write_more(self, n: int) -> None:
        job = self.running[n % FAMILIES]
        with self.world.db.write() as connection:
            if jobs.find_working(connection, [job]):
                files.insert_new(connection, [pending(job, f"more{n}")])
                jobs.stage_early(connection, [job], self.world.clock())

    def answer(self, n: int) -> None:
        """Another answer about one of the files of half of the families."""
        plugin = (self.traffic.preparator, self.traffic.stager)[n % 2]
        for family in range(n % 2, FAMILIES, 2):
            what = n // 2 + 7 * family
            name = NAMES[what % len(NAMES)].format(family)
            plugin.start[name] = STARTS[what % len(STARTS)]
            plugin.look[name] = LOOKS[what // 4 % len(LOOKS)]
            self.traffic.zipper.answers[name] = PACKS[what // 8 % len(PACKS)]

    def forward(self, n: int) -> None:
        self.world.clock.forward(seconds=1 + n)

    # ---- what must hold ----------------------------------------------------------------------------------------------

    def look(self) -> None:
        phases, found = self._state()
        for each in found:
            was = self.ends.get(each.file_id)
            assert was in {None, each.status}, f"{each.lfn} was {was} and is {each.status}"
            course = INBOUND if each.kind in INPUT_KINDS else OUTBOUND
            if each.status in course.done:
                self.ends[each.file_id] = each.status
            assert each.status is not FileStatus.READY or each.path
        by_id = {each.file_id: each for each in found}
        packed = [each for each in found if each.status is FileStatus.ZIPPED]
        assert all(by_id[each.packed_in or 0].job_id == each.job_id for each in packed)
        for job, (phase, status) in phases.items():
            mine = {each.status for each in found if each.job_id == job}
            assert phase is not JobPhase.SUBMIT or mine == {FileStatus.READY}
            if phase is JobPhase.REPORT and status is JobStatus.FINISHED:
                assert mine <= OUTBOUND.done - {FileStatus.FAILED}

    def _state(self) -> tuple[dict[int, tuple[JobPhase, JobStatus]], list[File]]:
        with self.world.db.read() as connection:
            query = select(job_table.c.job_id, job_table.c.phase, job_table.c.status)
            phases = {row[0]: (row[1], row[2]) for row in connection.execute(query)}
            found = files.of_jobs(connection, self.jobs, list(FileKind))
        return phases, [each for some in found.values() for each in some]

    def bring_to_an_end(self) -> None:
        self.crash(0)
        self._behave()
        for _ in range(MANY_ROUNDS):
            if self.is_over():
                return
            self.world.clock.forward(minutes=20)
            for agent in AGENTS:
                self.world.work(agent)
            self.look()
        raise AssertionError(f"it does not come to an end: {self._state()}")

    def is_over(self) -> bool:
        phases, found = self._state()
        moving = {each.job_id for each in found if each.status not in AT_REST | INBOUND.done}
        over = {JobPhase.SUBMIT, JobPhase.REPORT}
        rest = {job for job, (phase, _) in phases.items() if phase not in over}
        return rest <= set(self.running) - moving and all(phases[job][0] is JobPhase.WORK for job in rest)

    def clear(self) -> None:
        with self.world.db.write() as connection:
            jobs.remove(connection, self.jobs)


STEPS: Sequence[Callable[[Play, int], None]] = (
    *(Play.whole_round,) * 3,
    *(Play.claim, Play.act, Play.commit, Play.answer, Play.forward) * 2,
    *(Play.crash, Play.take_for_dead, Play.kill_job, Play.end_running, Play.write_more),
)


@pytest.fixture(scope="module")
def traffic(template: Path) -> Iterator[Traffic]:
    """One instance for all examples, which clean up after themselves: opening databases would take most of the time."""
    with TemporaryDirectory() as directory, client_of("http://127.0.0.1:1/api/v1") as panda:
        db = open_copy(template, Path(directory))
        world = World(Path(directory), db, panda)
        world.configure(preparator={"maxFilesPerJobToPrepare": 1}, stager={"maxFilesPerJobToCheck": 1})
        world.serve(QUEUE, ddmEndpointIn=ENDPOINT, zipPerMB=2)
        yield Traffic(world)
        db.close()


@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 1199)), min_size=4, max_size=25))
@settings(max_examples=200)
def test_no_order_of_events_strands_a_file(traffic: Traffic, steps: list[tuple[Callable[[Play, int], None], int]]):
    played = Play(traffic)
    try:
        for step, number in steps:
            step(played, number)
            played.look()
        played.bring_to_an_end()
    finally:
        played.clear()
