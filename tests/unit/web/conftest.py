from collections.abc import Mapping
from pathlib import Path

import pytest
from door_tools import House, MakeHouse, Visitor, a_queue, make_house

from harvester.config.queues import QueueConfig
from harvester.store.engine import Database


@pytest.fixture
def build(tmp_path: Path, db: Database) -> MakeHouse:
    def make(*queues: QueueConfig, names: Mapping[str, object] | None = None, **frontend: object) -> House:
        return make_house(tmp_path, db, frontend, list(queues) or [a_queue(tmp_path)], names or {})

    return make


@pytest.fixture
def house(build: MakeHouse) -> House:
    return build()


@pytest.fixture
def visitor(house: House) -> Visitor:
    return house.visitor()
