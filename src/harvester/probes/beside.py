"""An instance beside the service: for commands that do once what a service does again and again."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harvester.agents.base import Instance, Wakeups
from harvester.agents.facts import Facts
from harvester.agents.private_documents import PrivateDocuments
from harvester.clients import untried_client
from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.clock import SteadyClock
from harvester.plugins.pool import PluginPool
from harvester.service import plugin_context
from harvester.store.engine import Database

_NO_QUEUES: Final[Mapping[str, QueueConfig]] = {}


def instance_beside(
    settings: Settings, db: Database, queues: Mapping[str, QueueConfig] = _NO_QUEUES, clock: SteadyClock | None = None
) -> Instance:
    """What agents and their kin work with; nothing is started, nobody is asked.

    Args:
        settings: the main configuration.
        db: where it finds its work.
        queues: those that it has plugins for.
        clock: its time; that of the system if there is no reason for another.
    """
    time = clock or SteadyClock()
    pool = plugins_beside(settings, queues, time)
    facts = Facts(db, time, settings.master.harvester_id, private_documents(settings))
    panda = untried_client(settings, time)
    return Instance(settings, pool, db, panda, time, Wakeups(), socket.gethostname(), facts, ahead=time.ahead)


def plugins_beside(
    settings: Settings, queues: Mapping[str, QueueConfig], clock: SteadyClock | None = None
) -> PluginPool:
    """The plugins of these queues, built when they are asked for."""
    time = clock or SteadyClock()
    return PluginPool(queues, plugin_context(settings, time, time.ahead), frozenset(queues))


def private_documents(settings: Settings) -> PrivateDocuments:
    """The documents of this host that the database must not hold."""
    return PrivateDocuments(Path(settings.master.work_dir) / "private")
