"""Jobs as `pilot/acquire_jobs` gives them, checked before anything believes them.

The job dictionary carries its files as comma-separated lists in parallel order, and the word "NULL" for what the
server's database does not know.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat

from pydantic import JsonValue

from harvester.core.events import event_mode
from harvester.core.job_flags import is_set
from harvester.core.kinds import is_word
from harvester.core.records import record_type
from harvester.panda.errors import BadJob
from harvester.panda.storable import fault_of, whole

MAX_FIELD_CHARACTERS = 4 * 2**20
"""Above the longest list of a real job (10,000 input names); a longer field is a defect or an attack."""
_MAX_NAME_BYTES = 255
_MAX_CORES = 1_000_000
_FILE_SIZE = re.compile("[0-9]{1,18}")
"""Below an exabyte, and so within the 64 bits of a column."""
_UNSET = ("", "NULL", None)
_PATTERN = "regex|"
"""Begins a declaration of outputs whose names only the payload knows."""
_PARALLEL_INPUT_LISTS = ("GUID", "fsize", "checksum", "scopeIn", "realDatasetsIn", "ddmEndPointIn")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One input; `size` in bytes, `checksum` as `ad:xxxxxxxx` or md5, `url` where it comes from if it is auxiliary."""

    lfn: str
    guid: str | None
    size: int | None
    checksum: str | None
    scope: str | None
    dataset: str | None
    endpoint: str | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One declared output; the log file is among them, as the output report must name it too.

    Attributes:
        is_needed: the server fails a job that finishes without a file of this name (protocol reference §8.1).
    """

    lfn: str
    scope: str | None
    dataset: str | None
    endpoint: str | None
    is_needed: bool = True


@dataclass(frozen=True, slots=True)
class LogFile:
    """The job's log and the GUID the server chose for it."""

    lfn: str
    guid: str | None


@record_type
class JobOffer:
    """A validated job; `params` is the whole dictionary for the worker (never printed: it may hold user secrets)."""

    job_id: int
    task_id: int | None
    jobset_id: int | None
    attempt: int
    priority: int
    cores: int
    resource_type: str | None
    prod_source_label: str
    input_files: tuple[InputFile, ...]
    output_files: tuple[OutputFile, ...]
    log_file: LogFile | None
    params: Mapping[str, JsonValue] = field(repr=False)


def parse_job(raw: object) -> JobOffer:
    """Check one job dictionary of the server's answer.

    Raises:
        BadJob: a mandatory field is missing, or a field cannot be true; says which one.
    """
    if not isinstance(raw, dict):
        raise BadJob(None, f"a job must be a JSON object, not {type(raw).__name__}")
    return _Reader(raw).offer()


def outputs_of(params: Mapping[str, JsonValue]) -> dict[str, OutputFile]:
    """What a job that was accepted says of its output files and its log, by LFN."""
    reader = _Reader(dict(params))
    return {each.lfn: each for each in reader.output_files(reader.log_file())}


def needed_outputs(params: Mapping[str, JsonValue], outputs: Iterable[OutputFile]) -> list[OutputFile]:
    """Those of the outputs of a job without which the server fails it; it finishes with whatever was made else.

    Jobs in event ranges have other outputs, and those merged on site share theirs.
    """
    if event_mode(params) is not None or is_set(params.get("onSiteMerging")):
        return []
    return [each for each in outputs if each.is_needed]


def zip_per_mb_of(params: Mapping[str, JsonValue]) -> int | None:
    """How large files may be that outputs of the job are packed into, in megabytes; None if it does not say."""
    limit = whole(params.get("zipPerMB"))
    return limit if limit is not None and limit >= 0 else None


def with_local_images(params: Mapping[str, JsonValue], paths: Mapping[str, str]) -> dict[str, JsonValue]:
    """The job with the paths of container images that were brought, by URL (core reference, appendix A)."""
    changed = {key: _local(value, paths) if key == "container_name" else value for key, value in params.items()}
    options = changed.get("containerOptions")
    if isinstance(options, dict) and "containerImage" in options:
        changed["containerOptions"] = {**options, "containerImage": _local(options["containerImage"], paths)}
    return changed


def _local(value: JsonValue, paths: Mapping[str, str]) -> JsonValue:
    return paths.get(value, value) if isinstance(value, str) else value


class _Reader:
    """Reads typed fields of one job dictionary and blames the job for what it finds."""

    def __init__(self, params: dict[str, JsonValue]) -> None:
        self.params = params
        job_id = whole(params.get("PandaID"))
        self.job_id = job_id if job_id is not None and job_id > 0 else None

    def offer(self) -> JobOffer:
        self._refuse_unstorable()
        if self.job_id is None:
            raise self._bad(f"PandaID must be a positive integer, not {_shown(self.params.get('PandaID'))}")
        log_file = self.log_file()
        return JobOffer(
            job_id=self.job_id,
            task_id=self._integer("taskID"),
            jobset_id=self._integer("jobsetID"),
            attempt=self._attempt(),
            priority=self._integer("currentPriority") or 0,
            cores=self._cores(),
            resource_type=self._word("resource_type"),
            prod_source_label=self._label(),
            input_files=self._input_files(),
            output_files=self.output_files(log_file),
            log_file=log_file,
            params=self.params,
        )

    def _bad(self, reason: str) -> BadJob:
        return BadJob(self.job_id, reason, whole(self.params.get("attemptNr")))

    def _refuse_unstorable(self) -> None:
        for name, value in self.params.items():
            if value is None or isinstance(value, str):
                length = len(value or "")
            else:
                fault = fault_of(value)
                if fault:
                    raise self._bad(f"field {_shown(name)} holds {fault}")
                length = len(json.dumps(value)) if isinstance(value, dict | list) else 0
            if length > MAX_FIELD_CHARACTERS:
                raise self._bad(f"field {_shown(name)} has {length} characters, at most {MAX_FIELD_CHARACTERS} can be")

    def _attempt(self) -> int:
        attempt = self._integer("attemptNr")
        if attempt is None or attempt < 0:
            raise self._bad(f"attemptNr must be an integer from 0 on, not {_shown(self.params.get('attemptNr'))}")
        return attempt

    def _cores(self) -> int:
        cores = self._integer("coreCount") or 1
        if not 0 < cores <= _MAX_CORES:
            raise self._bad(f"coreCount {cores} is not a number of cores")
        return cores

    def _label(self) -> str:
        label = self._word("prodSourceLabel")
        if label is None:
            raise self._bad("prodSourceLabel is missing")
        return label

    def _integer(self, name: str) -> int | None:
        value = self.params.get(name)
        if value in _UNSET:
            return None
        number = whole(value)
        if number is None:
            raise self._bad(f"{name} must be an integer, not {_shown(value)}")
        return number

    def _text(self, name: str) -> str | None:
        value = self.params.get(name)
        if value in _UNSET:
            return None
        if not isinstance(value, str):
            raise self._bad(f"{name} must be a text, not {_shown(value)}")
        return value

    def _word(self, name: str) -> str | None:
        value = self._text(name)
        if value is not None and not is_word(value):
            raise self._bad(f"{name} must be a word of letters, digits and . _ + -, not {_shown(value)}")
        return value

    def _list(self, name: str) -> list[str]:
        text = self._text(name)
        return text.split(",") if text is not None else []

    def _parallel(self, name: str, along: str, length: int) -> list[str | None]:
        """Read a list that runs along the file names; a list that is not there is unknown for every file."""
        values = self._list(name)
        if not values:
            return list(repeat(None, length))
        if len(values) != length:
            raise self._bad(f"{name} has {len(values)} entries for {length} files of {along}")
        return [None if value in _UNSET else value for value in values]

    def _name(self, field_name: str, name: str) -> str:
        """Refuse a name that could leave the directory it is later put in."""
        if len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
            raise self._bad(f"{field_name} holds a name of {len(name)} characters")
        if name.startswith("/") or ".." in name.split("/") or not name.isprintable():
            raise self._bad(f"{field_name} holds {_shown(name)}, which is not a file name")
        return name

    def _scope(self, field_name: str, scope: str | None) -> str | None:
        return None if scope is None else self._name(field_name, scope)

    def _input_files(self) -> tuple[InputFile, ...]:
        names = self._list("inFiles")
        columns = (self._parallel(name, "inFiles", len(names)) for name in _PARALLEL_INPUT_LISTS)
        return tuple(
            InputFile(self._name("inFiles", lfn), guid, self._size(size), sum_, self._scope("scopeIn", scope), *place)
            for lfn, guid, size, sum_, scope, *place in zip(names, *columns, strict=True)
            if lfn not in _UNSET
        )

    def _size(self, text: str | None) -> int | None:
        if text is None:
            return None
        if not _FILE_SIZE.fullmatch(text):
            raise self._bad(f"fsize holds {_shown(text)}, which is not a number of bytes")
        return int(text)

    def log_file(self) -> LogFile | None:
        lfn = self._text("logFile")
        return None if lfn is None else LogFile(self._name("logFile", lfn), self._text("logGUID"))

    def output_files(self, log_file: LogFile | None) -> tuple[OutputFile, ...]:
        names = self._list("outFiles")
        scopes = self._output_scopes(names, log_file)
        columns = (self._parallel(name, "outFiles", len(names)) for name in ("realDatasets", "ddmEndPointOut"))
        optional = self._optional_outputs()
        return tuple(
            OutputFile(
                self._name("outFiles", lfn),
                self._scope("scopeOut", scope),
                dataset,
                endpoint,
                is_needed=lfn not in optional and not lfn.startswith(_PATTERN),
            )
            for lfn, scope, dataset, endpoint in zip(names, scopes, *columns, strict=True)
            if lfn not in _UNSET
        )

    def _optional_outputs(self) -> frozenset[str]:
        """`allowNoOutput`, which only the server has to understand: a list, or its text with commas."""
        told = self.params.get("allowNoOutput")
        names = told if isinstance(told, list) else str(told or "").split(",")
        return frozenset(str(each) for each in names)

    def _output_scopes(self, names: list[str], log_file: LogFile | None) -> list[str | None]:
        """`scopeOut` leaves the log out; `scopeLog` takes its place at the log's position."""
        if log_file is None or log_file.lfn not in names:
            return self._parallel("scopeOut", "outFiles", len(names))
        scopes = self._parallel("scopeOut", "outFiles without the log", len(names) - 1)
        scopes.insert(names.index(log_file.lfn), self._text("scopeLog"))
        return scopes


def _shown(value: object) -> str:
    """Show enough of a bad value to find it; a long one may hold anything."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - one line of a log
