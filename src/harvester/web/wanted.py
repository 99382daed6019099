"""Whether a process is to open the built-in server."""

from harvester.config.plugin_blocks import PluginBlock
from harvester.config.queues import LoadedQueues
from harvester.config.service import Settings
from harvester.plugins.messengers.http import HttpMessenger
from harvester.plugins.pool import PluginPool
from harvester.plugins.registry import PluginError, Role, resolve


def wants_server(settings: Settings, queues: PluginPool | LoadedQueues) -> bool:
    """Whether the configuration says so, or else a queue that is served has workers that talk HTTP."""
    frontend = settings.frontend
    if frontend.type != "simple":
        return False
    if frontend.enable is not None:
        return frontend.enable
    return bool(queues_at_door(queues))


def wants_door(settings: Settings, queues: PluginPool | LoadedQueues) -> bool:
    """Whether workers are to be let in, by the built-in server or by a web server."""
    if settings.frontend.type != "simple":
        return bool(queues_at_door(queues))
    return wants_server(settings, queues)


def queues_at_door(queues: PluginPool | LoadedQueues) -> list[str]:
    """The names of the queues that are served and whose workers come to the door."""
    return sorted(each.queue_name for each in queues.served if _talks_http(each.messenger))


def _talks_http(block: PluginBlock) -> bool:
    try:
        return issubclass(resolve(Role.MESSENGER, block), HttpMessenger)
    except PluginError:
        return False
