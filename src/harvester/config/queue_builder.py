"""From the merged attributes of one queue to its `QueueConfig`, with a finding for each attribute that does not fit."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue, ValidationError
from pydantic.fields import FieldInfo

from harvester.config.core_keys import CORE_KEYS
from harvester.config.fields import Keyed, better_forms, kind_of
from harvester.config.findings import Findings, Location, Severity, nearest, shown
from harvester.config.json_lines import JsonPath
from harvester.config.limits import with_agreeing_limits
from harvester.config.plugin_blocks import (
    IDENTITY_KEYS,
    PluginBlock,
    PluginChecker,
    PluginProblem,
    defaults_for,
    identity_problem,
)
from harvester.config.problems import KeyProblem, unknown_key, wrong_value
from harvester.config.queue_merge import TEMPLATE_FLAG, MergedQueue
from harvester.config.queue_model import LIMIT_KEYS, ROLES, STATUSES_OF_TRUE_PILOT, QueueConfig, python_name
from harvester.config.setups import of_queue
from harvester.core.workers import MapType

_QUEUE_STATUSES = ("online", "offline", "test", "brokeroff", "standby", "maintenance", "paused")
_SAME_RESOURCE = ("monitor", "sweeper")
_SETUPS = ("credmanagers", "file_syncer")
_UPSTREAM = "pandaharvester."
_SIMPLE_PLUGINS = {"workerMaker": "simple", "preparator": "dummy", "stager": "dummy", "messenger": "shared_file"}
_ACCESS_POINT = "workers/${_workerID_3.2}/${_workerID_1.0}/${workerID}"
_PANDA_QUEUE = "pandaQueueName"
_WHOLE_NUMBER = re.compile(r"-?\d{1,18}")

Keys = dict[str, JsonValue]
Find = Callable[[JsonPath], tuple[Location, str]]
"""Where a key stands, and its full name there."""


def build_queue(
    merged: MergedQueue, work_dir: Path, findings: Findings, plugin_checker: PluginChecker | None = None
) -> QueueConfig | None:
    """The queue, or None when a finding takes it out of service.

    Args:
        merged: its attributes.
        work_dir: where the access points of its workers are unless it says so.
        findings: takes what is wrong.
        plugin_checker: knows the plugins; without it any name is accepted.
    """
    own = Findings()
    builder = _Builder(merged, work_dir, own)
    queue = builder.build()
    if plugin_checker is not None:
        builder.check_plugins(plugin_checker)
        if queue is not None:
            builder.check_setups(queue, plugin_checker)
    findings.extend(own.as_tuple())
    return None if own.has_errors() else queue


@dataclass(frozen=True, slots=True)
class _Builder:
    merged: MergedQueue
    work_dir: Path
    findings: Findings
    blocks: dict[str, PluginBlock] = field(default_factory=dict)
    core: dict[str, Keyed] = field(default_factory=dict)

    def build(self) -> QueueConfig | None:
        raw = self.merged.raw
        self._report_unknown_keys()
        self._report_status()
        self._report_loose_forms(QueueConfig.by_key(), raw, self._find_attribute)
        for role in ROLES:
            self._take_block(role)
        limits = self._limits()
        treated = {*limits, *ROLES}
        attributes = {key: value for key, value in raw.items() if value is not None and key not in treated}
        name = self.merged.name
        site, _, resource_type = name.partition("/")
        resource_type = resource_type.rpartition("/")[2] or "ANY"
        stated: Keys = {"siteName": site, "siteFamily": site, "resourceType": resource_type, **attributes}
        return self._model({**stated, **limits, **self.blocks, "core": self.core, "queueName": name})

    def check_plugins(self, check: PluginChecker) -> None:
        """Ask about each plugin that is used; one implied by a wrong submitter would only repeat what that says."""
        missing: set[str] = set()
        for role, block in self.blocks.items():
            if self._is_implied(role) and self.findings.has_errors():
                continue
            for said in check(self.merged.name, role, block):
                problem = said if isinstance(said, PluginProblem) else PluginProblem(said)
                at, key = self._find_setting(role)((problem.key,)) if problem.key else self.merged.find(role)
                if problem.missing not in missing and not self.findings.tells_error(key):
                    self._report_problem(problem, at, key)
                missing |= {problem.missing} - {""}

    def _report_problem(self, said: PluginProblem, at: Location, key: str) -> None:
        if said.severity is Severity.INFO:
            self.findings.info(at, key, said.problem, said.advice, elsewhere=said.elsewhere)
            return
        report = self.findings.error if said.severity is Severity.ERROR else self.findings.warning
        report(at, key, said.problem, said.advice)

    def check_setups(self, queue: QueueConfig, check: PluginChecker) -> None:
        """Ask about the plugins that the queue lists."""
        for role in _SETUPS:
            self._check_listed(queue, role, check)

    def _check_listed(self, queue: QueueConfig, role: str, check: PluginChecker) -> None:
        """One that cannot be used keeps no queue out of service: somebody else may care for what it would do."""
        at, key = self.merged.find(role)
        for found in of_queue(queue, role, getattr(queue, role), ""):
            if isinstance(found, KeyProblem):
                self.findings.warning(at, key, found.problem, found.advice)
                continue
            for said in check(queue.queue_name, role, found.block):
                problem = said if isinstance(said, PluginProblem) else PluginProblem(said)
                words = f"{found.block.label}: {f'{problem.key}: ' if problem.key else ''}{problem.problem}"
                if problem.severity is Severity.INFO:
                    self.findings.info(at, key, words, problem.advice, elsewhere=problem.elsewhere)
                else:
                    self.findings.warning(at, key, words, problem.advice)

    def _model(self, values: Mapping[str, object]) -> QueueConfig | None:
        try:
            queue = QueueConfig.model_validate(values)
        except ValidationError as error:
            self._report_errors(error, QueueConfig.by_key(), self.merged.raw, self._find_attribute)
            return None
        self._report_lonely_limit(queue)
        self._report_lonely_extractor(queue)
        if queue.true_pilot and not queue.no_heartbeat:
            queue = queue.model_copy(update={"no_heartbeat": STATUSES_OF_TRUE_PILOT})
        return with_agreeing_limits(queue)

    def _report_errors(
        self, error: ValidationError, fields: Mapping[str, FieldInfo], written: Mapping[str, JsonValue], find: Find
    ) -> None:
        """One finding per key; a missing plugin was told before."""
        reported = {*ROLES}
        for detail in error.errors(include_url=False, include_input=False):
            key = str(detail["loc"][0])
            if key not in reported:
                reported.add(key)
                at, name = find(detail["loc"])
                self.findings.error(at, name, *wrong_value(detail, key, kind_of(fields[key]), written.get(key)))

    def _report_unknown_keys(self) -> None:
        known = {*QueueConfig.by_key(), *QueueConfig.unused, TEMPLATE_FLAG}
        blocks = [block for role in ROLES if isinstance(block := self.merged.raw.get(role), dict)]
        used = [block.get("middleware") for block in blocks]
        for key, value in self.merged.raw.items():
            is_plugin = isinstance(value, dict) and {"module", "name"} <= set(value)
            if key not in known and key not in used and not is_plugin:
                at, name = self.merged.find(key)
                self.findings.warning(at, name, *unknown_key(key, known))

    def _report_lonely_limit(self, queue: QueueConfig) -> None:
        """Workers that may wait, where `maxWorkers` lets hardly any be: the queue would look stuck."""
        if queue.max_workers or self.findings.tells_error(self.merged.find("maxWorkers")[1]):
            return
        what_follows = "no workers are made" if queue.map_type is MapType.NO_JOB else "one worker waits at a time"
        for key, limit in (
            ("nQueueLimitWorker", queue.n_queue_limit_worker),
            ("nQueueLimitWorkerMax", queue.n_queue_limit_worker_max),
        ):
            if limit:
                at, name = self.merged.find(key)
                self.findings.warning(at, name, f"maxWorkers is 0 or not set, so {what_follows}", "set maxWorkers")

    def _report_lonely_extractor(self, queue: QueueConfig) -> None:
        if queue.extractor is not None and queue.aux_preparator is None:
            at, name = self.merged.find("extractor")
            problem = "no plugin brings what it finds: jobs that need auxiliary inputs go back to the server"
            self.findings.warning(at, name, problem, 'write "aux_preparator": {"plugin": …}')

    def _report_status(self) -> None:
        status = self.merged.raw.get("queueStatus")
        if isinstance(status, str) and status.lower() not in _QUEUE_STATUSES:
            at, name = self.merged.find("queueStatus")
            near = nearest(status, _QUEUE_STATUSES) or "offline, or remove the key"
            self.findings.warning(at, name, f"{status!r} counts as online", f"write {near}")

    def _report_loose_forms(
        self, fields: Mapping[str, FieldInfo], written: Mapping[str, JsonValue], find: Find
    ) -> None:
        for key, better in better_forms(fields, written).items():
            at, name = find((key,))
            self.findings.warning(at, name, f"read as {better}", f"write {better} without quotes")

    def _limits(self) -> dict[str, int | None]:
        return {key: self._limit(key, self.merged.raw[key]) for key in LIMIT_KEYS if key in self.merged.raw}

    def _limit(self, key: str, value: JsonValue) -> int | None:
        """A limit; upstream ignored what is no integer and raised negative ones to 0."""
        if value is None:
            return 0 if key.startswith("max") else None
        at, name = self.merged.find(key)
        number = _as_integer(value)
        if number is None:
            self.findings.error(at, name, f"must be a whole number, not {shown(key, value)}", "write digits only")
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self.findings.warning(at, name, f"{shown(key, value)} is read as {number}", f"write {number}")
        if number < 0:
            self.findings.warning(at, name, f"{number} is below 0 and counts as 0", "write 0 or more")
        return max(0, number)

    def _take_block(self, role: str) -> None:
        written = self.merged.raw.get(role)
        if written is not None and not isinstance(written, dict):
            at, name = self.merged.find(role)
            self.findings.error(at, name, "the plugin block is not an object", 'write {"plugin": …}')
            return
        completed = self._completed(role, dict(written or {}))
        if written is None and not completed:
            self._report_missing(role)
            return
        if problem := identity_problem(completed):
            at, name = self.merged.find(role)
            self.findings.error(at, name, problem, 'write "module" and "name", or "plugin" alone')
            return
        weaker = {**self._told_to(role), **defaults_for(completed, self.merged.plugin_defaults), **self._common()}
        block = PluginBlock.of(completed, weaker, written or ())
        self.blocks[role] = self._behind_middleware(role, block)
        if model := CORE_KEYS.get(role):
            self._take_core_keys(role, model)

    def _told_to(self, role: str) -> Keys:
        """Another name that CRIC has for the queue; submitters tell it to workers."""
        name = self.merged.raw.get(_PANDA_QUEUE)
        return {_PANDA_QUEUE: name} if role == "submitter" and name not in {None, self.merged.name} else {}

    def _take_core_keys(self, role: str, model: type[Keyed]) -> None:
        fields = model.by_key()
        settings = self.blocks[role].settings
        stated = {key: value for key in fields if (value := settings.get(key)) is not None}
        self._report_loose_forms(fields, stated, self._find_setting(role))
        try:
            self.core[python_name(role)] = model.model_validate(stated)
        except ValidationError as error:
            self._report_errors(error, fields, stated, self._find_setting(role))

    def _find_attribute(self, path: JsonPath) -> tuple[Location, str]:
        return self.merged.find(*path)

    def _find_setting(self, role: str) -> Find:
        """Finds settings of a plugin: in its block, or the block that it is a copy of, or in `common`."""
        own = "submitter" if self._is_implied(role) else role

        def find(path: JsonPath) -> tuple[Location, str]:
            block = self.merged.raw.get(own)
            is_own = (isinstance(block, dict) and path[0] in block) or path[0] not in self._common()
            return self.merged.find(own if is_own else "common", path[0])

        return find

    def _is_implied(self, role: str) -> bool:
        """Whether the block is a copy of the submitter's."""
        return role in _SAME_RESOURCE and role not in self.merged.raw

    def _report_missing(self, role: str) -> None:
        """Monitor and sweeper are asked for only where the submitter does not imply them."""
        if role == "submitter" or (role in _SAME_RESOURCE and "submitter" in self.merged.raw):
            at, name = self.merged.find(role)
            self.findings.error(at, name, "the queue has no such plugin", f'write "{role}": {{"plugin": …}}')

    def _completed(self, role: str, block: Keys) -> Keys:
        """The block with what simple queues need not write."""
        if not any(key in block for key in IDENTITY_KEYS):
            block = {**self._default_plugin(role), **block}
        if role == "messenger":
            block = self._with_access_point(block)
        return block

    def _default_plugin(self, role: str) -> Keys:
        default: Keys = {}
        if role in _SIMPLE_PLUGINS:
            default = {"plugin": _SIMPLE_PLUGINS[role]}
        elif role in _SAME_RESOURCE:
            submitter = self.merged.raw.get("submitter")
            default = dict(submitter) if isinstance(submitter, dict) and _is_a_resource(submitter) else {}
        if default:
            at, name = self.merged.find(role)
            identity = {key: default[key] for key in IDENTITY_KEYS if key in default}
            used = " : ".join(map(str, identity.values()))
            chosen = f'"{role}": {json.dumps(identity)}'
            self.findings.info(at, name, f"not set, so {used} is used", f"write {chosen} to say so")
        return default

    def _with_access_point(self, block: Keys) -> Keys:
        stated = block.get("accessPoint", self._common().get("accessPoint"))
        if stated is None:
            at, name = self.merged.find("messenger", "accessPoint")
            place = str(self.work_dir / _ACCESS_POINT)
            self.findings.info(at, name, f"not set, so {place} is used", f'write "accessPoint": "{place}" to say so')
            return {**block, "accessPoint": place}
        at, name = self.merged.find("messenger", "accessPoint")
        if isinstance(stated, str) and stated and "${workerID}" not in stated:
            self.findings.warning(at, name, "without ${workerID} all workers share one directory", "add /${workerID}")
        return block

    def _behind_middleware(self, role: str, block: PluginBlock) -> PluginBlock:
        middleware = block.settings.get("middleware")
        if middleware is None:
            return block
        at, name = self._find_setting(role)(("middleware",))
        if not isinstance(middleware, str):
            self.findings.error(at, name, "must be the name of a block", 'write "middleware": "name of the block"')
            return block
        definition = self.merged.raw.get(middleware)
        if not isinstance(definition, dict):
            problem = f"the queue has no block {middleware}, so the plugin runs here"
            self.findings.warning(at, name, problem, f'define "{middleware}", or remove the key')
            return block
        if problem_there := identity_problem(definition):
            at, name = self.merged.find(middleware)
            self.findings.error(at, name, problem_there, 'write "module" and "name", or "plugin" alone')
            return block
        return block.behind({**defaults_for(definition, self.merged.plugin_defaults), **definition})

    def _common(self) -> Keys:
        common = self.merged.raw.get("common")
        return dict(common) if isinstance(common, dict) else {}


def _is_a_resource(submitter: Mapping[str, JsonValue]) -> bool:
    """Whether the submitter's plugin also watches and ends workers; upstream has three classes, each with a block."""
    module = submitter.get("module")
    named_by_class = isinstance(module, str) and "name" in submitter and not module.startswith(_UPSTREAM)
    return "plugin" in submitter or named_by_class


def _as_integer(value: JsonValue) -> int | None:
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value.strip()) else None
