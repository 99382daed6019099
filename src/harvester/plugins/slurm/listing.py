"""Reads what `squeue` and `sacct` print.

Both are asked for the same columns, with a header and a separator after every column. A missing header or a line
without its last separator shows that the output is not whole; then nothing can be concluded from a missing job.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from harvester.core.workers import Worker
from harvester.plugins.slurm.naming import job_of, listed_batch_id, marker_in

SEPARATOR: Final = "|"
SQUEUE_COLUMNS: Final = (
    "JobArrayID",
    "State",
    "exit_code",
    "StartTime",
    "EndTime",
    "TimeLimit",
    "NodeList",
    "Reason",
    "Name",
)
SACCT_COLUMNS: Final = ("JobID", "State", "ExitCode", "Start", "End", "Timelimit", "NodeList", "Reason", "JobName")
SQUEUE_FORMAT: Final = ",".join(f"{column}:{SEPARATOR}" for column in SQUEUE_COLUMNS)
SACCT_FORMAT: Final = ",".join(SACCT_COLUMNS)

_NOTHING: Final = frozenset({"", "N/A", "None", "None assigned", "(null)", "Unknown"})


@dataclass(frozen=True, slots=True)
class Row:
    """One batch job as Slurm printed it; the properties give its words a meaning."""

    batch_id: str
    state_text: str
    exit_text: str
    start_text: str
    end_text: str
    limit: str
    nodes: str
    reason_text: str
    name: str

    @property
    def marker(self) -> str | None:
        """The marker of the worker that the job belongs to, if its name carries one."""
        return marker_in(self.name, self.batch_id)

    @property
    def state(self) -> str:
        """The state without what may follow it (`CANCELLED by 1001`, `CANCELLED+`)."""
        return self.state_text.partition(" ")[0].rstrip("+")

    @property
    def exit_code(self) -> int | None:
        """Exit code as a shell counts it, 128 + n for signal n."""
        return _exit_code(self.exit_text)

    @property
    def reason(self) -> str:
        """Why the job waits or how it ended, in Slurm's word."""
        return _some(self.reason_text) or ""

    @property
    def node(self) -> str | None:
        """The node, or the set of nodes in Slurm's notation."""
        return _some(self.nodes)

    @property
    def started_at(self) -> datetime | None:
        """When it started; for a waiting job an estimate."""
        return _moment(self.start_text)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended; for a running job the latest possible end."""
        return _moment(self.end_text)


@dataclass(frozen=True, slots=True)
class Listing:
    """Batch jobs by batch id.

    Attributes:
        parts: rows for a part of a job or for several elements at once, by job id: such a job is known, even if none of
            its rows can be told to be a worker's.
        complete: a job that is neither in `rows` nor in `parts` is not known to who was asked.
        reason: why the listing is not complete.
        switched_off: there is no accounting to ask; then the listing is empty and not complete.
    """

    rows: Mapping[str, Row] = field(default_factory=dict)
    parts: Mapping[str, Row] = field(default_factory=dict)
    complete: bool = True
    reason: str = ""
    switched_off: bool = False

    def of(self, worker: Worker) -> Row | None:
        """The worker's batch job: batch id and marker must agree, since batch ids are used again."""
        row = self.rows.get(worker.batch_id or "")
        return row if row is not None and row.marker == worker.marker else None

    def rest_of(self, worker: Worker) -> Row | None:
        """A record of the worker's job that is not the worker's alone.

        Elements that are cancelled while they wait are not listed one by one: the array keeps a single record for all
        of them, which `squeue` shows as `12` and `sacct` as `12_[4-9]`.
        """
        batch_id = worker.batch_id or ""
        job = job_of(batch_id)
        row = self.parts.get(job) or (self.rows.get(job) if job != batch_id else None)
        return row if row is not None and marker_in(row.name, batch_id) == worker.marker else None

    def every_row(self) -> Iterator[Row]:
        """All rows; one that stands for a part of a job has the id of the job."""
        yield from self.parts.values()
        yield from self.rows.values()


def read_listing(program: str, columns: tuple[str, ...], text: str) -> Listing:
    """The listing in a program's output; what cannot be read makes it incomplete, the rest is kept."""
    lines = text.split("\n")
    if not _is_header(lines[0], columns):
        return Listing(complete=False, reason=f"{program} printed no heading, so its answer is not trusted")
    rows: dict[str, Row] = {}
    parts: dict[str, Row] = {}
    garbled = 0
    for fields in _fields(lines[1:], len(columns)):
        if fields is None:
            garbled += 1
        elif (batch_id := listed_batch_id(fields[0])) is not None:
            rows[batch_id] = Row(batch_id, *fields[1:])
        else:
            parts.setdefault(job_of(fields[0]), Row(job_of(fields[0]), *fields[1:]))
    garbled = max(garbled, int(lines[-1] != ""))
    reason = f"{program} printed {garbled} lines that cannot be read" if garbled else ""
    return Listing(rows, parts, complete=not garbled, reason=reason)


def _is_header(line: str, columns: tuple[str, ...]) -> bool:
    return line.count(SEPARATOR) == len(columns) and line.endswith(SEPARATOR) and not line[:1].isdigit()


def _fields(lines: list[str], number: int) -> Iterator[list[str] | None]:
    for line in lines:
        if line == "":
            continue
        fields = line.split(SEPARATOR, number - 1)
        if len(fields) == number and line.endswith(SEPARATOR) and fields[0][:1].isdigit():
            fields[-1] = fields[-1].removesuffix(SEPARATOR)
            yield fields
        else:
            yield None


def _some(text: str) -> str | None:
    return None if text in _NOTHING else text


def _moment(text: str) -> datetime | None:
    """Slurm prints local time; the commands run with TZ=UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _exit_code(text: str) -> int | None:
    """Of sacct's `code:signal` or of squeue's wait status."""
    code, colon, signal = text.partition(":")
    try:
        if colon:
            return 128 + int(signal) if int(signal) else int(code)
        status = int(code)
    except ValueError:
        return None
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
