"""Many workers at the door, in one thread: requests that were made beforehand, over connections that stay open.

Each connection asks again as soon as it has its answer. What costs the caller anything is kept small, since it runs on
the same cores as the door.
"""

import json
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

_LONGEST_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent, and what is done once it was answered."""

    method: str
    text: bytes
    afterwards: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that comes to the door, and Harvester as far as it would answer it: requests for jobs are served."""

    worker_id: int
    token: str
    access_point: Path

    def requests(self) -> Iterator[Request]:
        """Seven heartbeats and one report for each job that it asks for and gets, again and again."""
        heartbeat = self._request("heartbeat", {"time": "2026-11-26 14:00:00"})
        wish = self._request("requestJobs", {"nJobs": 1}, self._give_job)
        jobs = self._request("getJobs", None)
        report = self._request("updateJobs", {"101": {"jobStatus": "running", "nEvents": 100, "node": "n17"}})
        while True:
            yield from (heartbeat, heartbeat, wish, heartbeat, jobs, heartbeat, report, heartbeat, heartbeat, heartbeat)

    def _give_job(self) -> None:
        (self.access_point / "pandaJobData.out").write_text('{"101": {"PandaID": 101, "jobPars": "--events 100"}}')
        (self.access_point / "worker_requestjob.json").unlink(missing_ok=True)

    def _request(self, method: str, data: object, afterwards: Callable[[], None] = lambda: None) -> Request:
        body = json.dumps({"methodName": method, "workerID": self.worker_id, "data": data})
        head = (
            "POST /entry HTTP/1.1\r\nHost: door\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {self.token}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return Request(method, f"{head}{body}".encode(), afterwards)


@dataclass(slots=True)
class Knocked:
    """What was measured: seconds that each answer took, and how often each status came."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        """Milliseconds within which so many of the answers came."""
        ordered = sorted(self.latencies)
        return round(ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000, 2)


class _Line:
    """One connection, and whose turn it is on it."""

    def __init__(self, address: tuple[str, int], workers: list[Worker]) -> None:
        self._address = address
        self._turns = self._in_turn([each.requests() for each in workers])
        self._received = b""
        self._request = next(self._turns)
        self._sent_at = 0.0
        self.socket = self._connect()

    @staticmethod
    def _in_turn(all_requests: list[Iterator[Request]]) -> Iterator[Request]:
        while True:
            for each in all_requests:
                yield next(each)

    def _connect(self) -> socket.socket:
        made = socket.create_connection(self._address, _LONGEST_WAIT)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def ask(self) -> None:
        """Send the next request."""
        self._request = next(self._turns)
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request.text)

    def hear(self, knocked: Knocked) -> bool:
        """Take what has come; whether it was the end of an answer."""
        self._received += self.socket.recv(65536)
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended:
            assert self._received, "the door has closed a connection"
            return False
        if len(body) < _length_of(head):
            return False
        knocked.latencies.append(time.perf_counter() - self._sent_at)
        knocked.statuses[f"{self._request.method} {head[9:12].decode()}"] += 1
        self._received = b""
        self._request.afterwards()
        return True


def _length_of(head: bytes) -> int:
    lowered = head.lower()
    place = lowered.index(b"content-length:") + 15
    return int(lowered[place:].partition(b"\r\n")[0])


def knock(address: tuple[str, int], workers: list[Worker], *, connections: int, seconds: float) -> Knocked:
    """Let all workers ask for so long."""
    knocked = Knocked()
    selector = selectors.DefaultSelector()
    lines = [_Line(address, workers[place::connections]) for place in range(connections)]
    with ExitStack() as opened:
        for line in lines:
            opened.enter_context(closing(line.socket))
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.ask()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for key, _ in selector.select(_LONGEST_WAIT):
                if key.data.hear(knocked):
                    key.data.ask()
        for line in lines:
            while not line.hear(knocked):
                pass
    return knocked
