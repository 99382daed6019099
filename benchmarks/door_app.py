"""The door alone, without agents: the WSGI application of a site, as `uwsgi --module door_app` loads it.

The site is named by the variable DOOR_CONFIG, its main configuration file.
"""

import os
from pathlib import Path

from harvester.config.queue_loader import QueueLoader
from harvester.core.clock import utc_now
from harvester.plugins.pool import PluginPool
from harvester.service import open_database, plugin_context
from harvester.web.app import Application, make_app
from instance import read_settings


def door_of(main: Path) -> Application:
    """The application for the workers of a site."""
    settings = read_settings(main)
    loaded = QueueLoader(Path(settings.qconf.config_file), settings.qconf, Path(settings.master.work_dir)).load()
    plugins = PluginPool(loaded.queues, plugin_context(settings, utc_now), loaded.active)
    return make_app(settings, open_database(settings), plugins)


if "DOOR_CONFIG" in os.environ:
    application = door_of(Path(os.environ["DOOR_CONFIG"]))
