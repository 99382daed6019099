"""One start of the service on the command line, from what was asked for to the exit code."""

import faulthandler
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import structlog

from harvester.config.places import why_unwritable
from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.log_files import roll_over
from harvester.service import Harvester
from harvester.startup.account import Account, account_to_become, become
from harvester.startup.children import ParentLine
from harvester.startup.daemon import detach
from harvester.startup.doors import ProcessDoor, sockets_after, sockets_for, sockets_of, still_fit
from harvester.startup.loading import Configuration, load, main_configuration
from harvester.startup.orders import Order, Orders
from harvester.startup.parent import Parent
from harvester.startup.pid_file import PidFile, take
from harvester.startup.serving import STOP_SECONDS, serve, serve_once
from harvester.startup.starting import OrderedError, StartError, introduce, prepare, require_startable, start
from harvester.startup.states import State, Tell, to_all
from harvester.startup.systemd import Manager

log = structlog.get_logger("harvester.service")

T = TypeVar("T")

_OUTPUT: Final = "panda_harvester_stderr.log"
"""Where a daemon's standard output and error go, in `logdir`, without that in `workDir` (core reference §7.3)."""
_NOT_RELOADED: Final = "not reloaded, the service goes on as it is"


@dataclass(frozen=True, slots=True)
class Launch:
    """What was asked for.

    Attributes:
        config: main configuration files, instead of the search path.
        queues: the queue configuration, instead of `[qconf] configFile`.
        processes: how many that do the work.
        is_daemon: leave the terminal.
        pid_file: file with the pid.
        hostname_file: file with the name of this host.
        rotates_logs: begin new log files.
        is_single: every agent looks for work once, and that is the end.
        is_check: only find out whether the service could start.
        parent_line: in a child, its end of the line to its parent.
        listeners: inherited sockets that listen already.
    """

    config: Sequence[Path] = ()
    queues: Path | None = None
    processes: int = 1
    is_daemon: bool = False
    pid_file: Path | None = None
    hostname_file: Path | None = None
    rotates_logs: bool = False
    is_single: bool = False
    is_check: bool = False
    parent_line: int | None = None
    listeners: Sequence[int] = ()

    def words(self) -> list[str]:
        """The command that goes on as this one, in a process that has the same files and account."""
        words = [sys.executable, "-P", "-m", "harvester", "run"]
        words += [word for file in self.config for word in ("--config", str(file))]
        words += ["--queues", str(self.queues)] if self.queues else []
        words += ["--pid-file", str(self.pid_file)] if self.pid_file and self.parent_line is None else []
        words += ["--parent-line", str(self.parent_line)] if self.parent_line is not None else []
        return [*words, *(word for handle in self.listeners for word in ("--listener", str(handle)))]

    def load(self) -> Configuration:
        """The configuration as it is now.

        Raises:
            UnusableConfigurationError: it has errors.
        """
        return load(self.config, self.queues, is_start=self.parent_line is None and not self.is_check)


def launch(asked: Launch, orders: Orders) -> int:
    """Run the service until it is told to stop; the exit code.

    Raises:
        HarvesterError: it cannot start; the message says what to correct.
    """
    faulthandler.register(signal.SIGUSR1, file=2)  # whoever wonders what it does is told where its threads are
    held = _take_over(asked)
    try:
        return _run(asked, orders, Manager(), held)
    finally:
        if held:
            held.remove()


def _take_over(asked: Launch) -> PidFile | None:
    """Hold the pid file, and be the account that the service is to have."""
    account = _account(asked)
    held = take(asked.pid_file) if asked.pid_file and not asked.is_check else None
    if account:
        if held:
            held.give_to(account.uid, account.gid)
        become(account)
    return held


def _account(asked: Launch) -> Account | None:
    """Whom root wants; nobody else is asked to read the configuration for that."""
    if os.geteuid() != 0:
        return None
    main = main_configuration(asked.config, asked.queues)
    return account_to_become(main.settings.master, main.key_at, main.deciding)


def _run(asked: Launch, orders: Orders, manager: Manager, held: PidFile | None) -> int:
    configuration = asked.load()
    if asked.is_check:
        require_startable(configuration)
        return 0
    settings = configuration.settings
    tell: Tell = manager.tell
    output = _output(settings) if asked.is_daemon else None
    if output:
        tell = to_all(manager.tell, detach(output).tell)
        orders.leave_terminal()
    if held:
        held.write()
    if asked.hostname_file:
        asked.hostname_file.write_text(f"{socket.getfqdn()}\n")
    if asked.rotates_logs:
        roll_over(settings.logger)
    prepare(configuration, output)
    if asked.parent_line is not None:
        tell = ParentLine(asked.parent_line, orders).tell
        done = _Work(asked, configuration, orders, tell, sockets_of(asked.listeners)).do()
        return done if isinstance(done, int) else 0
    require_startable(configuration)
    introduce(configuration)
    sockets = sockets_for(configuration, asked.listeners)
    asked = replace(asked, listeners=[each.fileno() for each in sockets])
    if asked.processes > 1:
        starter = _ChildStarter(asked)
        return Parent(starter, asked.processes, orders, tell, lambda: _may_reload(asked, configuration, sockets)).run()
    done = _Work(asked, configuration, orders, tell, sockets).do()
    if isinstance(done, int):
        return done
    if orders.hold_back():
        _begin_anew(asked, manager, sockets, done)
    tell(State.STOPPING)
    return 0


@dataclass(frozen=True, slots=True)
class _Work:
    """What the process does, or each of several, from its start to its end."""

    asked: Launch
    configuration: Configuration
    orders: Orders
    tell: Tell
    sockets: Sequence[socket.socket]

    def do(self) -> int | Sequence[socket.socket]:
        """Work until an order comes; the exit code, or the sockets to begin anew with."""
        while True:
            try:
                harvester = start(self.configuration, self.orders.wait, self.tell)
            except OrderedError as error:
                if error.order is Order.STOP:
                    return 0
                sockets = self._sockets_anew(self.sockets)
                if sockets is not None:
                    return sockets
            else:
                return self._work(harvester)

    def _work(self, harvester: Harvester) -> int | Sequence[socket.socket]:
        try:
            sockets = self._serve(harvester)
        finally:
            harvester.stop(STOP_SECONDS)
        if harvester.watcher.has_ended_the_process:
            return 1  # not an end that was wished for: whoever watches over the service starts it again
        return 0 if sockets is None else sockets

    def _serve(self, harvester: Harvester) -> Sequence[socket.socket] | None:
        """The sockets to begin anew with; None if this is the end."""
        if self.asked.is_single:
            serve_once(harvester, self.orders)
            return None
        door = ProcessDoor(harvester, self.sockets, is_alone=self.asked.parent_line is None)
        sockets: Sequence[socket.socket] | None = None
        while sockets is None and serve(harvester, self.orders, self.tell, door) is Order.RELOAD:
            sockets = self._sockets_anew(door.sockets)
        self.tell(State.STOPPING if sockets is None else State.RELOADING)
        door.shut()
        return sockets

    def _sockets_anew(self, present: Sequence[socket.socket]) -> Sequence[socket.socket] | None:
        return _unless_refused(lambda: sockets_after(present, _startable(self.asked, self.configuration)))


def _may_reload(asked: Launch, present: Configuration, shared: Sequence[socket.socket]) -> bool:
    """Whether processes that take the places of these, and share their sockets, could start."""
    return _unless_refused(lambda: _shared_after(shared, _startable(asked, present))) is not None


def _shared_after(shared: Sequence[socket.socket], configuration: Configuration) -> Sequence[socket.socket]:
    if not still_fit(shared, configuration):
        raise StartError(
            "[frontend]: several processes can neither move to another port, nor share a door that was shut when they "
            "started; stop and start the service"
        )
    return shared


def _startable(asked: Launch, present: Configuration) -> Configuration:
    """The configuration as it is now, with which the service could start in place of the present one.

    Raises:
        HarvesterError: it could not.
    """
    _account(asked)
    configuration = asked.load()
    if configuration.settings.master.harvester_id != present.settings.master.harvester_id:
        raise StartError(
            "[master] harvester_id: the database belongs to the former name; stop and `harvester db rename OLD`"
        )
    require_startable(configuration)
    return configuration


def _unless_refused(attempt: Callable[[], T]) -> T | None:
    """What a reload needs; None if it cannot be had: then the service goes on, and the log says why."""
    try:
        return attempt()
    except (HarvesterError, OSError) as error:
        log.error(_NOT_RELOADED, problem=str(error))  # noqa: TRY400 (it is for people)
        return None


def _begin_anew(
    asked: Launch, manager: Manager, former: Sequence[socket.socket], sockets: Sequence[socket.socket]
) -> NoReturn:
    """Let the program as it is installed now take this one's place, with the same pid.

    The sockets listen on, so that workers that come meanwhile are served late, and not refused.
    """
    manager.hand_over()
    for each in former:
        each.set_inheritable(False)
    for each in sockets:
        each.set_inheritable(True)
    words = replace(asked, listeners=[each.fileno() for each in sockets]).words()
    os.execv(sys.executable, words)  # noqa: S606 (our own program, no shell)


def _output(settings: Settings) -> Path:
    """Where a daemon writes what it cannot write into its logs; nowhere if it will not be able to start anyhow."""
    for folder in (settings.logger.logdir, settings.master.work_dir):
        if folder and not why_unwritable(Path(folder)):
            return Path(folder) / _OUTPUT
    return Path(os.devnull)


@dataclass(frozen=True, slots=True)
class _ChildStarter:
    """Starts children of this process."""

    asked: Launch

    def __call__(self, line: socket.socket) -> subprocess.Popen[bytes]:
        """In a process group of its own: what a terminal or supervisor sends to the group reaches it by its parent."""
        asked = replace(self.asked, parent_line=line.fileno())
        return subprocess.Popen(  # noqa: S603 (our own program, no shell)
            asked.words(),
            stdin=subprocess.DEVNULL,
            pass_fds=(line.fileno(), *asked.listeners),
            process_group=0,
        )
