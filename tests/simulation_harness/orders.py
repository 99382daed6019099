"""Orders of the simulated server for so many workers, and whether as many came."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from harvester.panda.devserver.records import CommandRecord
from simulation_harness.kinds import Kind
from simulation_harness.server import INSTANCE

if TYPE_CHECKING:
    from simulation_harness.world import World

_QUEUE: Final = Kind.SLAVE.value


@dataclass(slots=True)
class Orders:
    """See the module.

    Attributes:
        ordered: how many workers each order was for; it counts once the instance has taken it.
        last: how many workers were ordered when all was well again, and how many there had been by then.
    """

    world: "World"
    ordered: list[tuple[CommandRecord, int]] = field(default_factory=list)
    last: tuple[int, int] | None = None

    def order(self, number: int) -> None:
        """So many more workers and no others, whatever was ordered before."""
        state = self.world.server.state
        with state.turn() as now:
            state.commands.order(
                INSTANCE, f"SET_N_WORKERS_JOBTYPE:{_QUEUE}", {"managed": {"SCORE": number}}, int(number % 2), now
            )
        self.ordered.append((state.commands.all()[-1], number))
        self.world.note(f"the server orders {number} workers")

    def order_last(self, number: int) -> None:
        """This order has to be fulfilled, for nothing goes wrong any more."""
        self.last = (number, self._heard())
        self.order(number)

    def is_open(self) -> bool:
        """Whether the last order is not fulfilled yet."""
        return self.last is not None and self._heard() < sum(self.last)

    def note_submission(self) -> None:
        """A batch job was accepted: all that there ever were must have been ordered."""
        made = sum(each.queue == _QUEUE for each in self.world.batch.jobs)
        most = sum(number for command, number in self.ordered if command.state != "new")
        if made > most:
            self.world.judge.find(f"order: {made} batch jobs came to queue {_QUEUE}, {most} were ordered")

    def _heard(self) -> int:
        """Workers that the server has heard of, those included that the resource never took."""
        return sum(each.fields.get("computingSite") == _QUEUE for each in self.world.server.workers)
