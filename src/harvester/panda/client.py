"""The calls of the PanDA server that a Harvester makes, as functions of plain values.

All of them stand in this one file, long as it is: it is the list of what is asked of the server.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import httpx2
import structlog
from pydantic import JsonValue

from harvester.core.clock import Clock, utc_now
from harvester.core.dialogs import Dialog
from harvester.core.measuring import Metrics, text_of
from harvester.panda.auth import Credentials
from harvester.panda.call_record import CallRecord
from harvester.panda.closing import Closable
from harvester.panda.criteria import criteria_to_wire
from harvester.panda.delivery import Delivery
from harvester.panda.errors import BadJob, PandaRefused, PandaUnavailable
from harvester.panda.event_messages import (
    EventJob,
    EventReport,
    OfferedRange,
    chunks_to_wire,
    parse_ranges,
    parse_returns,
)
from harvester.panda.messages import (
    Acquired,
    Command,
    CommandLock,
    JobOffer,
    JobReply,
    JobReport,
    JobStatus,
    WorkerReply,
    WorkerReport,
    parse_command,
    parse_job,
    parse_job_reply,
    parse_job_status,
)
from harvester.panda.tempo import Tempo
from harvester.panda.text import clip, precise_time, worker_time
from harvester.panda.transport import Terms, Transport
from harvester.panda.wire import Wire

DEFAULT_TIMEOUT = 180.0
DEFAULT_RETRIES = 2
_STATED_IN = "[pandacon] server_api_url_ssl"
_ENTRIES_PER_CALL = 100
"""Safe for `job/get_status`, whose URL may not pass 8 kB, and what the bulk calls are used to."""
_LONGEST_METRICS = 4000
_NOT_STORED = "the server answered that it did not store the worker; see the log of its harvester API"
_NO_JOBS = "No jobs in PanDA"
"""Also the answer for an unknown queue and while the database is down: no error, and no proof of emptiness."""

_LETS_NOBODY_IN = "SSL secure connection is required"
"""To whoever shows nothing that makes it known (panda-protocol §1.6)."""
_WITH_ZIP_FILES = 1
"""Version of the form in which event ranges are reported."""
_HTTP_CRASH = 500
_WORDLESS = "not serializable"

_log = structlog.get_logger(__name__)


class PandaClient(Closable):
    """Speaks for one Harvester instance with one PanDA server; may be used from many threads.

    Every method raises PandaUnavailable when there is no usable answer, and PandaRefused when the server said no.

    Args:
        base_url: up to and with `/api/v1`.
        instance_id: the `harvester_id`, at most 50 characters.
        timeout: seconds for connecting and for each silence of the server.
        retries: how often a harmless call is repeated within `timeout`; a call that reserves something on the server
            is repeated only if it never got there.
        transport: replaces the network, for tests.
        clock: tells when a token file is due to be read again.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        instance_id: str,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.instance_id = instance_id
        self._retries = retries
        self._tempos = {name: Tempo(timeout) for name in ("pilot/update_jobs_bulk", "harvester/update_workers")}
        wire = Wire(base_url, credentials, stated_in=_STATED_IN, clock=clock, timeout=timeout, network=transport)
        self._transport = Transport(wire, retries=retries)

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    @property
    def record(self) -> CallRecord:
        """What became of the calls."""
        return self._transport.record

    def require_credentials(self) -> None:
        """Read certificate and token once, so that a wrong path is told at start and not with every call.

        Raises:
            CredentialError: one cannot be used.
        """
        self._transport.require_credentials()

    def is_alive(self) -> bool:
        """Ask for nothing but an answer; False if the server answers that it is not well."""
        try:
            self._transport.get("system/is_alive", {})
        except PandaRefused:
            return False
        return True

    def heartbeat(
        self, *, start_time: datetime, version: str, commit: str, commands: Sequence[CommandLock] = ()
    ) -> None:
        """Say that this instance lives, each time with everything about it.

        The first beat of a new instance makes its row, is reported as failed, and its data are not stored: so a
        refused beat is sent once more.

        Args:
            start_time: when this process began.
            version: of the software.
            commit: likewise.
            commands: which commands the server may give from now on; none leaves it as it is.
        """
        data: dict[str, JsonValue] = {
            "startTime": worker_time(start_time),
            "sw_version": clip(version, 50),
            "commit_stamp": clip(commit, 100),
        }
        if commands:
            data["commands"] = [lock.to_wire() for lock in commands]
        try:
            self._tell("harvester/heartbeat", data=data)
        except PandaRefused:
            self._tell("harvester/heartbeat", data=data)

    def acquire_jobs(
        self,
        *,
        site: str,
        node: str,
        label: str,
        n_jobs: int,
        computing_element: str,
        criteria: Mapping[str, str] | None = None,
    ) -> Acquired:
        """Reserve up to `n_jobs` jobs; what is given is ours, or fails at the server after 30 minutes.

        Raises:
            PandaRefused: also for a criterion that the server has no argument for.
        """
        arguments: dict[str, JsonValue] = {
            "prod_source_label": label,
            "node": node,
            "computing_element": computing_element,
            "scheduler_id": f"harvester-{self.instance_id}",
        }
        try:
            arguments |= criteria_to_wire(criteria or {})
        except ValueError as error:
            raise PandaRefused("pilot/acquire_jobs", f"{error} in the queue configuration of {site}") from None
        arguments |= {"site_name": site, "n_jobs": n_jobs}
        try:
            data = self._transport.post("pilot/acquire_jobs", arguments, repeatable=False)
        except PandaRefused as refusal:
            if _NO_JOBS not in refusal.reason:
                raise
            return Acquired(message=refusal.reason)
        return _acquired(data)

    def job_statuses(self, ids: Iterable[int]) -> dict[int, JobStatus]:
        """Ask for the state of jobs and for orders about them; a job without a usable answer is left out."""
        statuses: dict[int, JobStatus] = {}
        for part in _parts(list(ids)):
            answers = self._transport.get("job/get_status", {"job_ids": list(part)})
            if isinstance(answers, list) and len(answers) == len(part):
                statuses |= zip(part, map(parse_job_status, answers), strict=True)
        return statuses

    def update_jobs(
        self, reports: Sequence[JobReport], per_call: int = _ENTRIES_PER_CALL, *, probe: bool = False
    ) -> list[JobReply]:
        """Report jobs; one reply per report, in order. One bad entry does not hold back the others.

        A probe begins with few small calls that wait for a short time and are not repeated.
        """

        def send(part: Sequence[JobReport], probing: bool) -> list[JobReply]:  # noqa: FBT001 (the delivery's word)
            wire: list[JsonValue] = [report.to_wire() for report in part]
            answers = self._report("pilot/update_jobs_bulk", {"job_list": wire}, probe=probing)
            return [parse_job_reply(answer) for answer in _list(answers)]

        return Delivery(reports, send, lambda why: JobReply(accepted=False, reason=why), _bulk(per_call), probe).run()

    def update_workers(
        self, reports: Sequence[WorkerReport], per_call: int = _ENTRIES_PER_CALL, *, probe: bool = False
    ) -> list[WorkerReply]:
        """Report workers; one reply per report, in order, as for jobs."""

        def send(part: Sequence[WorkerReport], probing: bool) -> list[WorkerReply]:  # noqa: FBT001 (the delivery's word)
            wire: list[JsonValue] = [report.to_wire() for report in part]
            answers = self._report("harvester/update_workers", {"workers": wire}, probe=probing)
            return [WorkerReply(answer is True, "" if answer is True else _NOT_STORED) for answer in _list(answers)]

        return Delivery(
            reports, send, lambda why: WorkerReply(accepted=False, reason=why), _bulk(per_call), probe
        ).run()

    def acquire_event_ranges(self, job: EventJob, number: int, *, scattered: bool = False) -> list[OfferedRange]:
        """Reserve up to `number` event ranges of a job; fewer mean that there are no more now.

        What is given and gets lost on the way here is given again only when the job has ended.

        Raises:
            PandaUnavailable: also for an answer that is none of the known forms.
        """
        arguments: dict[str, JsonValue] = {"job_id": job.job_id, "jobset_id": job.jobset_id, "n_ranges": number}
        if job.task_id is not None:
            arguments["task_id"] = job.task_id
        if scattered:
            arguments["scattered"] = True
        method = "event/acquire_event_ranges"
        data = self._transport.post(method, arguments, repeatable=False)
        try:
            ranges, faults = parse_ranges(data)
        except ValueError as error:
            raise PandaUnavailable(method, str(error)) from None
        for fault in faults:
            _log.warning("event_range_refused", job=job.job_id, reason=fault)
        return ranges

    def update_event_ranges(self, reports: Sequence[EventReport]) -> list[bool | None]:
        """Tell how event ranges ended; for each, whether it was stored, or None for one that has to be sent again.

        Some releases of the server store everything and then fail to put their answer into words: that is success.
        """
        method = "event/update_event_ranges"
        text, order = chunks_to_wire(reports)
        arguments: dict[str, JsonValue] = {"event_ranges": text, "version": _WITH_ZIP_FILES}
        try:
            returns = parse_returns(self._transport.post(method, arguments, repeatable=True), len(order))
        except PandaUnavailable as error:
            if error.status != _HTTP_CRASH or _WORDLESS not in error.reason:
                raise
            return [True] * len(reports)
        except ValueError as error:
            raise PandaUnavailable(method, str(error)) from None
        told = dict(zip(order, returns, strict=True))
        return [told[place] for place in range(len(reports))]

    def available_event_ranges(self, job: EventJob) -> int | None:
        """How many event ranges a job still has; None if the server does not say."""
        arguments: dict[str, JsonValue] = {"job_id": job.job_id, "jobset_id": job.jobset_id, "task_id": job.task_id}
        data = self._transport.get("event/get_available_event_range_count", arguments)
        number = data.get("nEventRanges") if isinstance(data, dict) else data
        return number if type(number) is int and number >= 0 else None

    def acquire_commands(self, n: int) -> list[Command]:
        """Take up to `n` commands. The server gives each only once: store them before anything else."""
        arguments: dict[str, JsonValue] = {"harvester_id": self.instance_id, "n_commands": n}
        answers = _list(self._transport.post("harvester/acquire_commands", arguments, repeatable=False))
        return [command for answer in answers if (command := _command(answer)) is not None]

    def acknowledge_commands(self, ids: Iterable[int]) -> None:
        """Say that these commands are done."""
        command_ids: list[JsonValue] = list(ids)
        if command_ids:
            self._transport.post("harvester/acknowledge_commands", {"command_ids": command_ids}, repeatable=True)

    def report_worker_statistics(self, queue: str, statistics: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """Report worker counts of one queue by job type, resource type and status; replaces the earlier ones."""
        plain = {job: {kind: dict(counts) for kind, counts in kinds.items()} for job, kinds in statistics.items()}
        self._tell("harvester/report_worker_statistics", panda_queue=queue, statistics=json.dumps(plain))

    def highest_worker_id(self) -> int:
        """The highest id of a worker that the server knows of this instance; 0 if it knows none.

        The server answers alike whether it knows none or cannot tell (panda-protocol §4.5).

        Raises:
            PandaError: it was not asked, be it that it is away or lets nobody in.
        """
        try:
            highest = self._transport.get("harvester/get_current_worker_id", {"harvester_id": self.instance_id})
        except PandaRefused as error:
            if error.status is not None or error.reason.startswith(_LETS_NOBODY_IN):
                raise
            return 0
        return highest if isinstance(highest, int) and highest > 0 else 0

    def resource_types(self) -> JsonValue:
        """Ask for the kinds of workers that unified queues have (panda-protocol §10.3)."""
        return self._transport.get("metaconfig/get_resource_types", {})

    def job_statistics(self) -> JsonValue:
        """Ask for active jobs by queue and status; none at all is a refusal (panda-protocol §10.1)."""
        return self._transport.get("statistics/active_job_stats_by_site", {})

    def detailed_job_statistics(self) -> JsonValue:
        """Ask for the same by queue, resource type, label and status (panda-protocol §10.2)."""
        return self._transport.get("statistics/active_job_detailed_stats_by_site", {})

    def worker_statistics(self) -> JsonValue:
        """Ask for the workers of all instances, by queue and instance."""
        return self._transport.get("harvester/get_worker_statistics", {})

    def key_pair(self, public_name: str, private_name: str) -> JsonValue:
        """Ask for a pair of keys, under the names of today and of yesterday (panda-protocol §11.3)."""
        names: dict[str, JsonValue] = {"public_key_name": public_name, "private_key_name": private_name}
        pair = self._transport.get("creds/get_key_pair", names)
        if not isinstance(pair, dict):
            raise PandaRefused("creds/get_key_pair", "the answer is no pair of keys")
        both = {"publicKey": "public_key", "privateKey": "private_key"}
        return {**pair, **{old: pair[new] for old, new in both.items() if new in pair}}

    def proxy(self, role: str) -> str:
        """Ask for the proxy that the server keeps for a role, under the name of today or of yesterday (§11.1).

        Raises:
            PandaRefused: also for an answer without one; its reason never quotes the answer.
        """
        arguments: dict[str, JsonValue] = {"role": role} if role else {}
        data = self._transport.get("creds/get_proxy", arguments)
        return _secret("creds/get_proxy", data, "user_proxy", "userProxy")

    def token_key(self, client_name: str) -> str:
        """Ask for the key that pilots of a client trade for new tokens (panda-protocol §11.2).

        Raises:
            PandaRefused: also for an answer without one; its reason never quotes the answer.
        """
        data = self._transport.get("creds/get_token_key", {"client_name": client_name})
        return _secret("creds/get_token_key", data, "tokenKey", "token_key")

    def update_service_metrics(self, measured: Sequence[tuple[datetime, str, Metrics]]) -> None:
        """Report measurements of hosts, each with its moment."""
        rows: list[JsonValue] = [
            [precise_time(at), host, text_of(metrics, _LONGEST_METRICS)] for at, host, metrics in measured
        ]
        self._tell("harvester/update_service_metrics", metrics=rows)

    def add_dialogs(self, numbered: Sequence[tuple[int, Dialog]]) -> None:
        """Report messages; one whose number the server knows takes the old one's place."""
        self._tell("harvester/add_dialogs", dialogs=[_dialog_to_wire(number, each) for number, each in numbered])

    def _report(self, method: str, arguments: Mapping[str, JsonValue], *, probe: bool) -> JsonValue:
        everything = {"harvester_id": self.instance_id, **arguments}
        with self._tempos[method].call(probe=probe) as patience:
            terms = Terms(patience, 0 if probe else self._retries)
            return self._transport.post(method, everything, repeatable=True, terms=terms)

    def _tell(self, method: str, **arguments: JsonValue) -> JsonValue:
        return self._transport.post(method, {"harvester_id": self.instance_id, **arguments}, repeatable=True)


def _dialog_to_wire(number: int, dialog: Dialog) -> JsonValue:
    return {
        "diagID": number,
        "moduleName": clip(dialog.module, 100),
        "identifier": clip(dialog.identifier, 100),
        "creationTime": precise_time(dialog.at),
        "messageLevel": dialog.level.value,
        "diagMessage": clip(dialog.message, 500),
    }


def _bulk(wanted: int) -> int:
    return min(max(wanted, 1), _ENTRIES_PER_CALL)


def _acquired(data: JsonValue) -> Acquired:
    """Sort the jobs of one answer; a job that comes twice is taken once."""
    if not isinstance(data, dict) or data.get("StatusCode") != 0:
        code = data.get("StatusCode") if isinstance(data, dict) else None
        return Acquired(message=f"the server gave no jobs, StatusCode {code}")
    offers: dict[int, JobOffer] = {}
    refused: list[BadJob] = []
    for raw in _list(data.get("jobs")):
        try:
            offer = parse_job(raw)
        except BadJob as bad:
            refused.append(bad)
        else:
            offers.setdefault(offer.job_id, offer)
    return Acquired(tuple(offers.values()), tuple(refused))


def _secret(method: str, data: JsonValue, *names: str) -> str:
    """A secret of an answer, under the first of its names that is there."""
    found = [data[name] for name in names if data.get(name)] if isinstance(data, dict) else []
    if found and isinstance(found[0], str):
        return found[0]
    raise PandaRefused(method, f"the answer has no {names[0]}")


def _command(raw: JsonValue) -> Command | None:
    try:
        return parse_command(raw)
    except ValueError as error:
        _log.warning("command_refused", reason=str(error))
        return None


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _parts(ids: list[int]) -> Iterator[list[int]]:
    return (ids[start : start + _ENTRIES_PER_CALL] for start in range(0, len(ids), _ENTRIES_PER_CALL))
