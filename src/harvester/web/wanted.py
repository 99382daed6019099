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
    return any(talks_http(queues.queues[name].messenger) for name in queues.active)


def talks_http(block: PluginBlock) -> bool:
    """Whether workers of a queue with this messenger come to the door."""
    try:
        return issubclass(resolve(Role.MESSENGER, block), HttpMessenger)
    except PluginError:
        return False
