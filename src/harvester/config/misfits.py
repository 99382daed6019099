"""What of the main configuration and of the queues does not go together."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from harvester.config.findings import Findings, Location, instead
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.queues import LoadedQueues
from harvester.config.service import Loaded

_EXAMPLES: Final = 3


def report_misfits(loaded: Loaded, path: Path, queues: LoadedQueues, findings: Findings) -> None:
    """Tell what one of the two asks for in vain.

    Args:
        loaded: the main configuration.
        path: the queue configuration.
        queues: what came of it.
        findings: takes what is wrong.
    """
    if loaded.settings is None:
        return
    qconf = loaded.settings.qconf
    if not qconf.queue_list:
        problem, advice = "is empty, so no queue is served", "write the names of queues, one per line, or ALL"
        findings.warning(loaded.key_at("qconf", "queueList"), "qconf.queueList", problem, advice)
    elif not (qconf.config_from_cacher or qconf.resolver_module):
        _report_nothing_served(path, queues, findings)
    if loaded.settings.pandacon.panda_cache_url_r is None:
        _report_logs_for_nobody(path, queues, findings)
    named = {name for queue in queues.queues.values() for block in queue.blocks.values() for name in _names(block)}
    for name in sorted(loaded.settings.master.extra_plugin_configs.keys() - named):
        problem = f"no queue has a plugin {name}, so its settings do nothing"
        advice = instead(name, named, "remove it, or name a plugin as the queues do")
        findings.warning(loaded.key_at("master", "extraPluginConfigs"), "master.extraPluginConfigs", problem, advice)


def _report_nothing_served(path: Path, queues: LoadedQueues, findings: Findings) -> None:
    """Queues with an error have been told of, and are the reason."""
    if not queues.readable or queues.active or queues.left_out:
        return
    reasons = [f"{name} is not: {reason}" for name, reason in sorted(queues.unserved.items())[:_EXAMPLES]]
    problem = "; ".join(["no queue is served", *reasons])
    findings.warning(Location(str(path)), "", problem, "configure a queue, and see [qconf] queueList")


def _report_logs_for_nobody(path: Path, queues: LoadedQueues, findings: Findings) -> None:
    problem, advice = "no log is uploaded without [pandacon] pandaCacheURL_R", "write where the server's cache is read"
    for name in sorted(queues.active):
        if queues.queues[name].core.submitter.upload_log:
            findings.warning(Location(str(path)), f"{name}.submitter.uploadLog", problem, advice)


def _names(block: PluginBlock | None) -> Iterator[str]:
    while block is not None:
        yield from filter(None, (block.name, block.plugin))
        block = block.original
