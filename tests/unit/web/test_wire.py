"""Reading lines and bytes from a connection, however they arrive."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.web.wire import Inlet, Outlet

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = socket.socketpair()
    with closing(here), closing(there):
        yield here, there


class Pieces:
    """A socket that gives what it has in pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [each for each in pieces if each]

    def recv(self, _: int, _flags: int = 0) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@given(pieces=st.lists(st.binary(max_size=9)), sizes=st.lists(st.integers(0, 7) | st.none(), min_size=1))
def test_lines_and_bytes_are_those_of_a_file(pieces: list[bytes], sizes: list[int | None]):
    text = b"".join(pieces)
    inlet = Inlet(Pieces(pieces))  # type: ignore[arg-type]  # all that it needs of a socket
    place = 0
    for turn, size in enumerate(sizes):
        rest = text[place:]
        if turn % 2:
            got, expected = inlet.read(size), rest if size is None else rest[:size]
        else:
            line = rest[: rest.find(b"\n") + 1] or rest
            got, expected = inlet.readline(size), line if size is None else line[:size]
        assert got == expected
        place += len(got)
    assert not inlet.has_data() or place < len(text)


def test_heads_are_heard_without_waiting(pair: Pair):
    inlet = Inlet(pair[0])
    assert not inlet.hear()
    pair[1].sendall(b"POST / HTTP/1.1\r\n")
    assert not inlet.hear()
    pair[1].sendall(b"\r\n")
    assert inlet.hear()
    assert inlet.readline() == b"POST / HTTP/1.1\r\n"
    pair[1].close()
    assert inlet.hear(), "the other side has gone"


def test_head_and_body_are_one_packet(pair: Pair):
    outlet = Outlet(pair[0])
    outlet.write(b"head")
    outlet.write(b"body")
    outlet.flush()
    assert pair[1].recv(100) == b"headbody"


def test_who_waits_for_leave_gets_it(pair: Pair):
    Outlet(pair[0]).write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert pair[1].recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_large_body_comes_whole(pair: Pair):
    text = bytes(range(256)) * 20_000
    sender = threading.Thread(target=lambda: (pair[0].sendall(text), pair[0].shutdown(socket.SHUT_WR)))
    sender.start()
    assert Inlet(pair[1]).read(len(text)) == text
    sender.join()
