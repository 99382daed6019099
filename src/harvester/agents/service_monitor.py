"""Measures the service on this host (core reference §3.11, panda-protocol §4.6)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Connection

from harvester.agents.process_meter import ProcessMeter, volume_percent
from harvester.core.clock import Clock
from harvester.core.measuring import LIFETIMES, Metrics, hours_left
from harvester.plugins.local.processes import birth_of
from harvester.store import credentials, leases, measurements
from harvester.store.engine import Database

log = structlog.get_logger(__name__)


class ServiceMonitor:
    """One measurement of all processes of the instance on this host, its volumes and its credentials.

    Args:
        db: where measurements are kept.
        clock: what time it is.
        host: this host.
        volumes: `[service_monitor] disk_volumes`.
        meter: measures processes.
    """

    name: Final = "service monitor"

    def __init__(
        self, db: Database, clock: Clock, host: str, volumes: Sequence[str], meter: ProcessMeter | None = None
    ) -> None:
        self._db = db
        self._clock = clock
        self._host = host
        self._volumes = volumes
        self._meter = meter or ProcessMeter()

    def round(self) -> None:
        """Measure and keep it.

        Raises:
            StoreUnavailableError: the database is away.
        """
        now = self._clock()
        with self._db.read() as connection:
            pids = self._processes(connection)
            lifetimes = self._lifetimes(connection, now)
        metrics: Metrics = {**self._meter.read(pids), **self._fill_of_volumes(), LIFETIMES: lifetimes}
        self._db.transact(lambda connection: measurements.add(connection, self._host, metrics, now))

    def _processes(self, connection: Connection) -> list[int]:
        """Those of the instance that live here."""
        here = [each for each in leases.list_owners(connection) if each.host == self._host]
        return [each.pid for each in here if birth_of(each.pid) == each.birth]

    def _lifetimes(self, connection: Connection, now: datetime) -> dict[str, int]:
        known = credentials.of_hosts(connection, self._host)
        return {each.name: hours_left(each.valid_until - now) for each in known if each.valid_until is not None}

    def _fill_of_volumes(self) -> dict[str, float]:
        found = {volume: volume_percent(volume) for volume in self._volumes}
        for volume in (name for name, percent in found.items() if percent is None):
            log.warning("volume cannot be measured; correct [service_monitor] disk_volumes", volume=f"/{volume}")
        return {f"volume_{name}_pc": percent for name, percent in found.items() if percent is not None}
