"""Tells the server of the service itself: measurements and messages (core reference §3.4 steps 7 and 8)."""

from typing import Final

from harvester.agents.base import Instance
from harvester.panda.errors import PandaRefused
from harvester.store import dialogs, measurements

_MEASUREMENTS_AT_ONCE: Final = 200


class ServicePropagator:
    """One report of what the server does not know yet; each is told once, unless the answer is lost."""

    name: Final = "service propagator"

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def round(self) -> None:
        """Report; what the server does not want to know of one thing does not hold up the other.

        Raises:
            PandaError: the server did not take it; the next round tells it again.
            StoreUnavailableError: the database is away.
        """
        refusals: list[PandaRefused] = []
        for report in (self._report_measurements, self._report_messages):
            try:
                report()
            except PandaRefused as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]

    def _report_measurements(self) -> None:
        with self._instance.db.read() as connection:
            measured = measurements.unreported(connection, _MEASUREMENTS_AT_ONCE)
        if measured:
            self._instance.panda.update_service_metrics([(each.at, each.host, each.metrics) for each in measured])
            numbers = [each.number for each in measured]
            self._instance.db.transact(lambda connection: measurements.mark_reported(connection, numbers))

    def _report_messages(self) -> None:
        with self._instance.db.read() as connection:
            told = dialogs.oldest(connection, self._instance.settings.propagator.max_dialogs)
        if told:
            self._instance.panda.add_dialogs(told)
            numbers = [number for number, _ in told]
            self._instance.db.transact(lambda connection: dialogs.remove(connection, numbers))
