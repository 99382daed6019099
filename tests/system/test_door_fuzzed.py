"""Very many requests of any kind, over loopback to a door in a process of its own: it answers all and does not grow."""

import json
import random
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from instance import benchmark_site
from knocking import Worker
from messenger import FOLDER, add_workers, configure
from service import environment

pytestmark = pytest.mark.system

REQUESTS = 24_000
GROWTH = 12 * 2**20
"""Bytes that the process may grow by while it answers the last five sixths of the requests."""
ALLOWED = {200, 400, 403, 404, 405, 408, 411, 413, 414, 415, 429, 501, 503, 505}
METHODS = ("heartbeat", "updateJobs", "requestJobs", "getJobs", "killWorker", "uploadJobReport", "nothing", "test")
EVIL = (
    "../../etc/passwd",
    "/etc/passwd",
    "\x00",
    "%2e%2e/",
    "\U0001d54f" * 30,
    "'; DROP TABLE workers; --",
    "${jndi:x}",
    "{}",
)


@contextmanager
def open_door(main: Path, log: Path) -> Iterator[tuple[tuple[str, int], psutil.Process]]:
    command = [sys.executable, str(FOLDER / "door_server.py"), str(main)]
    pipe = subprocess.PIPE
    with (
        log.open("w") as said,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, text=True, env=environment()) as process,
    ):
        assert process.stdout
        assert process.stdin
        found = urlsplit(process.stdout.readline().strip())
        try:
            yield (str(found.hostname), int(found.port or 0)), psutil.Process(process.pid)
        finally:
            process.stdin.close()
            assert process.wait(20) == 0


class Fuzzer:
    """Makes requests by chance, the same in each run."""

    def __init__(self, workers: list[Worker]) -> None:
        self._dice = random.Random(7)
        self._workers = workers

    def request(self) -> bytes:
        """A request: most are nearly good ones."""
        worker = self._dice.choice(self._workers)
        body = self._body(worker)
        head = self._head(worker, len(body))
        text = head + body
        if self._dice.random() < 0.05:
            place = self._dice.randrange(len(text))
            text = text[:place] + self._dice.randbytes(3) + text[place:]
        if self._dice.random() < 0.03:
            text = text[: self._dice.randrange(1, len(text))]
        return text

    def _head(self, worker: Worker, length: int) -> bytes:
        path = self._dice.choice(["/entry"] * 20 + ["/", "/entry/../x", "/%2e%2e", "/entry?x=" + "y" * 100])
        verb = self._dice.choice(["POST"] * 20 + ["GET", "PUT", "OPTIONS", "TRACE", "x"])
        kind = self._dice.choice(["application/json"] * 10 + ["text/plain", ""])
        token = self._dice.choice(
            [worker.token] * 10 + ["", "x", worker.token[:-3] + "abc", worker.token.rpartition(".")[0] + "."]
        )
        said = self._dice.choice([length] * 30 + [0, length + 5, -1, 10**8, "x"])
        lines = [
            f"{verb} {path} HTTP/1.1",
            "Host: door",
            f"Content-Type: {kind}",
            f"Authorization: Bearer {token}",
            f"Content-Length: {said}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _body(self, worker: Worker) -> bytes:
        choice = self._dice.random()
        if choice < 0.05:
            return self._dice.randbytes(self._dice.randrange(300))
        if choice < 0.1:
            return self._dice.choice(
                [b"[" * 5000, b'{"a":' * 2000, b"9" * 6000, b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"nul"]
            )
        call = {
            "methodName": self._dice.choice([*METHODS * 4, *EVIL]),
            "workerID": self._dice.choice([worker.worker_id] * 20 + [1, 2**80, -1, "1", None]),
            "data": self._data(3),
        }
        if self._dice.random() < 0.2:
            call["pandaID"] = self._dice.choice([101, *EVIL])
        if self._dice.random() < 0.05:
            del call[self._dice.choice(list(call))]
        return json.dumps(call).encode()

    def _data(self, depth: int) -> object:
        kind = self._dice.randrange(6 if depth else 4)
        if kind < 4:
            return self._dice.choice([None, True, 10**300, -0.0, "text", *EVIL])
        parts = [self._data(depth - 1) for _ in range(3)]
        return parts if kind == 4 else dict(zip(["101", "jobStatus", self._dice.choice(EVIL)], parts, strict=True))


class Line:
    """A connection that is made again when the door has closed it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._socket = self._connect()

    def _connect(self) -> socket.socket:
        made = socket.create_connection(self._address, 30)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its port is free at once
        return made

    def ask(self, text: bytes) -> list[int]:
        """The statuses that come back; the line is closed for writing, so that the door need not wait for more."""
        received = b""
        with closing(self._socket):
            try:
                self._socket.sendall(text)
                self._socket.shutdown(socket.SHUT_WR)
                while part := self._socket.recv(65536):
                    received += part
            except ConnectionError:
                pass
        self._socket = self._connect()
        assert b"Traceback" not in received
        return [int(each[:3]) for each in received.split(b"HTTP/1.1 ")[1:]]

    def close(self) -> None:
        self._socket.close()


def test_the_door_answers_everything_and_does_not_grow():
    with benchmark_site("sqlite", "/dev/shm" if Path("/dev/shm").is_dir() else None) as site:
        main = configure(site)
        workers = add_workers(site, main, 40)
        fuzzer, statuses, sizes = Fuzzer(workers), Counter[int](), []
        log = site.folder / "door.log"
        with open_door(main, log) as (address, process):
            line = Line(address)
            for number in range(REQUESTS):
                statuses.update(line.ask(fuzzer.request()))
                if number % (REQUESTS // 6) == REQUESTS // 6 - 1:
                    sizes.append(process.memory_info().rss)
            line.close()
        assert "Traceback" not in log.read_text()
        made = {path.name for path in site.access_points.rglob("*") if path.is_file()}
    assert statuses.keys() <= ALLOWED, statuses
    assert sum(statuses.values()) > 0.95 * REQUESTS
    assert statuses[200] > REQUESTS // 30, statuses
    assert sizes[-1] - sizes[0] < GROWTH, sizes
    assert made <= {
        "worker_heartbeat.json",
        "worker_attributes.json",
        "worker_requestjob.json",
        "kill_worker.json",
        "jobReport.json",
    }
