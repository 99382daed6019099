"""Commands tell what becomes of documents that a service has fetched."""

import json

import pytest
from cli_tools import NOW, QUEUE, CommandLine

from harvester.store import cache
from harvester.store.cache import Attempt, CacheKey
from harvester.store.engine import Database

SECTIONS = """
[qconf]
queueList = DYNAMIC
configFromCacher = True
resolverModule = pandaharvester.harvestermisc.info_utils
resolverClass = PandaQueuesDict
[cacher]
data =
  panda_queues.json||file:/q
  queues_config_file||file:/r
"""
OURS = {"pilot_manager": "Harvester", "harvester": "unit", "params": {}}


@pytest.fixture
def asking(call: CommandLine) -> CommandLine:
    """A configuration that wants queues from elsewhere."""
    call.config.write_text(call.config.read_text() + SECTIONS)
    return call


def fetch(db: Database, template: str) -> None:
    queues = {"DYN": {"nickname": "DYN", "panda_resource": "DYN", **OURS, "harvester_template": template}}
    remote = {"X_TEMPLATE": json.loads(QUEUE)}
    with db.write() as connection:
        documents = {"panda_queues.json": queues, "queues_config_file": remote}
        cache.note(connection, [Attempt(CacheKey(key), each) for key, each in documents.items()], NOW)


def test_check_tells_what_would_become_of_them(asking: CommandLine, db: Database):
    fetch(db, "Y_TEMPLATE")
    told = asking("check")
    assert told.exit_code == 1
    assert "panda_queues.json (cached): error: DYN.templateQueueName: there is no template Y_TEMPLATE" in told.stdout
    assert "DYN" in asking("status").stdout
    fetch(db, "X_TEMPLATE")
    assert asking("check").exit_code == 0


def test_check_says_what_was_not_fetched_yet(asking: CommandLine):
    told = asking("check", "--verbose").stdout
    assert told.count("it was not fetched yet, so nothing comes from it") == 2
