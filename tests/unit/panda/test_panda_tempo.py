"""How long an answer is waited for."""

import pytest

from harvester.panda import PandaUnavailable
from harvester.panda.tempo import Tempo

LONGEST = 180.0


class Server:
    """Takes its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.tempo = Tempo(LONGEST, lambda: self.now)

    def answer(self, seconds: float, *, probe: bool = False) -> float:
        with self.tempo.call(probe=probe) as patience:
            self.now += min(seconds, patience)
            if seconds > patience:
                raise PandaUnavailable("u", "silence")
        return patience


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.mark.parametrize("probe", [False, True])
def test_one_that_has_never_answered_is_given_more_and_more_time_and_then_less_again(server: Server, *, probe: bool):
    waited = []
    for _ in range(5):
        waited.append(server.tempo.patience(probe=probe))
        with pytest.raises(PandaUnavailable):
            server.answer(1000, probe=probe)
    assert waited == [10, 20, 40, 10, 20]


def test_a_slow_server_is_known_after_a_few_calls(server: Server):
    for probe in (False, True):
        with pytest.raises(PandaUnavailable):
            server.answer(35, probe=probe)
    assert server.answer(35, probe=True) == 40
    assert server.tempo.patience(probe=True) >= 100


def test_one_that_answers_quickly_is_noticed_when_it_falls_silent(server: Server):
    server.answer(0.1)
    assert server.answer(0.1) == 10
    assert server.tempo.patience(probe=True) == 5


def test_one_that_is_always_slow_is_not_taken_for_silent(server: Server):
    with pytest.raises(PandaUnavailable):
        server.answer(12)
    server.answer(12)
    for _ in range(20):
        server.answer(12)
        server.answer(0.5)
    assert server.tempo.patience(probe=False) >= 100
    assert server.tempo.patience(probe=True) >= 30


def test_what_failed_is_given_more_time_next(server: Server):
    server.answer(0.1)
    waited = []
    for _ in range(6):
        with pytest.raises(PandaUnavailable):
            server.answer(1000)
        waited.append(server.tempo.patience(probe=False))
    assert waited == [20, 40, 80, 160, 180, 180]
    server.answer(0.1, probe=True)
    assert server.answer(100) == LONGEST


def test_probes_that_fail_change_nothing(server: Server):
    server.answer(0.1)
    for _ in range(100):
        with pytest.raises(PandaUnavailable):
            server.answer(1000, probe=True)
    assert server.tempo.patience(probe=False) == 10
    assert server.tempo.patience(probe=True) == 5
