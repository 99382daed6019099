"""What befalls a world: each torment is drawn, happens at its time, and leaves a line in the trace."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from crashing.points import HARVESTER, RARE
from harvester.core.holds import EVERY_QUEUE, HoldMode
from harvester.panda.devserver.faults import Fault, FaultKind
from simulation_harness.kinds import Kind
from simulation_harness.server import INSTANCE
from simulation_harness.world import World

Torment = Callable[[World], None]

_METHODS: Final = (
    "*",
    "pilot/acquire_jobs",
    "pilot/update_jobs_bulk",
    "harvester/update_workers",
    "harvester/acquire_commands",
    "harvester/acknowledge_commands",
)
_FAULTS: Final = tuple(kind for kind in FaultKind if kind is not FaultKind.SLOW)
_ILLNESSES: Final = {"blind": 1200, "patchy": 1200, "lying": 20_000, "garbled": 20_000, "closed": 5000}
"""How long each lasts at most, in seconds."""
_SUBMITTING: Final = tuple(point for point in HARVESTER if point.startswith("submitter") and "in_commit" not in point)
_TRAP_WAITS: Final = 6 * 3600.0
_HELD: Final = (600.0, 5 * 3600.0)


def kill_at_a_point(world: World) -> None:
    """The next process that comes to a named point dies there; if none does in time, one dies anyhow."""
    points = sorted(RARE & set(HARVESTER)) if world.kernel.chance.random() < 0.2 else HARVESTER
    world.trap = point = world.kernel.chance.choice(points)

    def give_up() -> None:
        if world.trap == point:
            world.trap = ""
            kill_somebody(world)

    world.kernel.after(_TRAP_WAITS, give_up)


def kill_somebody(world: World) -> None:
    """A process dies wherever its threads are."""
    if found := world.processes():
        world.kill(world.kernel.chance.choice(found), "at a random instant")


def kill_all(world: World) -> None:
    """All processes die at once."""
    for process in world.processes():
        world.kill(process, "with all others")


def stop_somebody(world: World) -> None:
    """A process is told to stop, and another one begins."""
    seat = world.kernel.chance.choice(world.seats)
    if seat.process is not None and not seat.process.is_ended and not seat.process.is_frozen:
        world.note(f"{seat.process.name} is told to stop")
        seat.process.stop()
    world.kernel.after(world.kernel.chance.uniform(60, 600), lambda: world.start(seat))


def freeze_somebody(world: World) -> None:
    """A process stands still, for a moment or for longer than its leases."""
    if found := world.processes():
        chance = world.kernel.chance
        world.freeze(chance.choice(found), chance.choice((chance.uniform(5, 60), chance.uniform(60, 7200))))


def freeze_at_a_point(world: World) -> None:
    """The next process that comes to a named point stands still there, for longer than others take it for alive."""
    points = [point for point in HARVESTER if not point.endswith("in_commit")]
    world.ice = world.kernel.chance.choice(points if world.kernel.chance.random() < 0.5 else _SUBMITTING)
    world.note(f"who comes to {world.ice} next will be frozen")


def set_a_clock(world: World) -> None:
    """Somebody sets the clock of a host, by an hour or less; by less where processes have to agree on the time."""
    seat, longest = world.kernel.chance.choice(world.seats), 3600 if len(world.seats) == 1 else 600
    world.set_clock(seat, timedelta(seconds=world.kernel.chance.uniform(-longest, longest)))


def sicken_server(world: World) -> None:
    """The server answers wrongly, or acts and does not answer, a few times."""
    chance = world.kernel.chance
    kind, method, count = chance.choice(_FAULTS), chance.choice(_METHODS), chance.randint(1, 12)
    world.note(f"the server's next {count} answers to {method} are {kind}")
    world.server.faults.add(Fault(kind, method, count))


def cut_off_server(world: World) -> None:
    """Nobody reaches the server for a while."""
    chance = world.kernel.chance
    seconds = chance.uniform(5, 120)
    world.note(f"the server is away for {seconds:.0f} s")
    world.server.away = world.now + seconds


def give_up_a_job(world: World) -> None:
    """The server has not heard of a job for so long that it takes it for lost, as after a long outage."""
    known = [each for each in world.server.jobs if each.status in {"sent", "starting", "running", "transferring"}]
    if known:
        job = world.kernel.chance.choice(known)
        world.note(f"the server takes job {job.job_id} for lost, which is {job.status}")
        world.server.give_up(job)


def slow_down(world: World) -> None:
    """Server and resource take long for a while."""
    share = world.kernel.chance.uniform(0.05, 0.3)
    world.note(f"a share of {share:.2f} of all calls takes long")
    world.server.slow = world.batch.mood.slow = share

    def recover() -> None:
        world.server.slow = world.batch.mood.slow = 0.0

    world.kernel.after(world.kernel.chance.uniform(600, 7200), recover)


def sicken_resource(world: World) -> None:
    """The resource goes blind, shows half of what it has, lies, talks nonsense or refuses, for a while."""
    chance = world.kernel.chance
    what, longest = chance.choice(tuple(_ILLNESSES.items()))
    seconds = chance.uniform(60, longest)
    world.note(f"the resource is {what} for {seconds:.0f} s")
    setattr(world.batch.mood, what, world.now + seconds)


def lose_answers_of_resource(world: World) -> None:
    """The resource obeys and does not say so, in a share of calls."""
    share = world.kernel.chance.uniform(0.05, 0.5)
    world.note(f"a share of {share:.2f} of the resource's answers is lost")
    world.batch.mood.absent_minded = share

    def recover() -> None:
        world.batch.mood.absent_minded = 0.0

    world.kernel.after(world.kernel.chance.uniform(600, 4 * 3600), recover)


def restart_controller(world: World) -> None:
    """The resource gives batch ids out again."""
    world.note("the resource begins to reuse batch ids")
    world.batch.forget_numbers()


def hurt_a_batch_job(world: World) -> None:
    """A batch job vanishes with its node, or is preempted and comes back."""
    live = [each for each in world.batch.jobs if each.is_live(world.now) and each.starts <= world.now]
    if not live:
        return
    job = world.kernel.chance.choice(live)
    if world.kernel.chance.random() < 0.5:
        world.note(f"batch job {job.batch_id} of {job.marker} vanishes")
        world.batch.lose(job)
    else:
        world.note(f"batch job {job.batch_id} of {job.marker} is preempted")
        world.batch.requeue(job)


def lose_database(world: World) -> None:
    """The database is away for a while."""
    seconds = world.kernel.chance.uniform(1, 40)
    world.note(f"the database is away for {seconds:.0f} s")
    world.database_away = world.now + seconds
    world.kernel.be_restless(seconds + 30)


def lose_answers_of_database(world: World) -> None:
    """Transactions are committed, and some of the answers get lost."""
    world.note("answers of the database get lost")
    world.forgetful = 0.1

    def recover() -> None:
        world.forgetful = 0.0

    world.kernel.after(world.kernel.chance.uniform(60, 1800), recover)


def kill_a_job(world: World) -> None:
    """The server wants a job killed."""
    open_jobs = [each for each in world.server.jobs if not each.is_final]
    if not open_jobs:
        return
    job = world.kernel.chance.choice(open_jobs)
    world.note(f"the server wants job {job.job_id} killed, which is {job.status}")
    world.judge.unwanted.add(job.job_id)
    with world.server.state.turn() as now:
        world.server.state.jobs.kill(job.job_id, now)


def order_kills(world: World) -> None:
    """The server sends a command, which kills workers that wait, or some that it names."""
    chance = world.kernel.chance
    workers = world.server.workers
    if chance.random() < 0.5 and workers:
        some = chance.sample(workers, min(2, len(workers)))
        queues = {str(each.fields["computingSite"]) for each in some}
        name, params = "SYNC_WORKERS_KILL", [each.worker_id for each in some]
    else:
        queues = {chance.choice(list(world.plan.queues))}
        everything = {"computingSite": list(queues), "computingElement": "ALL", "submissionHost": "ALL"}
        name, params = "KILL_WORKERS", {"status": chance.choice((["submitted"], "ALL")), **everything}
    world.note(f"the server orders {name} {params}")
    world.judge.note_order(queues)
    with world.server.state.turn() as now:
        world.server.state.commands.order(INSTANCE, name, params, chance.randint(0, 1), now)


def repeat_commands(world: World) -> None:
    """The server gives commands again of which it has not heard that they were obeyed."""
    world.note("the server repeats its commands")
    world.judge.renew_orders()
    world.server.repeat_commands()


def order_workers(world: World) -> None:
    """The server orders so many workers, where it has a say in that."""
    if Kind.SLAVE in world.plan.queues:
        world.orders.order(world.kernel.chance.randint(0, 4))


def hold_a_queue_back(world: World) -> None:
    """Somebody pauses or drains a queue, or all of them, and thinks of resuming it later."""
    chance = world.kernel.chance
    queue = chance.choice([*world.plan.queues, EVERY_QUEUE])
    holding = world.operators.hold_back(queue, chance.choice(list(HoldMode)))
    world.kernel.after(chance.uniform(*_HELD), lambda: world.operators.resume(holding))


def give_more_jobs(world: World) -> None:
    """There is more work."""
    world.give_jobs(world.kernel.chance.randint(1, max(world.plan.jobs // 2, 1)))


TORMENTS: Final[Sequence[Torment]] = (
    *(kill_at_a_point,) * 4,
    *(give_more_jobs,) * 3,
    *(freeze_at_a_point,) * 2,
    *(kill_somebody, freeze_somebody, sicken_resource, sicken_server, lose_answers_of_resource) * 2,
    kill_all,
    stop_somebody,
    set_a_clock,
    cut_off_server,
    slow_down,
    give_up_a_job,
    restart_controller,
    hurt_a_batch_job,
    lose_database,
    lose_answers_of_database,
    kill_a_job,
    order_kills,
    repeat_commands,
    hold_a_queue_back,
    *(order_workers,) * 3,
)


def befall(world: World, torments: Sequence[Torment]) -> None:
    """Draw what goes wrong of these, and when."""
    chance = world.kernel.chance
    for _ in range(world.plan.torments):
        torment = chance.choice(torments)
        world.kernel.after(chance.uniform(0, world.plan.window), lambda torment=torment: torment(world))
