"""The directories that jobs of one task share where their outputs are merged on site (plugins reference §5.1, §5.2).

A payload that merges keeps its books in such a directory: which inputs have gone into which merged output. A job whose
dictionary has `onSiteMerging` reports the merged outputs of its own inputs, and the inputs that are in none as skipped,
so that the server has them processed again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from harvester.core.files import FileKind
from harvester.core.job_flags import is_set
from harvester.plugins.messengers.access_point_files import NotYetError
from harvester.plugins.messengers.file_names import TASK_POINTER
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.plugins.tools.untrusted_files import UnreadableFileError, read_json

_ABOUT: Final = ("path", "fsize", "guid", "chksum")

Entry = dict[str, JsonValue]
JobParams = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class TaskDirectories:
    """Where they are.

    Attributes:
        base: the directory that has one for each task.
        state: name of the payload's books in it.
        largest: bytes that these may have.
    """

    base: Path
    state: str
    largest: int

    def of_job(self, params: JobParams) -> Path | None:
        """The directory of a job's task; None for a job whose outputs are not merged on site."""
        task = str(params.get("taskID"))
        is_merged = is_set(params.get("onSiteMerging")) and task.isascii() and task.isdigit()
        return self.base / task if is_merged else None

    def prepare(self, params: JobParams, job_directory: str) -> None:
        """Make the directory of the job's task, if it needs one, and tell the worker where it is.

        Raises:
            OSError: it cannot be made.
        """
        place = self.of_job(params)
        if place is not None:
            place.mkdir(parents=True, exist_ok=True)
            write_atomically(f"{job_directory}/{TASK_POINTER}", str(place))

    def merged(self, params: JobParams) -> dict[str, list[Entry]]:
        """The merged outputs that each input of the job is in, in the form of a worker's list of outputs.

        Raises:
            NotYetError: the books cannot be read now.
        """
        place = self.of_job(params)
        if place is None:
            return {}
        books = self._read_books(place / self.state)
        return {
            lfn: list(_entries(place, outputs))
            for lfn in input_names(params)
            if isinstance(outputs := books.get(lfn), dict)
        }

    def _read_books(self, path: Path) -> Mapping[str, JsonValue]:
        try:
            content = read_json(path, at_most=self.largest, limited_by="maxReportSize of the messenger")
        except FileNotFoundError:
            return {}
        except UnreadableFileError as error:
            raise NotYetError(f"the merged outputs are not known: {error}") from None
        merged = content.get("merged", {}) if isinstance(content, dict) else None
        if not isinstance(merged, dict):
            raise NotYetError(f"the merged outputs are not known: {path} has no object `merged`")
        return merged


def input_names(params: JobParams) -> tuple[str, ...]:
    """The inputs of a job by the server's dictionary."""
    return tuple(lfn for lfn in str(params.get("inFiles") or "").split(",") if is_set(lfn))


def _entries(place: Path, outputs: Mapping[str, JsonValue]) -> Iterator[Entry]:
    for about in outputs.values():
        if isinstance(about, dict) and isinstance(path := about.get("path"), str):
            known: Entry = {key: about[key] for key in _ABOUT if key in about}
            yield {**known, "path": str(place / path), "type": FileKind.OUTPUT}
