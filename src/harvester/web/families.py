"""The metrics: their names, labels and meanings. docs/metrics.md says when to be alarmed; a test compares the two."""

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gauge", "counter"]
_PROCESS: Final = ("host", "process")


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics of one name.

    Attributes:
        name: without the `_total` that ends the names of counters.
        kind: a counter only grows while its process lives.
        labels: what tells them apart.
        meaning: in one sentence.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def shown_name(self) -> str:
        """The name as it is scraped."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"harvester_{name}", "gauge", labels, meaning)


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family(f"harvester_{name}", "counter", labels, meaning)


INFO: Final = _gauge(
    "info", "Always 1; tells the instance and the version of the process that answers.", "instance", "version"
)
DATABASE_UP: Final = _gauge("database_up", "Whether the process that answers could read the database.")
WORKERS: Final = _gauge("workers", "Workers in the database by queue and status.", "queue", "status")
JOBS: Final = _gauge("jobs", "Jobs in the database by queue and status.", "queue", "status")
QUEUE_SERVED: Final = _gauge(
    "queue_served", "Whether the queue gets new jobs and workers; 0 while people hold it back.", "queue"
)
QUEUE_HELD: Final = _gauge("queue_held", "1 for a queue that people hold back; * is all of them.", "queue", "mode")
QUEUE_LIMIT: Final = _gauge("queue_limit", "Limits of the queue as they are configured.", "queue", "limit")
BACKLOG: Final = _gauge("backlog", "Work that is due and that no process has taken.", "work")
BACKLOG_OLDEST: Final = _gauge("backlog_oldest_seconds", "For how long the most overdue of it has waited.", "work")
CREDENTIAL_LEFT: Final = _gauge(
    "credential_remaining_seconds",
    "How long a credential lasts; below 0 if it has run out.",
    "host",
    "credential",
    "setup",
)
CREDENTIAL_FAILING: Final = _gauge(
    "credential_failing", "Whether a credential is not valid or could not be renewed.", "host", "credential", "setup"
)
DOCUMENT_AGE: Final = _gauge("document_age_seconds", "How old a document of [cacher] data is.", "document")
DOCUMENT_FAILING: Final = _gauge("document_failing", "Whether it could not be fetched when it was due.", "document")
QUEUE_CONFIGURATION_AGE: Final = _gauge("queue_configuration_age_seconds", "How old the remote queue configuration is.")
VOLUME: Final = _gauge(
    "volume_used_percent", "How full a volume of [service_monitor] disk_volumes is.", "host", "volume"
)
INSTANCE_CONFIGURATION_AGE: Final = _gauge(
    "instance_configuration_age_seconds",
    "How old the remote main configuration is that a process works with.",
    *_PROCESS,
)
INSTANCE_CONFIGURATION_STALE: Final = _gauge(
    "instance_configuration_stale", "Whether the process had to start with a copy of it.", *_PROCESS
)
PROCESS_START: Final = _gauge("process_start_time_seconds", "When the process began, in seconds since 1970.", *_PROCESS)
PROCESS_MEMORY: Final = _gauge("process_resident_memory_bytes", "Memory of the process.", *_PROCESS)
PROCESS_CPU: Final = _counter("process_cpu_seconds", "CPU time of the process.", *_PROCESS)
ROUNDS: Final = _counter(
    "agent_rounds", "How often an agent looked for work, or a loop went round.", *_PROCESS, "agent"
)
WORK: Final = _counter("agent_work", "Units of work by outcome: done or failed.", *_PROCESS, "agent", "outcome")
WORK_SECONDS: Final = _counter("agent_work_seconds", "Time spent on them.", *_PROCESS, "agent")
IN_HAND: Final = _gauge("agent_leases", "Units that an agent has claimed now.", *_PROCESS, "agent")
RESTING: Final = _gauge(
    "agent_resting", "Queues or other things that it leaves alone now, because they failed.", *_PROCESS, "agent"
)
STUCK: Final = _gauge("agent_stuck", "1 for an agent or loop that does nothing although it should.", *_PROCESS, "agent")
CALLS: Final = _counter(
    "server_calls", "Calls to the PanDA server by outcome: answered, refused, failed.", *_PROCESS, "method", "outcome"
)
CALL_SECONDS: Final = _counter("server_call_seconds", "Time spent in them.", *_PROCESS, "method")
SERVER_SILENCE: Final = _gauge(
    "server_silence_seconds", "Since when the PanDA server has not answered the process.", *_PROCESS
)
CIRCUIT_OPEN: Final = _gauge(
    "server_circuit_open", "1 for an agent that asks the server seldom, because it does not answer.", *_PROCESS, "agent"
)
DATABASE_TROUBLES: Final = _counter(
    "database_troubles",
    "Transactions that failed: unavailable (the database was away), contended (done again after another one).",
    *_PROCESS,
    "kind",
)

FAMILIES: Final = tuple(value for value in list(globals().values()) if isinstance(value, Family))
"""All of them, in the order in which they are told."""
