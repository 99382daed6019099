"""What a running service has fetched for the queue configuration, for commands that read that configuration too."""

from sqlalchemy.exc import SQLAlchemyError

from harvester.agents.facts import QUEUES
from harvester.config.cache_lines import QUEUE_CONFIGURATION
from harvester.config.places import is_file
from harvester.config.queue_loader import NOTHING, Outside
from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.core.facts import read_queues
from harvester.service import database_url
from harvester.startup.settings_checks import missing_driver
from harvester.store import cache
from harvester.store.cache import CacheKey
from harvester.store.engine import Database


def outside_of(settings: Settings) -> Outside:
    """The cached documents, where the configuration wants any; nothing if there is no database to read them from."""
    qconf, db = settings.qconf, settings.db
    is_wanted = qconf.config_from_cacher or qconf.resolver_module or qconf.pilot_version is not None
    is_there = db.engine != "sqlite" or is_file(db.database_filename)
    if not is_wanted or not is_there or missing_driver(db):
        return NOTHING
    remote = CacheKey(QUEUE_CONFIGURATION)
    database = Database(database_url(settings), 1)
    try:
        with database.read() as connection:
            found = cache.documents(connection, [remote, QUEUES])
    except (HarvesterError, SQLAlchemyError):  # whoever needs the database tells why it cannot be read
        return NOTHING
    finally:
        database.close()
    queues = read_queues(found[QUEUES], settings.master.harvester_id) if QUEUES in found else NOTHING.book
    return Outside(found.get(remote), queues)
