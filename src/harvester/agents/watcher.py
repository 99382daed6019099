"""Watches the parts of this process, and does what `[watcher] actions` say when one is stuck (core reference §3.11).

Upstream reads the times of log lines; here the agents themselves say when they last looked for work, and the database
how long work has been waiting. A file of `logFileNameList` stands for the parts that log there.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.alarm_mail import AlarmMail, MailError
from harvester.agents.runner import AgentRunner
from harvester.config.service import Settings
from harvester.core.watching import Rules, Sign, alarms
from harvester.store.engine import Database, StoreUnavailableError

log = structlog.get_logger(__name__)

_MAIL_AGAIN: Final = 6 * 3600.0
"""Seconds after which somebody is told again of what has not ended."""
_GRACE: Final = 60.0
"""Seconds that a process has for stopping before it is killed."""
_EVERYTHING: Final = frozenset({"db_proxy", "db_proxy_pool", "master"})
"""Logs that all parts of upstream write to."""


class Watcher:
    """Looks at the signs of life every `checkInterval`.

    Args:
        settings: with `[watcher]`.
        signs: how the parts of this process do.
        area: the log of a part.
        mail: sends mail.
        end: ends this process: with SIGTERM, and if it is told so with SIGKILL when that does not help.
        tick: seconds of a clock that never goes back.
    """

    name: Final = "watcher"

    def __init__(
        self,
        settings: Settings,
        signs: Callable[[], Iterable[Sign]],
        area: Callable[[str], str],
        *,
        mail: AlarmMail,
        end: Callable[[bool], None],
        tick: Callable[[], float] = time.monotonic,
    ) -> None:
        section = settings.watcher
        self._settings = settings
        self._rules = Rules(section.max_stalled, section.max_duration if section.n_messages else 0.0)
        self._signs = signs
        self._area = area
        self._mail = mail
        self._end = end
        self._tick = tick
        self._next_check = tick() + section.check_interval
        self._mailed = -_MAIL_AGAIN
        self._alarms: Mapping[str, str] = {}
        self.has_ended_the_process = False

    @property
    def complaints(self) -> Mapping[str, str]:
        """The parts that were stuck at the last look, with the reason."""
        return self._alarms

    def round(self) -> None:
        """Look, if it is time, and act on what was not known at the last look."""
        now = self._tick()
        if now < self._next_check:
            return
        self._next_check = now + self._settings.watcher.check_interval
        found = alarms(self._watched(list(self._signs())), self._rules)
        fresh = {name: reason for name, reason in found.items() if name not in self._alarms}
        for name, reason in fresh.items():
            log.error("part of the service is stuck", part=name, problem=reason)
        for name in self._alarms.keys() - found.keys():
            log.info("part of the service works again", part=name)
        self._alarms = found
        if found:
            self._act(found, is_news=bool(fresh), now=now)

    def _watched(self, signs: Sequence[Sign]) -> Sequence[Sign]:
        """The signs that count; logs that no part here writes to stand for all of them."""
        areas = {name.removeprefix("panda-").removesuffix(".log") for name in self._settings.watcher.log_file_name_list}
        known = {self._area(each.name) for each in signs}
        if not areas or areas & _EVERYTHING or not areas <= known:
            return signs
        return [each for each in signs if self._area(each.name) in areas]

    def _act(self, found: Mapping[str, str], *, is_news: bool, now: float) -> None:
        actions = self._settings.watcher.actions
        if "email" in actions and (is_news or now - self._mailed >= _MAIL_AGAIN):
            self._send(found, now)
        if not self.has_ended_the_process and ("terminate" in actions or "kill" in actions):
            self.has_ended_the_process = True
            log.error("this process is ended by [watcher] actions", actions=actions)
            self._end("kill" in actions)

    def _send(self, found: Mapping[str, str], now: float) -> None:
        try:
            self._mail.send(found)
        except MailError as error:
            log.warning("the alarm could not be mailed", error=str(error))
        else:
            self._mailed = now


def signs_of(runners: Sequence[AgentRunner[Any, Any]], db: Database) -> list[Sign]:
    """How the agents do that are switched on; without a database nobody knows what waits, and they fall silent."""
    runners = [each for each in runners if each.is_on]
    waiting: dict[str, float] = {}
    try:
        with db.read() as connection:
            for runner in runners:
                waiting[runner.agent.name] = runner.overdue(connection)
    except (StoreUnavailableError, SQLAlchemyError) as error:
        log.warning("what waits for the agents is not known", error=str(error))
    return [Sign(each.agent.name, each.silence, overdue=waiting.get(each.agent.name, 0.0)) for each in runners]


def end_this_process(kill: bool) -> None:  # noqa: FBT001 - the watcher's word
    """Stop as by hand; whoever restarts the service sees that it was no order of a person by its exit code."""
    pid = os.getpid()
    if kill:
        timer = threading.Timer(_GRACE, os.kill, (pid, signal.SIGKILL))
        timer.daemon = True
        timer.start()
    os.kill(pid, signal.SIGTERM)
