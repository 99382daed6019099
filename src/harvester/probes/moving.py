"""`harvester test preparator` and `harvester test stager`: a small file is moved as inputs and outputs are."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Self

from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.core.files import File, FileKind, FileStatus
from harvester.plugins.api import (
    Failed,
    FileOutcome,
    Grouped,
    Later,
    Moved,
    PluginSettings,
    Preparator,
    Stager,
    StartOutcome,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.data.atomic_copy import summarise
from harvester.plugins.data.dummy import DummyPreparator, DummyStager
from harvester.probes.beside import plugins_beside
from harvester.probes.scratch import scratch_directory
from harvester.probes.scratch_workers import beyond_all_others
from harvester.probes.verdicts import Record, Verdict

_GLANCE: Final = 0.5
_SIZE: Final = 4096
_BEGUN: Final = {"preparator": FileStatus.TRIGGERED, "stager": FileStatus.TRANSFERRING}


@dataclass(frozen=True, slots=True)
class Cargo:
    """The file that is moved.

    Attributes:
        lfn: of an input that is there already; empty for a small file that is made for the probe.
        patience: seconds until it is given up.
    """

    lfn: str = ""
    scope: str | None = None
    dataset: str | None = None
    endpoint: str | None = None
    patience: float = 300.0


AnyMover = Preparator[PluginSettings] | Stager[PluginSettings]


@dataclass(frozen=True, slots=True)
class _Mover:
    """The two verbs of a preparator or stager."""

    trigger: Callable[[Sequence[File]], Sequence[StartOutcome]]
    check: Callable[[Sequence[File]], Sequence[FileOutcome]]
    is_dummy: bool

    @classmethod
    def of(cls, plugin: AnyMover) -> Self:
        return cls(plugin.trigger, plugin.check, isinstance(plugin, DummyPreparator | DummyStager))


def probe_preparator(settings: Settings, queue: QueueConfig, cargo: Cargo) -> Verdict:
    """Have an input brought; one that was made for the probe is removed again."""
    name = queue.queue_name
    make = partial(plugins_beside(settings, {name: queue}).preparator, name)
    return _probe(settings, make, cargo, FileKind.INPUT, Record("preparator", name, queue.preparator.label))


def probe_stager(settings: Settings, queue: QueueConfig, cargo: Cargo) -> Verdict:
    """Have a small output taken away, and remove it where it went if that is a path of this machine."""
    name = queue.queue_name
    make = partial(plugins_beside(settings, {name: queue}).stager, name)
    return _probe(settings, make, replace(cargo, lfn=""), FileKind.OUTPUT, Record("stager", name, queue.stager.label))


def _probe(settings: Settings, make: Callable[[], AnyMover], cargo: Cargo, kind: FileKind, record: Record) -> Verdict:
    try:
        mover = _Mover.of(make())
    except HarvesterError as error:
        record.add("made the plugin", str(error), good=False)
        return record.verdict(f"correct the block {record.what} of the queue")
    made = None if cargo.lfn else _make_file(scratch_directory(settings) / "files", record)
    try:
        moved = _move(mover, _file_of(cargo, made, kind), cargo.patience, record)
        if moved is None:
            return record.verdict("see what the plugin complains of in its block, or at the storage")
        if mover.is_dummy:
            record.add("looked where it is", "this plugin moves nothing")
            return record.verdict()
        return _look_at_it(moved, made, record)
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def _make_file(directory: Path, record: Record) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"harvester.test.{beyond_all_others()}"
    path.write_bytes(secrets.token_bytes(_SIZE))
    record.add("made a small file", str(path))
    return path


def _file_of(cargo: Cargo, made: Path | None, kind: FileKind) -> File:
    """The file as the service would know it."""
    status = FileStatus.TO_PREPARE if kind is FileKind.INPUT else FileStatus.DEFINED
    lfn = cargo.lfn if made is None else made.name
    file = File(0, 0, lfn, kind, status, scope=cargo.scope, dataset=cargo.dataset, endpoint=cargo.endpoint)
    if made is None:
        return file
    content = summarise(made)
    return replace(file, path=str(made), size=content.size, checksum=content.adler32)


def _move(mover: _Mover, file: File, patience: float, record: Record) -> Moved | None:
    """Start it, and look until it has arrived; None if it does not."""
    ask = PluginCalls()
    (begun,) = ask(mover.trigger, [file], Later)
    file = _as_begun(file, begun, record.what)
    saw = begun.reason if isinstance(begun, Grouped | Later | Failed) else "it is under way"
    if not record.add(f"had {file.lfn} moved", saw, good=not isinstance(begun, Failed)):
        return None
    end = time.monotonic() + patience
    while True:
        if isinstance(begun, Later):
            (begun,) = ask(mover.trigger, [file], Later)
            file = _as_begun(file, begun, record.what)
        (outcome,) = ask(mover.check, [file], Later)
        match outcome:
            case Moved():
                record.add("waited for it", f"it is at {outcome.path}")
                return outcome
            case Failed(reason=reason):
                record.add("waited for it", reason, good=False)
                return None
            case Grouped():
                file = replace(file, group_id=outcome.group_id, group_status=outcome.status)
        if time.monotonic() > end:
            record.add("waited for it", f"not there after {patience:g} s: {outcome.reason}", good=False)
            return None
        time.sleep(_GLANCE)


def _as_begun(file: File, begun: StartOutcome, what: str) -> File:
    file = replace(file, status=_BEGUN[what], attempts=file.attempts + 1)
    if isinstance(begun, Grouped):
        return replace(file, group_id=begun.group_id, group_status=begun.status)
    return file


def _look_at_it(moved: Moved, made: Path | None, record: Record) -> Verdict:
    """Compare what has arrived, and remove it if it was made for this and can be."""
    path = Path(moved.path)
    if not path.is_absolute() or not path.is_file():
        told = "it is not a file of this machine, so it was neither read nor removed"
        record.add("looked where it is", told)
        return record.verdict(f"remove {moved.path} by hand" if made else "")
    if made is None:
        there = summarise(path)
        record.add("read it", f"{there.size} bytes, {there.adler32}; it stays where it is")
        return record.verdict()
    there, sent = summarise(path), summarise(made)
    wrong = there.differs_from(sent.size, sent.md5)
    record.add("read it", wrong or f"{there.size} bytes, {there.adler32}, as they were sent", good=not wrong)
    path.unlink()
    record.add("removed it", "nothing is left")
    return record.verdict()
