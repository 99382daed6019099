"""`harvester test submitter`: one worker through its whole life, on the resource itself, beside the service."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.agents.facts import Facts
from harvester.agents.group_terms import with_slots, with_terms
from harvester.agents.intents import Intents, Planned
from harvester.config.queue_merge import MergedQueue
from harvester.config.queues import QueueConfig, RunMode
from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.core.kinds import ANY_KIND, WorkerKind
from harvester.core.masking import masked
from harvester.core.sizing import Sizing
from harvester.core.workers import MapType, Worker, WorkerStatus
from harvester.plugins.api import Failed, GroupToServe, WorkerPlan
from harvester.plugins.tools.untrusted_files import read_bytes
from harvester.probes.beside import plugins_beside
from harvester.probes.scratch import ScratchInstance, scratch_directory, scratch_instance
from harvester.probes.scratch_workers import shared
from harvester.probes.verdicts import ProbeError, Record, Verdict

_TO_END: Final = 60.0
"""Seconds that a kill and the clean-up may take."""
_PUSH: Final = "have a job assigned to the queue, and see what becomes of it with `harvester queue explain`"
_PULL: Final = "with --payload configured they run what those of the queue run"
_TAIL: Final = 2_000
_LARGEST_LOG: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be submitted.

    Attributes:
        configured: whether it runs what workers of the queue run, and not the harmless payload.
        kind: what it is for.
        patience: seconds until it is killed.
    """

    configured: bool = False
    kind: WorkerKind = ANY_KIND
    patience: float = 600.0


def probe_submitter(
    settings: Settings,
    merged: MergedQueue,
    queue: QueueConfig,
    wish: Wish,
    *,
    facts: Facts | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Submit a worker, watch it to its end, clean up.

    Args:
        settings: of the instance.
        merged: where the queue's configuration comes from.
        queue: its configuration.
        wish: what is submitted.
        facts: what is known of the world.
        tell: is told what goes on.

    Raises:
        ProbeError: it cannot begin.
    """
    if wish.configured and _needs_job(queue):
        raise ProbeError(
            f"workers of {queue.queue_name} run the jobs that Harvester hands to them, a test has none; {_PUSH}"
        )
    record = Record("submitter", queue.queue_name, queue.submitter.label)
    tried = _alone(queue if wish.configured else _with_harmless_payload(settings, queue))
    with scratch_instance(settings, merged, tried, facts) as scratch:
        _end_left_overs(scratch, record)
        worker = _intend(scratch, tried, wish.kind, record)
        if worker is None:
            return record.verdict("correct the block workerMaker or messenger of the queue")
        return _Watch(scratch, worker, record, tell).run(wish.patience)


def _needs_job(queue: QueueConfig) -> bool:
    return queue.map_type is not MapType.NO_JOB


def _alone(queue: QueueConfig) -> QueueConfig:
    """The queue as if its workers came without jobs."""
    free = {"map_type": MapType.NO_JOB, "run_mode": RunMode.SELF, "use_job_late_binding": False}
    return queue.model_copy(update=free)


def _with_harmless_payload(settings: Settings, queue: QueueConfig) -> QueueConfig:
    """The queue with a submitter that asks for the same and runs nothing."""
    block = queue.submitter
    directory = scratch_directory(settings) / "payloads"
    directory.mkdir(exist_ok=True)
    resource = plugins_beside(settings, {queue.queue_name: queue}).submitter(queue.queue_name)
    try:
        changes = resource.harmless(directory)
    except OSError as error:
        raise ProbeError(f"no harmless payload can be made: {error.filename}: {error.strerror}") from error
    if changes is None:
        what = f"{block.label} cannot tell what its workers would run"
        raise ProbeError(f"{what}; {_PUSH if _needs_job(queue) else _PULL}")
    changed = {key: value for key, value in {**block.settings, **changes}.items() if value is not None}
    return queue.model_copy(update={"submitter": block.model_copy(update={"settings": changed})})


def _end_left_overs(scratch: ScratchInstance, record: Record) -> None:
    """What an earlier test has left is ended first: nobody else looks after it."""
    if left := scratch.left_over():
        gone = scratch.until(lambda: not scratch.left_over(), _TO_END, clean=True)
        saw = "killed and cleaned up" if gone else f"not all are gone after {_TO_END:g} s"
        record.add("ended workers of a test that was interrupted", f"workers: {len(left)}; {saw}", good=gone)


def _intend(scratch: ScratchInstance, queue: QueueConfig, kind: WorkerKind, record: Record) -> Worker | None:
    """Store the intent to submit one worker, planned as those of the queue are."""
    instance, name = scratch.instance, queue.queue_name
    try:
        template = instance.plugins.messenger(name).access_point_template()
        groups = with_terms(queue, with_slots(instance, name, [GroupToServe(kind=kind)]))
        (plan,) = instance.call(instance.plugins.worker_maker(name).make, groups, Failed)
    except HarvesterError as error:
        record.add("asked the plugins for a plan", str(error), good=False)
        return None
    if not isinstance(plan, WorkerPlan):
        record.add("asked the worker maker for a plan", plan.reason, good=False)
        return None
    size = f"cores: {plan.cores}, memory: {plan.ram_mb} MB, walltime: {plan.walltime_s} s"
    record.add("asked the worker maker for a plan", size)
    if problem := shared(template):
        record.add("looked at the access point", problem, good=False)
        return None
    planned = Planned(groups, [plan], template, Sizing(1, "", "a test"))
    with scratch.db.write() as connection:
        (worker,) = Intents(instance, "test").store(connection, queue, planned, instance.clock())
    instance.wake("submitter")
    return worker


class _Watch:
    """Follows one worker to its end, and sees that nothing of it is left."""

    def __init__(self, scratch: ScratchInstance, worker: Worker, record: Record, tell: Callable[[str], None]) -> None:
        self._scratch = scratch
        self._worker = worker
        self._record = record
        self._tell = tell
        self._trail: list[str] = []

    def run(self, patience: float) -> Verdict:
        """Watch, kill it if that takes too long, clean up."""
        try:
            has_ended = self._scratch.until(self._has_ended, patience)
            why = f"not ended after {patience:g} s"
        except KeyboardInterrupt:
            has_ended, why = False, "interrupted"
        advice = self._note_end() if has_ended else self._kill(why)
        is_gone = self._scratch.until(lambda: self._scratch.find(self._worker.worker_id) is None, _TO_END, clean=True)
        if is_gone:
            self._record.add("cleaned up", "nothing of it is left")
        else:
            self._record.add("cleaned up", f"it is not gone after {_TO_END:g} s", good=False)
            advice = f"{advice}; the next test goes on with it" if advice else "the next test goes on with it"
        return self._record.verdict(advice, undecided=not has_ended)

    def _has_ended(self) -> bool:
        """Look at it, and remember what has changed."""
        held = self._scratch.find(self._worker.worker_id)
        if held is None:
            return True
        before, now = self._worker, held.worker
        self._worker = now
        if before.status is WorkerStatus.PENDING and now.batch_id:
            self._record.add(f"submitted worker {now.worker_id}", f"batch id {now.batch_id}, marker {now.marker}")
        native = f" ({now.native_status})" if now.native_status else ""
        words = f"{now.status}{native}"
        if not self._trail or self._trail[-1] != words:
            self._trail.append(words)
            self._tell(f"worker {now.worker_id} is {words}")
        return now.status.is_final

    def _note_end(self) -> str:
        """How it ended, and what to do if that was not well."""
        worker = self._worker
        if worker.status is WorkerStatus.MISSED:
            self._record.add("asked the resource to take it", worker.diagnostics, good=False)
            return "correct what the resource complains of in the block submitter of the queue, or on the resource"
        code = "" if worker.exit_code is None else f", exit code {worker.exit_code}"
        good = worker.status is WorkerStatus.FINISHED and not worker.exit_code
        self._record.add("watched it to its end", f"{' → '.join(self._trail)}{code}", good=good)
        if good:
            return ""
        logs = list(self._logs())
        for name, text in logs:
            self._record.add(f"read its {name}", text, good=False)
        if logs:
            return f"{worker.diagnostics or 'it failed'}; the logs are cleaned up with it, their ends are told above"
        return worker.diagnostics or "look at its logs on the resource"

    def _kill(self, why: str) -> str:
        """End it, and say what is known until then."""
        worker = self._worker
        was_taken = worker.batch_id is not None
        said = f"; last said of it: {worker.diagnostics}" if worker.diagnostics else ""
        self._record.add("watched it", f"{' → '.join(self._trail)}; {why}{said}", good=was_taken)
        self._scratch.kill([worker.worker_id], why)
        ended = self._scratch.until(self._has_ended, _TO_END)
        self._record.add("killed it", str(self._worker.status) if ended else "it has not ended yet", good=ended)
        if not was_taken:
            return "the resource was not seen to take it: see what it says, and that the marker can be searched"
        return "it waited or ran too long for this test: try again with a longer --timeout, or ask the resource why"

    def _logs(self) -> Iterator[tuple[str, str]]:
        """The ends of its logs, where they are files of this machine."""
        for name, key in (("error output", "stdErr"), ("output", "stdOut")):
            path = self._worker.log_urls.get(key, "")
            if not path.startswith("/"):
                continue
            with suppress(OSError, HarvesterError):
                text = read_bytes(Path(path), at_most=_LARGEST_LOG).decode(errors="replace")
                if text.strip():
                    yield name, masked(text.strip()[-_TAIL:])
