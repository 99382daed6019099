"""Turns what Slurm and the access point say into the outcomes of the contract."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import Refused, Seen, Unclear, Unknown
from harvester.plugins.slurm.listing import Row
from harvester.plugins.slurm.scripts import EXIT_CODE_FILE
from harvester.plugins.slurm.states import meaning_of
from harvester.plugins.tools.commands import CutOff, NotStarted, Ran, Result, TurnedAway, complaint
from harvester.plugins.tools.untrusted_files import UnreadableFileError, parse_json, read_bytes

_JOB_ID: Final = re.compile(r"(?:Submitted batch job )?(\d+)(?:;\S+)?")
_MAYBE_SENT: Final = ("timed out", "zero bytes", "unexpected message", "message receive failure", "connection reset")
"""Words of errors that come after the request has left: the controller may have taken the job."""
_PERMANENT: Final = (
    "invalid partition", "invalid account", "invalid qos", "invalid feature", "invalid constraint", "invalid option",
    "invalid directive", "unrecognized option", "option requires", "specification",
    "requested node configuration is not available",
)  # fmt: skip
"""Words of errors that the same template meets again."""

_ARRAY_TOO_LARGE: Final = "invalid job array"
"""Words of an error that looks permanent but is not: a worker alone is no array."""
_UNREACHABLE: Final = "unable to contact"
"""Words of errors that have nothing to do with what was asked for."""

FINISHED_FILE: Final = "FINISHED"
_SMALL: Final = 65536


@dataclass(frozen=True, slots=True)
class TooMuch(Refused):
    """The controller does not take this batch job now; an array it may take in parts."""


def job_id_of(result: Result) -> str | Refused | Unclear:
    """The job id that `sbatch` printed, or why there is none.

    A refusal is believed only if `sbatch` says so itself; an answer that cannot be read is unclear.
    """
    match result:
        case NotStarted(reason=reason):
            return Refused(reason)
        case TurnedAway(reason=reason):
            return TooMuch(reason)
        case CutOff(reason=reason):
            return Unclear(reason)
        case Ran(exit_code=0, out=out):
            ids = [found[1] for line in out.splitlines() if (found := _JOB_ID.fullmatch(line.strip()))]
            return ids[-1] if ids else Unclear(f"sbatch printed no job id: {' '.join(out.split())[:200] or 'nothing'}")
    return _refusal(result)


def _refusal(result: Ran) -> Refused | Unclear:
    problem = complaint("sbatch", result)
    words = result.err.lower()
    if "sbatch:" not in words or any(phrase in words for phrase in _MAYBE_SENT):
        return Unclear(problem)
    if _ARRAY_TOO_LARGE not in words and any(phrase in words for phrase in _PERMANENT):
        return Refused(problem, permanent=True)
    return Refused(problem) if _UNREACHABLE in words else TooMuch(problem)


def seen(row: Row) -> Seen | Unknown:
    """What a listed job means for its worker."""
    meaning = meaning_of(row.state)
    if meaning is None:
        return Unknown(f"Slurm says {row.state_text!r} of job {row.batch_id}, a state that Harvester does not know")
    waits = meaning.status is WorkerStatus.SUBMITTED
    ended = meaning.status.is_final
    text = meaning.text.format(limit=row.limit, node=row.node or "?", exit=_exit_words(row.exit_code))
    words = [row.state, text, row.reason if waits or ended else ""]
    return Seen(
        meaning.status,
        native_status=row.state,
        exit_code=_exit_code(row, meaning.status),
        diagnostics=f"Slurm: {': '.join(filter(None, words))}" if text or row.reason else "",
        error_code=meaning.error_code,
        node=row.node,
        started_at=None if waits else row.started_at,
        ended_at=row.ended_at if ended else None,
    )


def _exit_code(row: Row, status: WorkerStatus) -> int | None:
    """The exit code of an ended job; a cancelled one that tells 0 has none."""
    if status is WorkerStatus.CANCELLED:
        return row.exit_code or None
    return row.exit_code if status.is_final else None


def _exit_words(exit_code: int | None) -> str:
    if exit_code is not None and exit_code > 128:  # noqa: PLR2004 - how a shell counts signals
        return f"signal {exit_code - 128}"
    return "an unknown exit code" if exit_code is None else f"exit code {exit_code}"


def left_behind(worker: Worker) -> Seen | None:
    """How a worker ended by the files in its access point; None if they do not tell."""
    exit_code = _number(_read_small(Path(worker.access_point) / EXIT_CODE_FILE))
    if (word := own_word(worker)) is not None:
        return Seen(word, exit_code=exit_code, diagnostics=f"the worker wrote {word} to {FINISHED_FILE}")
    if exit_code is None:
        return None
    status = WorkerStatus.FAILED if exit_code else WorkerStatus.FINISHED
    return Seen(status, exit_code=exit_code, diagnostics=f"the batch script ended with {_exit_words(exit_code)}")


def own_word(worker: Worker) -> WorkerStatus | None:
    """What the worker says of itself in `FINISHED`, `{"worker_status": "finished"}` (plugins reference §4.2.2)."""
    text = _read_small(Path(worker.access_point) / FINISHED_FILE)
    if text is None:
        return None
    try:
        content = parse_json(text or "{}")
    except ValueError:
        return None
    word = content.get("worker_status", "finished") if isinstance(content, Mapping) else None
    return (
        {"finished": WorkerStatus.FINISHED, "failed": WorkerStatus.FAILED}.get(word) if isinstance(word, str) else None
    )


def _number(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None  # noqa: PLR2004 - 0 to 255


def _read_small(path: Path) -> str | None:
    """The text of a small regular file; None for anything else: the worker could have put anything there."""
    try:
        return read_bytes(path, at_most=_SMALL).decode("utf-8", "replace")
    except (FileNotFoundError, UnreadableFileError):
        return None
