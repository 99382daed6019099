"""The short edition of the crash benchmark, with three processes and a database server that is killed twice too."""

import pytest

from real_services import require_mysqlclient
from system_harness.crash import crash
from system_harness.points import SUBMISSION

pytestmark = pytest.mark.real


@pytest.mark.parametrize("engine", ["mariadb", "mariadb-mysqldb", "postgresql"])
def test_nothing_is_lost_or_doubled(engine: str, request: pytest.FixtureRequest):
    request.getfixturevalue(f"{engine.partition('-')[0]}_server")  # skips where it is not installed
    if engine == "mariadb-mysqldb":
        require_mysqlclient()
    code, figures, said = crash(
        "--engine", engine, "--processes", "3", "--kills", "35", "--workers", "200", "--at", *SUBMISSION
    )
    assert code == 0, said
    kills = figures["database_kills"]
    assert isinstance(kills, int)
    assert kills >= 2
