"""One seed at work: hosts with processes, a resource, a server, and what befalls them."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from harvester.config.queue_loader import QueueLoader
from simulation_harness.batch import Batch
from simulation_harness.judge import Judge
from simulation_harness.kernel import Kernel, Task
from simulation_harness.kinds import Kind, QueuePlan
from simulation_harness.machine import Machine
from simulation_harness.operators import Operators
from simulation_harness.orders import Orders
from simulation_harness.outlook import Outlook
from simulation_harness.pilots import Pilots
from simulation_harness.plan import Plan, job, last_job
from simulation_harness.points import AccessPoints, Transfers
from simulation_harness.process import Disk, Installation, Process, Trouble
from simulation_harness.server import News, Server

T = TypeVar("T")
_BEGINS: Final = datetime(2026, 8, 10, 7, 0, tzinfo=UTC)
_SHORT: Final = (0.0, 0.3)
_LONG: Final = (5.0, 90.0)
_ON_THE_WAY: Final = (0.0, 15.0)
"""Seconds that a submission may take before the batch system acts: with what the listing needs less than its settle
time."""
_AGREE: Final = timedelta(seconds=1)
_OFTEN: Final = 60.0
_DOWN: Final = (1.0, 900.0)
_RETRY_LOST: Final = 3600.0
_KEEP_COMPANY: Final = 3 * 3600.0


@dataclass(slots=True)
class Seat:
    """A host's place for a process; `wrong_by` is by how much its clock is wrong."""

    name: str
    wrong_by: timedelta = timedelta()
    process: Process | None = None


class World:
    """See the module.

    Attributes:
        trap: the named point at which the next process that comes there dies.
        ice: the named point at which the next process that comes there is frozen.
        database_away: until when no database can be reached.
        forgetful: the share of transactions whose answer is lost.
    """

    def __init__(self, plan: Plan, disk: Disk) -> None:
        self.plan = plan
        self.disk = disk
        self.kernel = Kernel(plan.seed, _BEGINS.timestamp())
        self.machine = Machine(self.kernel, self._reach)
        pilots = Pilots(self.kernel.chance, plan.failing, plan.hanging)
        self.batch = Batch(self.kernel.chance, lambda: self.kernel.now, plan.queues, pilots)
        self.points = AccessPoints(self.batch, lambda: self.kernel.now)
        self.transfers = Transfers(self.kernel.chance, plan.losing_files)
        self.server = Server(self)
        self.judge = Judge(self)
        self.operators = Operators(self)
        self.orders = Orders(self)
        self.batch.watch, self.batch.mourn = self.judge.note_submission, self.judge.note_kill
        self.trap = self.ice = ""
        self.database_away = 0.0
        self.forgetful = 0.0
        self.deaths: list[str] = []
        self.trace: list[str] = []
        self.steps: deque[tuple[float, str, str]] = deque(maxlen=3000)
        self.seats = [Seat(f"host-{number}") for number in range(plan.hosts)]
        self._unstored: dict[Task, list[News]] = {}
        self._next_pid = 100
        self._outlook: Outlook | None = None
        self.kernel.outlook = self._look_ahead
        self.kernel.longest_jump = self._longest_jump
        self.kernel.jumped = self._make_up_for_beats
        self._given = 0
        self._queue_file = disk.directory / "queues.json"
        plan.write_queues(self._queue_file, pulling=True)
        settings = plan.settings(disk.directory)
        self._installation = Installation(
            settings,
            lambda: QueueLoader(self._queue_file, settings.qconf, disk.directory),
            disk,
            self.server.client,
            Trouble(lambda: self.database_away > self.now, self._loses_answer),
        )

    @property
    def now(self) -> float:
        """The true time."""
        return self.kernel.now

    def note(self, what: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{datetime.fromtimestamp(self.now, UTC):%d %H:%M:%S} {what}")

    # ---- processes ---------------------------------------------------------------------------------------------------

    def processes(self) -> list[Process]:
        """Those that run or are frozen."""
        return [seat.process for seat in self.seats if seat.process is not None and not seat.process.is_ended]

    def start(self, seat: Seat) -> None:
        """A process begins on a host, unless one is there."""
        if seat.process is not None and not seat.process.is_ended:
            return
        self._next_pid += 1
        seat.process = process = Process(self.machine, self._installation, seat.name, self._next_pid, seat.wrong_by)
        if self._outlook is None:
            agents = [runner.agent for runner in process.harvester.runners]
            self._outlook = Outlook(self._installation.disk.path, agents, lambda: self.kernel.writes)
        for runner in process.harvester.runners:
            self._outlook.answer_for(runner.agent, process.name)
        self.note(f"{seat.process.name} starts")
        seat.process.start()

    def kill(self, process: Process, why: str) -> None:
        """A process dies here and now, and another one begins later."""
        if process.is_ended:
            return
        self.note(f"{process.name} is killed {why}")
        self.deaths.append(why)
        for task in [each for each in self._unstored if each.host is process]:
            for news in self._unstored.pop(task):
                news.is_lost = True
        seat = next(each for each in self.seats if each.process is process)
        self.kernel.after(self.kernel.chance.uniform(*_DOWN), lambda: self.start(seat))
        process.die()

    def freeze(self, process: Process, seconds: float) -> None:
        """A process stands still for a while; not while the batch system is about to obey it (see the promises)."""
        if process.is_ended or process.is_frozen:
            return
        if process.is_slow_to_act:
            self.kernel.after(1.0, lambda: self.freeze(process, seconds))
            return
        self.note(f"{process.name} is frozen for {seconds:.0f} s")
        process.freeze()
        self.kernel.after(seconds, process.thaw)

    def set_clock(self, seat: Seat, by: timedelta) -> None:
        """Somebody sets the clock of a host."""
        seat.wrong_by += by
        self.note(f"the clock of {seat.name} is set by {by}, it is wrong by {seat.wrong_by}")
        if seat.process is not None:
            seat.process.wrong_by = seat.wrong_by

    def _look_ahead(self, tasks: list[Task]) -> Iterator[tuple[Task, float]]:
        """What these tasks would find if they looked, each by the clock of its process."""
        if self._outlook is None:
            return
        for task in tasks:
            due = self._outlook.news(task.name, task.host.name)
            if due is not None:
                yield task, self.now + (due - task.host.steady_clock()).total_seconds()

    def _make_up_for_beats(self) -> None:
        """In a quiet stretch, every process would have said again and again that it lives, and what time it is."""
        living = [each for each in self.processes() if not each.is_frozen]
        if self._outlook is not None and living:
            words = {owner: until for each in living for owner, until in each.last_words().items()}
            self._outlook.speak(words, max(each.steady_clock() for each in living))

    def _longest_jump(self) -> float:
        """While times of processes come closer to each other, they have to listen to each other."""
        running = self.processes()
        are_moving = any(abs(each.missing()) > _AGREE for each in running)
        return _OFTEN if are_moving and len(running) > 1 else float("inf")

    def _loses_answer(self) -> bool:
        return self.forgetful > 0 and self.kernel.chance.random() < self.forgetful

    # ---- what processes meet -----------------------------------------------------------------------------------------

    def _reach(self, process: Process, point: str) -> None:
        self.steps.append((self.now, process.name, point))
        if point.endswith("after_commit") and self.kernel.current:
            for news in self._unstored.pop(self.kernel.current, ()):
                news.is_stored = True
        if point == self.trap:
            self.trap = ""
            self.kill(process, f"at {point}")
        if point == self.ice:
            self.ice = ""
            self.freeze(process, self.kernel.chance.uniform(60, 3600))
            self.kernel.sleep(0)
        if not point.endswith("in_commit") and self.kernel.chance.random() < self.plan.pausing:
            self.kernel.sleep(self.kernel.chance.uniform(*_SHORT), busy=True)

    def takes_time(self, what: str, slow: float = 0.0) -> None:
        """A call goes its way, and others come first."""
        task, chance = self.kernel.current, self.kernel.chance
        if task is None:
            return
        self.steps.append((self.now, task.host.name, what))
        if chance.random() < slow:
            self.kernel.sleep(chance.uniform(*(_ON_THE_WAY if what == "submit" else _LONG)), busy=True)
        elif chance.random() < self.plan.pausing:
            self.kernel.sleep(chance.uniform(*_SHORT), busy=True)

    def answer(self, verb: str, answers: Sequence[T], absent_minded: float) -> Sequence[T]:
        """The call has done its work; its answer may get lost, or be too short."""
        self.takes_time(f"{verb} done", self.batch.mood.slow)
        fate = self.kernel.chance.random()
        if fate < absent_minded / 4:
            raise RuntimeError(f"the answer to {verb} was lost")
        return answers[:-1] if fate < absent_minded / 2 else answers

    @contextmanager
    def unstoppable(self) -> Iterator[None]:
        """The batch system is about to obey: the process is not frozen now, and if it dies, it may be obeyed yet."""
        process = self.machine.host
        process.is_slow_to_act += 1
        try:
            yield
        finally:
            process.is_slow_to_act -= 1

    def expect_to_be_stored(self, news: Sequence[News]) -> None:
        """An answer of the server is on its way into the database; if the process dies before, it is lost."""
        if news and self.kernel.current:
            self._unstored.setdefault(self.kernel.current, []).extend(news)

    # ---- work --------------------------------------------------------------------------------------------------------

    def give_jobs(self, number: int) -> None:
        """More jobs wait at the server."""
        number = min(number, self.plan.jobs - self._given)
        if number <= 0:
            return
        first, self._given = self._given, self._given + number
        chance, queues = self.kernel.chance, self.plan.queues_of_jobs
        with self.server.state.turn() as now:
            fresh = [job(each, chance.choice(queues), chance) for each in range(first, first + number)]
            self.server.state.jobs.add(fresh, now)
            for each in fresh:
                if ranges := each.get("event_ranges"):
                    self.server.state.events.add(int(str(each["PandaID"])), each["taskID"], int(str(ranges)), now)
        self.note(f"{number} more jobs")

    def keep_company(self) -> None:
        """Jobs that wait until there are enough of them for a worker get company, again and again."""
        for queue in self.plan.queues_of_jobs:
            if 0 < self._without_worker(queue) < queue.jobs_per_worker:
                self.note(f"another job for queue {queue.kind}")
                with self.server.state.turn() as now:
                    self.server.state.jobs.add([last_job(self._given, queue, self.kernel.chance)], now)
                self._given += 1
        self.kernel.after(_KEEP_COMPANY, self.keep_company)

    def _without_worker(self, queue: QueuePlan) -> int:
        """How many jobs of a queue no batch job has got yet."""
        taken = {pair for each in self.batch.jobs for pair in each.jobs}
        open_jobs = [each for each in self.server.jobs if each.site == queue.kind.value and not each.is_final]
        return sum((each.job_id, each.attempt) not in taken for each in open_jobs)

    def keep_server_going(self) -> None:
        """The server looks after what it lost, again and again."""
        self.server.settle()
        self.server.retry_lost()
        self.kernel.after(_RETRY_LOST, self.keep_server_going)

    def is_over(self) -> bool:
        """Whether the server and the resource have nothing more to wait for."""
        server = self.server
        server.settle()
        now = self.now
        return (
            self.operators.drained is None
            and not self.orders.is_open()
            and all(each.is_final for each in server.jobs)
            and all(each.is_final for each in server.workers)
            and all(not each.is_live(now) and each.cleaned is not None for each in self.batch.jobs)
        )

    def calm(self) -> None:
        """Nothing goes wrong any more; the queue whose pilots fetch their own jobs gets no more of them."""
        self.note("all is well again")
        self.trap = self.ice = ""
        self.database_away = self.forgetful = 0.0
        self.batch.mood.heal()
        self.server.faults.clear()
        self.server.away = self.server.slow = 0.0
        self.give_jobs(self.plan.jobs)
        for process in self.processes():
            process.thaw()
        self.operators.resume_all()
        if self.plan.drained_at_the_end:
            self.operators.drain_at_the_end(self.plan.drained_at_the_end)
        if any(queue.jobs_per_worker > 1 for queue in self.plan.queues.values()):
            self.keep_company()
        if Kind.PULL in self.plan.queues:
            self.plan.write_queues(self._queue_file, pulling=False)
            for process in self.processes():
                self.kill(process, "to be started without the pull queue")
        if Kind.SLAVE in self.plan.queues:
            self.orders.order_last(self.kernel.chance.randint(1, 3))
