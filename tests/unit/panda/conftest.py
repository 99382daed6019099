from collections.abc import Callable, Iterator

import pytest
import stamina

from harvester.panda import Credentials, PandaClient
from harvester.panda.devserver import DevControl, DevServer
from moving_clock import NOW, MovingClock


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def server(clock: MovingClock) -> Iterator[DevServer]:
    with DevServer(adder_delay=10.0, clock=clock) as running:
        yield running


@pytest.fixture
def control(server: DevServer) -> Iterator[DevControl]:
    with DevControl(server.url) as door:
        yield door


@pytest.fixture
def client(server: DevServer, beat: Callable[[PandaClient], None]) -> Iterator[PandaClient]:
    with PandaClient(server.url, Credentials(), "harvester_1", timeout=10, retries=2) as caller:
        beat(caller)
        yield caller


@pytest.fixture
def beat() -> Callable[[PandaClient], None]:
    def send(client: PandaClient) -> None:
        client.heartbeat(start_time=NOW, version="1.0", commit="abc")

    return send


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Repetitions happen, but at once."""
    with stamina.set_testing(testing=True, attempts=3, cap=True):
        yield
