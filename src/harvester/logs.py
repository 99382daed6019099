"""Log lines: where they go and what they look like.

With `[logger] logdir` of `panda_common.cfg` every area writes to a file of its own, `panda-<area>.log`, under the
names that operators know (operations reference §11); standard error then shows only what a person should see at once.
Without it all lines go to standard error. A line is `time panda.log.<area>: LEVEL    event key=value …`, in UTC; with
`[logger] line_format = json` a line of a file is a JSON object. `log_files` has the files.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import LogfmtRenderer
from structlog.typing import EventDict, Processor, WrappedLogger

from harvester.config.places import why_unwritable
from harvester.config.service import Settings
from harvester.core.masking import masked
from harvester.log_files import AreaFiles

_AGENTS: Final[Mapping[str, str]] = {
    "sizer": "worker_adjuster",
    "facts": "cacher",
    "private_documents": "cacher",
    "reloader": "queue_config_mapper",
    "config_versions": "queue_config_mapper",
    "queue_configuration": "queue_config_mapper",
    "reconciler": "submitter",
    "event_reports": "propagator",
    "losses": "propagator",
    "checkpoint_uploads": "propagator",
    "sample_points": "event_feeder",
    "outputs": "monitor",
    "feeder": "submitter",
    "listening": "monitor",
    "sight_guard": "monitor",
    "transfers": "stager",
    "change_watcher": "monitor",
    "disk_cleaner": "sweeper",
    "worker_propagator": "propagator",
    "log_uploader": "propagator",
    "statistics": "propagator",
    "killer": "sweeper",
    "housekeeper": "master",
    "holds": "master",
    "runner": "master",
    "loops": "master",
    "credential_manager": "cred_manager",
    "service_propagator": "propagator",
    "host_lock": "cred_manager",
    "process_meter": "service_monitor",
    "alarm_mail": "watcher",
}
"""Agents and their parts whose lines are in a file that is not called like them."""
_ROOMS: Final[Mapping[str, str]] = {
    "harvester.store": "db_proxy",
    "sqlalchemy": "db_proxy",
    "harvester.panda": "communicator",
    "harvester.config": "queue_config_mapper",
    "harvester.plugins.registry": "plugin_factory",
    "harvester.plugins.pool": "plugin_factory",
    "harvester.plugins.calling": "plugin_factory",
    "harvester.plugins.turns": "plugin_factory",
    "harvester.plugins.messengers": "shared_file_messenger",
    "harvester.plugins.workermakers": "worker_maker",
    "harvester.plugins.setup_pool": "plugin_factory",
    "harvester.plugins.credentials": "cred_manager",
    "harvester.plugins.filesyncers": "file_syncer",
    "harvester.plugins.tools.worker_tokens": "frontend",
    "harvester.web": "frontend",
}
"""The files of rooms, likewise."""
_MASTER: Final = "master"
_MEBIBYTE: Final = 1024 * 1024
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_IDENTIFIERS: Final[Mapping[str, str]] = {"queue": "queueName", "worker": "workerID", "job": "PandaID"}
"""What people search for in files, as they know it."""
_LOGFMT: Final = LogfmtRenderer(bool_as_flag=False)
_HOLDS_NO_SECRET: Final = int | float | None


def _mask(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """What plugins, servers and libraries say may hold a secret that they were given, wherever it stands in a line.

    Keys that begin with an underscore are no part of it: the library keeps its own things there.
    """
    for key, value in line.items():
        if not (key.startswith("_") or isinstance(value, _HOLDS_NO_SECRET)):
            line[key] = masked(str(value))
    return line


_SHARED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S.%f", utc=True),
    structlog.processors.format_exc_info,
    _mask,
)


def _add_memory(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """What this process uses; the kernel tells it faster than any library does."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    line["rss_mib"] = round(pages * _PAGE / _MEBIBYTE)
    return line


def area_of(logger: str, agent: str = "") -> str:
    """The area of a line: that of the agent it is about, else that of the room it comes from."""
    if agent:
        name = agent.replace(" ", "_")
        return _AGENTS.get(name, name)
    for room, area in _ROOMS.items():
        if f"{logger}.".startswith(f"{room}."):
            return area
    room, _, rest = logger.removeprefix("harvester.").partition(".")
    name = rest.partition(".")[0]
    if room == "agents" and name:
        return _AGENTS.get(name, name)
    return name if room == "plugins" and name else _MASTER


def set_up_logs(settings: Settings, output: Path | None = None) -> None:
    """Send the lines of this process where the configuration says.

    Args:
        settings: with `[logger]`.
        output: a file in place of standard error, for a daemon.
    """
    levels = _Levels(settings)
    on_terminal = output is None and sys.stderr.isatty()
    stderr = _stderr_handler(output.open("a", encoding="utf-8") if output else sys.stderr, on_terminal=on_terminal)
    handlers: list[logging.Handler] = [stderr]
    problem = ""
    if settings.logger.logdir:
        problem = why_unwritable(Path(settings.logger.logdir))
        if not problem:
            renderer = _as_json if settings.logger.line_format == "json" else _as_line
            handlers.append(AreaFiles(settings.logger, area_of_record, _formatter(renderer)))
            stderr.setLevel(logging.INFO if on_terminal else logging.WARNING)
    for handler in handlers:
        handler.addFilter(levels.allow)
    logging.basicConfig(handlers=handlers, level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.getLogger("harvester").setLevel(levels.lowest)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.INFO if settings.db.verbose else logging.WARNING)
    _set_up_structlog(with_memory=settings.logger.memory_logging)
    if problem:
        consequence = "log lines go to standard error; correct [logger] logdir in panda_common.cfg"
        told = f"the log directory {settings.logger.logdir} {problem}; {consequence}"
        structlog.get_logger("harvester.service").error(told)


def show_errors_alone() -> None:
    """For commands that print what they found: only what went wrong without being foreseen goes to standard error."""
    logging.basicConfig(
        handlers=[_stderr_handler(sys.stderr, on_terminal=sys.stderr.isatty())], level=logging.ERROR, force=True
    )
    _set_up_structlog()


def _set_up_structlog(*, with_memory: bool = False) -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *([_add_memory] if with_memory else []),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


class _Levels:
    """Least levels: `[logger] log_level`, and those of single areas in `[log_level]`."""

    def __init__(self, settings: Settings) -> None:
        by_name = logging.getLevelNamesMapping()
        self._default = by_name[settings.logger.log_level]
        self._by_area = {area: by_name[level] for area, level in settings.log_level.items()}

    @property
    def lowest(self) -> int:
        """The least level of any area."""
        return min([self._default, *self._by_area.values()])

    def allow(self, record: logging.LogRecord) -> bool:
        """Whether the line is wanted."""
        return record.levelno >= self._by_area.get(area_of_record(record), self._default)


def area_of_record(record: logging.LogRecord) -> str:
    """The area of a line on its way to the handlers."""
    agent = record.msg.get("agent", "") if isinstance(record.msg, dict) else ""
    return area_of(record.name, str(agent))


def _stderr_handler(stream: TextIO, *, on_terminal: bool) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    renderer = ConsoleRenderer(exception_formatter=plain_traceback) if on_terminal else _as_line
    handler.setFormatter(_formatter(renderer))
    return handler


def _formatter(renderer: Processor) -> logging.Formatter:
    processors: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    return structlog.stdlib.ProcessorFormatter(processors=processors, foreign_pre_chain=_SHARED)


def _as_line(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    """The form that tools of operators take apart; a traceback follows in lines of its own."""
    when = str(line.pop("timestamp"))[:-3].replace(".", ",")
    level = str(line.pop("level")).upper()
    area = area_of(str(line.pop("logger", "")), str(line.get("agent", "")))
    event = str(line.pop("event")).replace("\n", "\\n").replace("\r", "\\r")
    traceback = line.pop("exception", None)
    details = _LOGFMT(None, "", _with_identifiers(line))
    text = f"{when} panda.log.{area}: {level:<8} {event} {details}".rstrip()
    return f"{text}\n{traceback}" if traceback else text


def _as_json(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    """The same as one JSON object, for programs that collect logs; a traceback is one of its texts."""
    when = str(line.pop("timestamp")).replace(" ", "T")
    area = area_of(str(line.pop("logger", "")), str(line.get("agent", "")))
    head = {"time": f"{when}Z", "level": str(line.pop("level")).upper(), "logger": f"panda.log.{area}"}
    return json.dumps({**head, "event": line.pop("event"), **_with_identifiers(line)}, default=str, ensure_ascii=False)


def _with_identifiers(line: EventDict) -> EventDict:
    return {_IDENTIFIERS.get(key, key): value for key, value in line.items()}
