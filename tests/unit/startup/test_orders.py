import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from harvester.startup.orders import SIGNALS, Order, Orders
from waiting import until


@pytest.fixture
def orders() -> Iterator[Orders]:
    """Signals of this process are caught for the test; it is a service without a terminal."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = Orders()
    made.leave_terminal()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_signal_is_an_order_to_stop(orders: Orders, number: signal.Signals):
    assert orders.wait(0) is None
    os.kill(os.getpid(), number)
    assert orders.wait(60) is Order.STOP
    assert orders.wait(0) is Order.STOP


def test_a_service_that_is_hung_up_on_reloads_as_often_as_that_is_said(orders: Orders):
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGHUP)
    assert [orders.wait(60), orders.wait(60), orders.wait(0)] == [Order.RELOAD, Order.RELOAD, None]


def test_an_order_that_interrupts_nobody_is_heard(orders: Orders):
    """The kernel may give a signal to another thread than the one that waits."""

    waiting = threading.get_ident()

    def take_it() -> None:
        until(lambda: sys._current_frames()[waiting].f_code, lambda code: code is Orders.wait.__code__)
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    thread = threading.Thread(target=take_it)
    thread.start()
    assert orders.wait(20) is Order.STOP
    thread.join()


ON_A_TERMINAL = """
import os, signal
from harvester.startup.orders import Order, Orders
orders = Orders()
os.kill(os.getpid(), signal.SIGHUP)
assert orders.wait(60) is Order.STOP
orders.before_the_end = lambda: os.write(1, b"at once")
os.kill(os.getpid(), signal.SIGTERM)
"""


def test_a_terminal_that_closes_stops_and_a_second_order_ends_at_once():
    ours, theirs = os.openpty()

    def take_terminal() -> None:
        os.close(os.open(os.ttyname(theirs), os.O_RDWR))  # the first terminal that a session opens becomes its own

    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL],
        stdin=theirs,
        capture_output=True,
        start_new_session=True,
        preexec_fn=take_terminal,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert (done.stdout, done.returncode) == (b"at once", 128 + signal.SIGTERM)
