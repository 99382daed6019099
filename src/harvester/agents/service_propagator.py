"""Tells the server of the service itself: measurements and messages (core reference §3.4 steps 7 and 8)."""

from typing import Final

from harvester.agents.base import Instance
from harvester.store import dialogs, measurements

_MEASUREMENTS_AT_ONCE: Final = 200


class ServicePropagator:
    """One report of what the server does not know yet; each is told once, unless the answer is lost."""

    name: Final = "service propagator"

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def round(self) -> None:
        """Report.

        Raises:
            PandaError: the server did not take it; the next round tells it again.
            StoreUnavailableError: the database is away.
        """
        db, panda = self._instance.db, self._instance.panda
        with db.read() as connection:
            measured = measurements.unreported(connection, _MEASUREMENTS_AT_ONCE)
            told = dialogs.oldest(connection, self._instance.settings.propagator.max_dialogs)
        if measured:
            panda.update_service_metrics([(each.at, each.host, each.metrics) for each in measured])
            numbers = [each.number for each in measured]
            db.transact(lambda connection: measurements.mark_reported(connection, numbers))
        if told:
            panda.add_dialogs(told)
            db.transact(lambda connection: dialogs.remove(connection, [number for number, _ in told]))
