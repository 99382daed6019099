"""The service measures its own processes, volumes and credentials."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from world import World

from harvester.agents.process_meter import ProcessMeter, volume_percent
from harvester.agents.service_monitor import ServiceMonitor
from harvester.plugins.local.processes import birth_of
from harvester.store import credentials, leases, measurements
from harvester.store.credentials import CredentialRecord
from moving_clock import NOW, MovingClock

MIB = 1024 * 1024
HOLD = f"x = bytearray({50 * MIB}); print(flush=True); input()"


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[str]]]:
    """A child with 50 MiB in this session, and one in its own."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=own,
        )
        for own in (False, True)
    ]  # fmt: skip
    for each in started:
        assert each.stdout is not None
        each.stdout.readline()
    yield started
    for each in started:
        each.communicate("\n", timeout=30)


def test_children_count_but_workers_with_sessions_of_their_own_do_not(children: list[subprocess.Popen[str]]):
    alone = ProcessMeter().read([children[0].pid])["rss_mib"]
    family = ProcessMeter().read([os.getpid()])["rss_mib"]
    mine = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    assert alone > 50
    assert alone - 5 < family - mine < alone + 45


def test_cpu_time_is_told_in_percent_of_all_cores_since_the_last_time():
    ticks = iter([0.0, 10.0, 20.0])
    meter = ProcessMeter(lambda: next(ticks))
    meter.read([os.getpid()])
    before = sum(os.times()[:2])
    while sum(os.times()[:2]) - before < 0.3:
        pass
    percent = meter.read([os.getpid()])["cpu_pc"]
    assert 100 * 0.25 / 10 / (os.cpu_count() or 1) <= percent <= 100 * 3 / 10 / (os.cpu_count() or 1)


def test_a_process_that_is_gone_uses_nothing():
    assert ProcessMeter().read([2**22 + 1])["rss_mib"] == 0


def test_a_volume_is_as_full_as_df_says():
    assert 0 <= (volume_percent("tmp") or -1) <= 100
    assert volume_percent("no-such-volume") is None


@pytest.mark.shows("service_monitor.disk_volumes")
def test_a_measurement_has_processes_volumes_and_credentials(world: World, clock: MovingClock):
    with world.db.write() as connection:
        for pid, birth in ((os.getpid(), birth_of(os.getpid()) or ""), (1, "of another process with this number")):
            leases.register_owner(connection, "here", pid, birth, now=NOW, expires_at=NOW + timedelta(seconds=20))
        record = CredentialRecord("here", "/proxy", "s", NOW + timedelta(hours=81, minutes=30), NOW, NOW, "")
        credentials.replace(connection, "here", [record])
        credentials.replace(connection, "there", [record])
    monitor = ServiceMonitor(world.db, clock, "here", ("tmp", "nowhere"))
    with capture_logs() as lines:
        monitor.round()
    with world.db.read() as connection:
        (found,) = measurements.latest(connection)
    assert found.host == "here"
    assert found.metrics.keys() == {"rss_mib", "memory_pc", "cpu_pc", "volume_tmp_pc", "cert_lifetime"}
    assert found.metrics["cert_lifetime"] == {"/proxy": 81}
    assert [line["volume"] for line in lines] == ["/nowhere"]


def test_measurements_are_kept_for_a_week(world: World, clock: MovingClock):
    monitor = ServiceMonitor(world.db, clock, "here", ())
    monitor.round()
    clock.forward(days=6)
    monitor.round()
    clock.forward(days=2)
    monitor.round()
    with world.db.read() as connection:
        kept = [each.at for each in measurements.unreported(connection, 10)]
    assert kept == [NOW + timedelta(days=6), NOW + timedelta(days=8)]
