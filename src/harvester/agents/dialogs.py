"""What agents and plugins complain of, on its way to the server (core reference §3.4 step 8).

Log lines are collected in memory and written to the database in sets; a line costs no statement. The same complaint is
told once an hour, however often it is logged.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from harvester.config.findings import is_secret
from harvester.core.clock import Clock
from harvester.core.dialogs import Dialog, DialogLevel
from harvester.core.masking import masked
from harvester.store import dialogs
from harvester.store.engine import Database, StoreUnavailableError

_LONGEST: Final = 500
_LONGEST_IDENTIFIER: Final = 100
_MOST_WAITING: Final = 500
_AGAIN_AFTER: Final = timedelta(hours=1)
_ABOUT: Final = ("queue", "worker", "job", "about")
"""Keys of log lines that say what a line is about."""
_FRAME: Final = frozenset({"event", "level", "logger", "timestamp", "agent", "exception", *_ABOUT})


class DialogBuffer(logging.Handler):
    """Collects log lines of a level and above until they are written.

    Args:
        level: the least level.
        area: where a line belongs.
        clock: what time it is.
    """

    def __init__(self, level: str, area: Callable[[logging.LogRecord], str], clock: Clock) -> None:
        super().__init__(level)
        self._area = area
        self._clock = clock
        self._guard = threading.Lock()
        self._waiting: list[Dialog] = []
        self._told: dict[tuple[str, str, str], datetime] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, unless it was told lately or too many wait."""
        try:
            dialog = self._dialog(record)
        except Exception:  # noqa: BLE001 (whatever a line holds, it must not hurt whoever logs it)
            self.handleError(record)
            return
        key = (dialog.module, dialog.identifier, dialog.message)
        with self._guard:
            last = self._told.get(key)
            if (last is None or dialog.at - last >= _AGAIN_AFTER) and len(self._waiting) < _MOST_WAITING:
                self._told[key] = dialog.at
                self._waiting.append(dialog)

    def write(self, db: Database) -> None:
        """Bring what waits to the database; what it does not take waits on.

        Raises:
            StoreUnavailableError: the database is away.
        """
        with self._guard:
            taken, self._waiting = self._waiting, []
        if not taken:
            return
        now = self._clock()
        try:
            db.transact(lambda connection: dialogs.add(connection, taken, now))
        except StoreUnavailableError:
            with self._guard:
                self._waiting = [*taken, *self._waiting][:_MOST_WAITING]
            raise
        with self._guard:
            self._told = {key: at for key, at in self._told.items() if now - at < _AGAIN_AFTER}

    def _dialog(self, record: logging.LogRecord) -> Dialog:
        fields: Mapping[str, object] = record.msg if isinstance(record.msg, dict) else {"event": record.getMessage()}
        about = [f"{key}={fields[key]}" for key in _ABOUT if fields.get(key)]
        identifier = " ".join(about)[:_LONGEST_IDENTIFIER]
        return Dialog(self._clock(), self._area(record), identifier, _level(record.levelno), _message(fields))


def _message(fields: Mapping[str, object]) -> str:
    """The line in one sentence; of a traceback its last line, which says what went wrong."""
    traceback = str(fields.get("exception") or "").rstrip().rpartition("\n")[2]
    details = [f"{key}={'(hidden)' if is_secret(key) else value}" for key, value in fields.items() if key not in _FRAME]
    parts = [str(fields.get("event", "")), ", ".join(details), traceback]
    return masked("; ".join(filter(None, parts)))[:_LONGEST]


def _level(number: int) -> DialogLevel:
    if number >= logging.ERROR:
        return DialogLevel.ERROR
    return DialogLevel.WARNING if number >= logging.WARNING else DialogLevel.INFO
