"""`harvester test database` on each engine."""

from sqlalchemy import func, select

from harvester.probes.instance_wide import probe_database
from harvester.probes.verdicts import Outcome
from harvester.store.engine import Database
from harvester.store.schema import history


def test_rows_are_written_read_and_deleted(db: Database):
    verdict = probe_database(db)
    assert verdict.outcome is Outcome.WORKS
    assert [each.did.split()[0] for each in verdict.steps] == ["looked", "wrote", "read", "deleted", "committed"]
    with db.read() as connection:
        assert connection.scalar(select(func.count()).select_from(history)) == 0
