"""The ledger's promises, under any order of calls."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from harvester.plugins.local.ledger import CANCELLED, FINISHED, QUEUED, RUNNING, Ending, Entry, Ledger, Task
from harvester.plugins.local.processes import Process

LIMIT = 4
TASK = Task(argv=("true",), directory="/", environment={"A": "b"}, stdout="out", stderr="err", kill_grace=1.0)
markers = st.sampled_from([f"test-{number}" for number in range(6)])


class Bookkeeping(RuleBasedStateMachine):
    """Entering, claiming, ending, cancelling and removing in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.ledger = Ledger(Path(self.directory.name))
        self.pids = 0
        self.states: dict[str, str] = {}
        self.cores: dict[str, int] = {}
        self.keepers: dict[str, Process] = {}

    def teardown(self) -> None:
        self.directory.cleanup()

    @rule(entered=st.dictionaries(markers, st.integers(1, LIMIT)))
    def enter(self, entered: dict[str, int]) -> None:
        self.ledger.enter(Entry(marker, TASK, cores, LIMIT) for marker, cores in entered.items())
        for marker, cores in entered.items():
            if marker not in self.states:
                self.states[marker] = QUEUED
                self.cores[marker] = cores

    @rule()
    def claim(self) -> None:
        self.pids += 1
        keeper = Process(self.pids, "born")
        queue = [marker for marker, state in self.states.items() if state == QUEUED]
        fits = queue and self.in_use() + self.cores[queue[0]] <= LIMIT
        claimed = self.ledger.claim(keeper, float(self.pids))
        if fits:
            assert claimed is not None
            assert claimed[0] == queue[0]
            assert claimed[1].environment == TASK.environment
            self.states[queue[0]] = RUNNING
            self.keepers[queue[0]] = keeper
        else:
            assert claimed is None

    @rule(marker=markers, right=st.booleans())
    def end(self, marker: str, *, right: bool) -> None:
        keeper = self.keepers.get(marker, Process(0, "never"))
        who = keeper if right else Process(keeper.pid, "other")
        self.ledger.end([Ending(marker, who, FINISHED, 0, "")], 1.0)
        if right and self.states.get(marker) == RUNNING:
            self.states[marker] = FINISHED

    @rule(chosen=st.sets(markers))
    def cancel(self, chosen: set[str]) -> None:
        self.ledger.cancel_queued(chosen, 1.0)
        self.states |= {marker: CANCELLED for marker in chosen if self.states.get(marker) == QUEUED}

    @rule(chosen=st.sets(markers))
    def remove(self, chosen: set[str]) -> None:
        self.ledger.remove_ended(chosen)
        for marker in chosen:
            if self.states.get(marker) in {FINISHED, CANCELLED}:
                del self.states[marker]

    def in_use(self) -> int:
        return sum(self.cores[marker] for marker, state in self.states.items() if state == RUNNING)

    @invariant()
    def book_holds_what_was_entered(self) -> None:
        lines = self.ledger.lines(f"test-{number}" for number in range(6))
        assert {marker: line.state for marker, line in lines.items()} == self.states

    @invariant()
    def cores_are_never_exceeded_and_never_wasted_on_the_queue(self) -> None:
        used = self.in_use()
        assert used <= LIMIT
        startable = 0
        for marker, state in self.states.items():
            if state == QUEUED:
                used += self.cores[marker]
                if used > LIMIT:
                    break
                startable += 1
        assert self.ledger.startable() == startable


TestLedger = Bookkeeping.TestCase
TestLedger.settings = settings(max_examples=25, stateful_step_count=20)
