"""The areas of log lines, by the names that operators know (core reference §7.3)."""

import re
from collections.abc import Mapping
from typing import Final

AREAS: Final = frozenset(
    {
        "apfmon",
        "cacher",
        "command_manager",
        "communicator",
        "communicator_pool",
        "cred_manager",
        "data",
        "db_proxy",
        "db_proxy_pool",
        "dummy",
        "event_feeder",
        "fifos",
        "file_syncer",
        "frontend",
        "job_fetcher",
        "local",
        "master",
        "monitor",
        "plugin_factory",
        "preparator",
        "propagator",
        "queue_config_mapper",
        "service_monitor",
        "shared_file_messenger",
        "slurm",
        "stager",
        "submitter",
        "sweeper",
        "watcher",
        "worker_adjuster",
        "worker_maker",
    }
)
"""Those of this version, and those that existing configurations set a level for."""

_OF_ONE_PLUGIN: Final = re.compile(r"([a-z0-9]+)\w*_(submitter|monitor|sweeper)")
_OF_PLUGINS: Final[Mapping[str, str]] = {
    "_messenger": "shared_file_messenger",
    "_worker_maker": "worker_maker",
    "_preparator": "data",
    "_stager": "data",
    "_zipper": "data",
}


def area_named(logger: str) -> str | None:
    """The area that a key of `[log_level]` means, None if nobody logs there.

    Upstream has a logger for each plugin module; here all plugins of one resource, or of one kind, share an area.
    """
    if logger in AREAS:
        return logger
    if of_one := _OF_ONE_PLUGIN.fullmatch(logger):
        return of_one[1]
    return next((area for ending, area in _OF_PLUGINS.items() if logger.endswith(ending)), None)
