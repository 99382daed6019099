"""`harvester test monitor` and `harvester test messenger`: can the resource be asked, and workers be talked to?"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from harvester.config.queues import QueueConfig
from harvester.config.service import Settings
from harvester.core.errors import HarvesterError
from harvester.core.workers import Worker, WorkerStatus
from harvester.plugins.api import (
    Assignment,
    CheckOutcome,
    Done,
    Gone,
    Grade,
    Later,
    Messenger,
    News,
    PluginSettings,
    Resource,
    Search,
    Seen,
    TellsChanges,
    Unknown,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.messengers.shared_file import SharedFileMessenger
from harvester.plugins.tools.atomic_files import write_atomically
from harvester.probes.beside import plugins_beside
from harvester.probes.scratch_workers import contents, scratch_worker
from harvester.probes.verdicts import Record, Verdict

_RECENTLY: Final = timedelta(minutes=10)
_JOB: Final = 1
_WORD: Final = "harvester test"
_NO_NEWS = News(problem="the messenger could not be asked")


# ---- monitor ---------------------------------------------------------------------------------------------------------


def probe_monitor(settings: Settings, queue: QueueConfig, live: Sequence[Worker]) -> Verdict:
    """Ask the resource, and change nothing.

    Args:
        settings: of the instance.
        queue: whose monitor is meant.
        live: workers of the queue that the service takes for live.
    """
    record = Record("monitor", queue.queue_name, queue.monitor.label)
    name = queue.queue_name
    try:
        resource = plugins_beside(settings, {name: queue}).monitor(name)
        stranger = scratch_worker(resource.context, queue)
        is_listed = _search(resource, stranger, record)
        unknown = _check(resource, live, record)
        _ask_for_changes(resource, record)
    except HarvesterError as error:
        record.add("asked the plugin", str(error), good=False)
        return record.verdict("correct the block monitor of the queue")
    if not is_listed or unknown:
        return record.verdict("see that this host and account can ask the resource, by the commands of the block")
    return record.verdict()


def _search(resource: Resource[PluginSettings], stranger: Worker, record: Record) -> bool:
    """A search for a marker that nobody has: only a complete listing is worth something after a crash."""
    if resource.grade is Grade.BLIND:
        return record.add("looked how surely workers are found again", "they carry no marker and cannot be searched")
    search = resource.find([stranger])
    found = "found what nobody has submitted" if search.found else "nobody has it, as it should be"
    saw = f"{found}; the listing was complete" if search.complete else f"the listing was not complete: {search.reason}"
    return record.add(f"searched the marker {stranger.marker}", saw, good=_is_fine(search))


def _is_fine(search: Search) -> bool:
    return search.complete and not search.found


def _check(resource: Resource[PluginSettings], live: Sequence[Worker], record: Record) -> bool:
    """Whether some of the live workers cannot be seen."""
    if not live:
        record.add("looked for live workers of the queue", "there are none, so none was checked")
        return False
    answers = PluginCalls()(resource.check, live, Unknown)
    told = Counter(map(_word_of, answers))
    reasons = sorted({each.reason for each in answers if isinstance(each, Unknown)})
    saw = ", ".join(f"{number} {word}" for word, number in sorted(told.items()))
    record.add(f"checked live workers: {len(live)}", "; ".join([saw, *reasons[:3]]), good=not reasons)
    return bool(reasons)


def _word_of(outcome: CheckOutcome) -> str:
    match outcome:
        case Seen(status=status):
            return str(status)
        case Gone():
            return "gone, which the service will notice"
    return "unknown"


def _ask_for_changes(resource: Resource[PluginSettings], record: Record) -> None:
    if isinstance(resource, TellsChanges):
        changed = resource.changed(_RECENTLY)
        record.add("asked what has changed in the last ten minutes", f"workers: {len(changed)}")


# ---- messenger -------------------------------------------------------------------------------------------------------


def probe_messenger(settings: Settings, queue: QueueConfig) -> Verdict:
    """Give a job to a worker that is none, say something as its pilot, and read it; in an access point of its own."""
    record = Record("messenger", queue.queue_name, queue.messenger.label)
    name = queue.queue_name
    try:
        messenger = plugins_beside(settings, {name: queue}).messenger(name)
        worker = scratch_worker(messenger.context, queue, messenger.access_point_template())
    except HarvesterError as error:
        record.add("made the plugin", str(error), good=False)
        return record.verdict("correct the block messenger of the queue")
    worker = replace(worker, job_ids=(_JOB,), status=WorkerStatus.RUNNING)
    ask = PluginCalls()
    try:
        if _feed(messenger, worker, ask, record):
            _exchange(messenger, worker, ask, record)
    finally:
        _clean(messenger, worker, ask, record)
    return record.verdict("" if all(each.good for each in record.steps) else "see the access point's file system")


def _feed(messenger: Messenger[PluginSettings], worker: Worker, ask: PluginCalls, record: Record) -> bool:
    (answer,) = ask(messenger.feed, [Assignment(worker, {_JOB: {"PandaID": _JOB, "jobName": _WORD}})], Later)
    there = ", ".join(contents(worker.access_point)) or "nothing is there"
    saw = there if isinstance(answer, Done) else answer.reason
    return record.add(f"put a job into {worker.access_point}", saw, good=isinstance(answer, Done))


def _exchange(messenger: Messenger[PluginSettings], worker: Worker, ask: PluginCalls, record: Record) -> None:
    """Say something as a pilot would, where it is known how."""
    wrote = _speak_as_pilot(messenger, worker)
    if wrote:
        record.add("wrote as its pilot", wrote)
    (news,) = ask(messenger.collect, [worker], lambda reason: replace(_NO_NEWS, problem=reason))
    heard = news.attributes.get(_JOB, {}).get("node") == _WORD
    saw = news.problem or ("what the pilot wrote" if heard else "nothing")
    record.add("read what it left", saw, good=not news.problem and heard is bool(wrote))
    ask.tell(messenger.acknowledge, [worker])


def _speak_as_pilot(messenger: Messenger[PluginSettings], worker: Worker) -> str:
    if not isinstance(messenger, SharedFileMessenger):
        return ""
    name = messenger.names.attributes
    write_atomically(str(Path(worker.access_point) / name), json.dumps({str(_JOB): {"node": _WORD}}))
    return name


def _clean(messenger: Messenger[PluginSettings], worker: Worker, ask: PluginCalls, record: Record) -> None:
    (answer,) = ask(messenger.clean, [worker], Later)
    left = contents(worker.access_point)
    saw = f"left: {', '.join(left)}" if left else "nothing is left"
    good = isinstance(answer, Done) and not left
    record.add("removed the access point", saw if isinstance(answer, Done) else answer.reason, good=good)
