"""`harvester-admin`: the administration tool of the earlier Harvester, for those who have scripts that call it.

Names, options, output and exit codes are those of operations reference §9; each command does what one of `harvester`
does. Options take several words (`--ces A B`), as only argparse reads them.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import structlog

from harvester.cli import admin_commands as does
from harvester.core.errors import HarvesterError

log = logging.getLogger("harvester.admin")

_COLOURS: Final = {
    logging.CRITICAL: "\033[35;1m",
    logging.ERROR: "\033[31;1m",
    logging.WARNING: "\033[33;1m",
    logging.INFO: "\033[32;1m",
    logging.DEBUG: "\033[36;1m",
}
Command = Callable[[argparse.Namespace], object]


class _Lines(logging.Formatter):
    """A line per message, coloured where somebody sees it."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"[{self.formatTime(record)} {record.levelname}] {record.getMessage()}"
        return f"{_COLOURS.get(record.levelno, '')}{line}\033[0m" if sys.stderr.isatty() else line


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says; the exit code is 0 on success, 1 on trouble or without a command."""
    parser = make_parser()
    read = parser.parse_args(arguments)
    _set_up_log(verbose=read.debug)
    command: Command | None = getattr(read, "command", None)
    if command is None:
        parser.print_help()
        sys.exit(1)
    log.debug("arguments: %s", {name: value for name, value in vars(read).items() if name != "command"})
    began = time.monotonic()
    try:
        result = command(read)
    except HarvesterError as error:
        log.critical("%s", error)
        sys.exit(1)
    except OSError as error:
        log.critical("%s: %s", error.filename or "cannot go on", error.strerror or error)
        sys.exit(1)
    log.debug("result: %s; it took %.3f s", result, time.monotonic() - began)


def make_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(prog="harvester-admin", description=_DESCRIPTION)
    verbose = ("-v", "--verbose", "--debug")
    parser.add_argument(*verbose, action="store_true", dest="debug", help="tell arguments, result and the time taken")
    parser.add_argument(
        "--config", action="append", type=Path, metavar="FILE", help="panda_harvester.cfg; may be repeated"
    )
    commands = parser.add_subparsers(metavar="<command>")
    _add(commands, "test", "a message of each level", does.test)
    get = _add(commands, "get", "an attribute of this instance", does.get)
    get.add_argument("attribute", choices=does.ATTRIBUTES, metavar="<attribute>", help=", ".join(does.ATTRIBUTES))
    _add_fifo(_group(commands, "fifo", "there are no FIFOs any more"))
    _add(_group(commands, "cacher", "cached documents"), "refresh", "fetch all of them now", does.refresh_cache)
    _add_qconf(_group(commands, "qconf", "configuration of queues"))
    _add_kill(_group(commands, "kill", "end what is alive"))
    _add_query(_group(commands, "query", "numbers of workers and jobs"))
    return parser


_DESCRIPTION: Final = (
    "The commands of the earlier Harvester. `harvester --help` shows those that have taken their place."
)
Commands = argparse._SubParsersAction  # noqa: SLF001 (argparse has no public name for it)


def _group(commands: "Commands[argparse.ArgumentParser]", name: str, about: str) -> "Commands[argparse.ArgumentParser]":
    return commands.add_parser(name, help=about, description=about).add_subparsers(metavar="<command>", required=True)


def _add(
    commands: "Commands[argparse.ArgumentParser]", name: str, about: str, command: Command
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(command=command)
    return parser


def _add_fifo(fifo: "Commands[argparse.ArgumentParser]") -> None:
    benchmark = _add(fifo, "benchmark", "says what has replaced it", does.answer_benchmark)
    benchmark.add_argument("-n", type=int, default=500, dest="n_object", metavar="<N>", help="not needed any more")
    benchmark.add_argument("-t", type=int, default=1, dest="n_thread", metavar="<N>", help="not needed any more")
    repopulate = _add(fifo, "repopulate", "says what has replaced it", does.answer_repopulate)
    repopulate.add_argument("name_list", nargs="+", metavar="<agent_name>", help="not needed any more")


def _add_qconf(qconf: "Commands[argparse.ArgumentParser]") -> None:
    listing = _add(qconf, "list", "names of active queues", does.list_queues)
    listing.add_argument("-a", "--all", action="store_true", help="ids and names of all configurations that are kept")
    dump = _add(qconf, "dump", "configuration of queues", does.dump_queues)
    dump.add_argument("-J", "--json", action="store_true", help="as JSON")
    dump.add_argument("-a", "--all", action="store_true", help="of all active queues")
    dump.add_argument("-i", "--id", nargs="+", type=int, dest="id_list", metavar="<configID>", help="of these ids")
    dump.add_argument("queue_list", nargs="*", metavar="<queue_name>", help="queues; not needed with -a or -i")
    refresh = _add(qconf, "refresh", "have all processes read it again now", does.refresh_queues)
    refresh.add_argument("-R", "--refill", action="store_true", help="makes no difference: there is no table to refill")
    purge = _add(
        qconf, "purge", "delete all that is known of a queue that is not configured any more", does.purge_queue
    )
    purge.add_argument("queue", metavar="<queue_name>")
    purge.add_argument("--abandon", action="store_true", help="also what may still run, or was not reported")
    purge.add_argument("--dry-run", action="store_true", help="only say what there is")


def _add_kill(kill: "Commands[argparse.ArgumentParser]") -> None:
    workers = _add(kill, "workers", "end workers by where they are", does.kill_workers)
    workers.add_argument("--status", nargs="+", default=["submitted"], metavar="<status>", help="submitted unless said")
    for option, what in (
        ("--sites", "queues"),
        ("--ces", "computing elements"),
        ("--submissionhosts", "submission hosts"),
    ):
        workers.add_argument(option, nargs="+", required=True, metavar="<name>", help=f"{what}, or ALL")
    workers.add_argument("--dry-run", action="store_true", help="only say how many")


def _add_query(query: "Commands[argparse.ArgumentParser]") -> None:
    for name, command in (("workers", does.query_workers), ("jobs", does.query_jobs)):
        parser = _add(query, name, f"numbers of {name} by job type, resource type and status", command)
        parser.add_argument("-a", "--all", action="store_true", help="of all active queues")
        parser.add_argument("queue_list", nargs="*", metavar="<queue_name>", help="queues; not needed with -a")


def _set_up_log(*, verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines())
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if verbose else logging.WARNING, force=True)
    for chatty in ("sqlalchemy", "httpx2", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
