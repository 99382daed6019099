from datetime import UTC, datetime
from pathlib import Path

from crashing.takeover import delays

LOG = """\
2026-03-01 12:00:03,250 panda.log.master: WARNING  took over from a dead process host=h pid=11 claims=3
2026-03-01 12:00:04,000 panda.log.master: INFO     started instance=crash queues=5
2026-03-01 12:01:00,500 panda.log.master: WARNING  took over from a dead process host=h pid=12 claims=0
2026-03-01 12:01:01,000 panda.log.master: WARNING  took over from a dead process host=h pid=13 claims=0
"""


def test_a_take_over_is_measured_from_the_death(tmp_path: Path):
    log = tmp_path / "harvester.log"
    log.write_text(LOG)
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
    assert list(delays(log, {11: noon, 12: noon + 60.75})) == [3.25, 0.0]
