"""The messages of the PanDA wire protocol as plain values: one door for everything a caller needs.

Offers (what the server gives) are made in `offers`, reports (what it is told) in `reports`; the short answers and the
commands are here.
"""

from dataclasses import dataclass, field

from pydantic import JsonValue

from harvester.core.records import record_type
from harvester.panda.errors import BadJob
from harvester.panda.offers import InputFile, JobOffer, LogFile, OutputFile, parse_job
from harvester.panda.reports import JobReport, WorkerReport
from harvester.panda.storable import fault_of, whole

__all__ = [
    "Acquired",
    "BadJob",
    "Command",
    "CommandLock",
    "InputFile",
    "JobOffer",
    "JobReply",
    "JobReport",
    "JobStatus",
    "LogFile",
    "OutputFile",
    "WorkerReply",
    "WorkerReport",
    "parse_command",
    "parse_job",
    "parse_job_reply",
    "parse_job_status",
]

KILL = "tobekilled"
"""The one order in a job reply that concerns a Harvester: the job's workers must be killed."""


@dataclass(frozen=True, slots=True)
class Acquired:
    """The outcome of one request for jobs; jobs in `refused` are reserved for us too and should be reported failed."""

    offers: tuple[JobOffer, ...] = ()
    refused: tuple[BadJob, ...] = ()
    message: str = ""


@record_type
class JobReply:
    """The server's answer to one job report; an unaccepted report must be sent again."""

    accepted: bool
    command: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def to_be_killed(self) -> bool:
        """Whether the job's workers must be killed."""
        return KILL in self.command


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job's state at the server; `status` None means that its database could not be asked."""

    status: str | None
    command: frozenset[str] = frozenset()

    @property
    def to_be_killed(self) -> bool:
        """Whether the job's workers must be killed."""
        return KILL in self.command


@record_type
class WorkerReply:
    """Whether one worker report was stored; if not, it must be sent again."""

    accepted: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """An order to this Harvester; `KILL_WORKERS`, or `SET_N_WORKERS_JOBTYPE` with a queue as its target."""

    command_id: int
    name: str
    target: str | None = None
    params: JsonValue = field(default=None, hash=False)
    ack_requested: bool = False


@dataclass(frozen=True, slots=True)
class CommandLock:
    """A command that the server may give to this Harvester, about the workers of a site."""

    name: str
    site: str
    resource_type: str

    def to_wire(self) -> dict[str, JsonValue]:
        """As an entry of a heartbeat's `commands`."""
        return {"command": self.name, "computingSite": self.site, "resourceType": self.resource_type}


def parse_job_reply(raw: JsonValue) -> JobReply:
    """Read one inner answer of a bulk update; only StatusCode 0 means stored, whatever the success flags say."""
    if not isinstance(raw, dict):
        return JobReply(accepted=False, reason="the server's answer for this job is no object")
    data = raw.get("data")
    message = str(raw.get("message") or "")
    if not isinstance(data, dict):
        return JobReply(accepted=False, reason=message or "the server gave no StatusCode for this job")
    code = data.get("StatusCode")
    if code != 0 or isinstance(code, bool):
        return JobReply(accepted=False, reason=f"StatusCode {code}: {message or data.get('ErrorDiag') or 'no text'}")
    return JobReply(accepted=True, command=_commands(data.get("command")), reason=message)


def parse_job_status(raw: JsonValue) -> JobStatus:
    """Read one entry of `job/get_status`."""
    if not isinstance(raw, dict):
        return JobStatus(None)
    status = raw.get("status")
    return JobStatus(status if isinstance(status, str) else None, _commands(raw.get("command")))


def parse_command(raw: JsonValue) -> Command:
    """Read one command; the text behind the first colon of its name is its target.

    Raises:
        ValueError: it has no integer `command_id` or no name, or its parameters cannot be stored.
    """
    if not isinstance(raw, dict):
        raise ValueError("a command must be a JSON object")  # noqa: TRY004 - one error for any bad command
    command_id, full_name, params = whole(raw.get("command_id")), raw.get("command"), raw.get("params")
    if command_id is None or not isinstance(full_name, str) or not full_name:
        given = f"{raw.get('command_id')!r} and {full_name!r}"
        raise ValueError(f"a command needs an integer command_id and a name, not {given}")
    fault = fault_of(params)
    if fault:
        raise ValueError(f"the parameters of command {command_id} hold {fault}")
    name, _, target = full_name.partition(":")
    return Command(command_id, name, target or None, params, bool(raw.get("ack_requested")))


def _commands(raw: JsonValue) -> frozenset[str]:
    """Split the command text; nothing to do is the word "NULL" here and null there."""
    if raw is None or raw == "NULL":
        return frozenset()
    words = raw.split(",") if isinstance(raw, str) else []
    return frozenset(word.strip() for word in words) - {"", "NULL"}
