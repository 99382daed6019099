"""When a process is live, and when it is ready."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event

from harvester.core.health import LONGEST_SILENCE, liveness, readiness
from harvester.core.process_report import ProcessReport
from harvester.store.engine import Database, StoreUnavailableError
from harvester.web.health import Health

WELL = ProcessReport(server_silence=3.0)


def health(db: Database, report: ProcessReport = WELL, *, has_started: bool = True) -> Health:
    return Health(db, lambda: report, lambda: has_started)


def test_all_is_well(db: Database):
    assert health(db).live().ok
    assert health(db).ready().ok


def test_a_part_that_is_stuck_is_no_life(db: Database):
    verdict = health(db, ProcessReport(stuck={"monitor": "it has done nothing for 400 s"})).live()
    assert verdict.reasons == {"monitor": "it has done nothing for 400 s"}


def test_without_a_database_nothing_is_ready_but_lives(db: Database, tmp_path: Path):
    away = Database(db.engine.url.set(database=str(tmp_path / "none" / "h.db")))
    assert health(away).live().ok
    assert set(health(away).ready().reasons) == {"database"}
    away.close()


def test_however_many_ask_the_database_is_asked_once_a_second(db: Database, monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    asked = Health(db, lambda: WELL, lambda: True, lambda: now[0])
    statements: list[object] = []
    event.listen(db.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    with ThreadPoolExecutor(8) as pool:
        assert all(verdict.ok for verdict in pool.map(lambda _: asked.ready(), range(100)))
    assert len(statements) == 1

    def away() -> None:
        raise StoreUnavailableError("it restarts")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(db, "read", away)
        assert asked.ready().ok
        now[0] = 1.0
        assert not asked.ready().ok
    assert not asked.ready().ok
    now[0] = 2.0
    assert asked.ready().ok


def test_before_the_start_is_over_nothing_is_ready(db: Database):
    assert set(health(db, has_started=False).ready().reasons) == {"start"}


@pytest.mark.parametrize(
    ("silence", "is_ready"), [(None, False), (0.0, True), (LONGEST_SILENCE, True), (LONGEST_SILENCE + 1, False)]
)
def test_a_server_that_does_not_answer_is_told(silence: float | None, *, is_ready: bool):
    report = ProcessReport(server_silence=silence)
    assert readiness(report, has_started=True, database_problem="").ok is is_ready
    assert liveness(report).ok
