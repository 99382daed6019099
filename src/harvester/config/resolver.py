"""What the information system has to say about queues: which there are, what they are called, whether they are served.

Core reference §1.7, §2.1, §2.4 to §2.6. Pure: the facts are passed in, and where there are none nothing is decided.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import JsonValue

from harvester.config.cache_lines import QUEUE_CONFIGURATION, QUEUE_FACTS
from harvester.config.findings import Findings, Location, shown
from harvester.config.instance_sections import Qconf
from harvester.config.json_lines import JsonDocument
from harvester.config.queue_merge import RESOLVER, TEMPLATE_NAME, Attributes, Layer, MergedQueue
from harvester.config.queue_model import LIMIT_KEYS, RunMode
from harvester.core.facts import QueueBook, QueueFacts, whole_number
from harvester.core.workers import MapType

DYNAMIC: Final = "DYNAMIC"
"""In `[qconf] queueList`: the queues that the information system gives to this instance."""
_KNOWN_CLASSES: Final = ("PandaQueuesDict", "PandaQueuesDictK8s")
_OFFLINE: Final = "offline"
_AT: Final = Location(RESOLVER)
_LIMITS: Final = frozenset(LIMIT_KEYS)


@dataclass(frozen=True, slots=True)
class Resolver:
    """The decisions that `[qconf]` leaves to the information system.

    Attributes:
        book: what it says.
        is_wanted: whether a resolver is configured; without one only `pilot_version` counts.
        makes_queues: whether queues that only it names are served too.
        default_template: template of such a queue if it does not imply one.
        takes_offline: whether its status counts for queues that state none.
        pilot_version: queues with another pilot version are not served; None for no such condition.
    """

    book: QueueBook = field(default_factory=QueueBook)
    is_wanted: bool = False
    makes_queues: bool = False
    default_template: str | None = None
    takes_offline: bool = False
    pilot_version: str | None = None

    @classmethod
    def of(cls, qconf: Qconf, book: QueueBook) -> "Resolver":
        """The resolver that the main configuration asks for."""
        is_wanted = bool(qconf.resolver_module) and qconf.resolver_class in _KNOWN_CLASSES
        return cls(
            book=book,
            is_wanted=is_wanted,
            makes_queues=is_wanted and DYNAMIC in qconf.queue_list,
            default_template=qconf.default_template_queue_name,
            takes_offline=is_wanted and qconf.auto_blacklist,
            pilot_version=qconf.pilot_version,
        )

    @property
    def ours(self) -> Sequence[QueueFacts]:
        """What is to be served besides the queues that the files name."""
        return [facts for facts in self.book.by_resource.values() if facts.is_ours] if self.makes_queues else []

    def queues(self, configured: Sequence[str], findings: Findings) -> dict[str, Attributes]:
        """The queues that the information system gives to this instance, with template and limits.

        Args:
            configured: queues that the files name; they need no template.
            findings: takes what is wrong.
        """
        found: dict[str, Attributes] = {}
        for facts in self.ours:
            template = self._template(facts)
            if template or facts.resource in configured:
                stated: dict[str, JsonValue] = {TEMPLATE_NAME: template} if template else {}
                found[facts.resource] = {**stated, **_limits(facts, findings)}
            else:
                problem = "no harvester_template, and no type and workflow that would name one; the queue was left out"
                findings.error(
                    _AT, facts.resource, problem, "set [qconf] defaultTemplateQueueName, or complete the queue"
                )
        return found

    def _template(self, facts: QueueFacts) -> str | None:
        kind = "production" if facts.type == "unified" else facts.type
        implied = f"{kind}.{facts.workflow}" if kind and facts.workflow else None
        return facts.template or implied or self.default_template

    def completed(self, queue: MergedQueue) -> MergedQueue:
        """The queue with what the information system decides of it."""
        facts = self.book.find(queue.name)
        decided = {**self._name(facts), **self._status(queue, facts), **self._steering(facts)} if self.is_wanted else {}
        if not decided:
            return queue
        layer = Layer(JsonDocument(RESOLVER, {}), queue.name, decided)
        return replace(queue, raw={**queue.raw, **decided}, layers=(layer, *queue.layers))

    def why_refused(self, queue: str) -> str:
        """Why the queue is left to instances with other pilots; empty if it is not, as if nobody knows it."""
        facts = self.book.find(queue) if self.pilot_version is not None else None
        if facts is None or facts.pilot_version == self.pilot_version:
            return ""
        theirs, wanted = facts.pilot_version or "none", self.pilot_version
        return f"its pilot version is {theirs} in the information system, and {wanted} in [qconf] pilotVersion"

    def why_offline(self, queue: str) -> str:
        """Why this resolver takes the queue offline, which it does."""
        facts = self.book.find(queue)
        if facts is not None and facts.is_ours:
            return "the information system says that it is offline"
        return "the information system does not give it to this instance ([qconf] autoBlacklist)"

    @staticmethod
    def _name(facts: QueueFacts | None) -> Mapping[str, JsonValue]:
        return {"pandaQueueName": facts.name} if facts else {}

    def _status(self, queue: MergedQueue, facts: QueueFacts | None) -> Mapping[str, JsonValue]:
        if not self.takes_offline or facts is None or queue.raw.get("queueStatus") is not None:
            return {}
        return {"queueStatus": facts.status or None} if facts.is_ours else {"queueStatus": _OFFLINE}

    def _steering(self, facts: QueueFacts | None) -> Mapping[str, JsonValue]:
        """Pilots of such a queue ask for jobs themselves, and the server says how many there should be."""
        is_steered = self.makes_queues and facts is not None and facts.is_pull_ups
        return {"runMode": RunMode.SLAVE.value, "mapType": MapType.NO_JOB.value} if is_steered else {}


def report_resolver(qconf: Qconf, lines: Sequence[str], place: Callable[[str], Location], findings: Findings) -> None:
    """Tell what of `[qconf]` cannot be meant as it stands.

    Args:
        qconf: the section.
        lines: `[cacher] data`.
        place: where a key of the section stands.
        findings: takes what is wrong.
    """
    fetched = {line.partition("|")[0].strip() for line in lines}
    for key, problem, advice in (*_no_resolver(qconf), *_nothing_fetched(qconf, fetched)):
        findings.warning(place(key), f"qconf.{key}", problem, advice)


def _no_resolver(qconf: Qconf) -> Iterator[tuple[str, str, str]]:
    if qconf.resolver_module and qconf.resolver_class not in _KNOWN_CLASSES:
        problem = f"{shown('resolverClass', qconf.resolver_class)} is not known, so there is no resolver"
        yield "resolverClass", problem, f"write {_KNOWN_CLASSES[0]}"
    if qconf.resolver_module:
        return
    advice = f"set resolverModule, and resolverClass = {_KNOWN_CLASSES[0]}"
    if DYNAMIC in qconf.queue_list:
        yield "queueList", "DYNAMIC counts as ALL without a resolver", f"{advice}, or write ALL"
    if qconf.auto_blacklist:
        yield "autoBlacklist", "does nothing without a resolver", advice


def _nothing_fetched(qconf: Qconf, fetched: Collection[str]) -> Iterator[tuple[str, str, str]]:
    asking = "resolverModule" if qconf.resolver_module else "pilotVersion" if qconf.pilot_version is not None else None
    if asking and QUEUE_FACTS not in fetched:
        problem = f"nothing is known of queues: no line of [cacher] data fetches {QUEUE_FACTS}"
        yield asking, problem, f"add the line {QUEUE_FACTS}||https://…"
    if qconf.config_from_cacher and QUEUE_CONFIGURATION not in fetched:
        problem = f"there is no remote configuration: no line of [cacher] data fetches {QUEUE_CONFIGURATION}"
        yield "configFromCacher", problem, f"add {QUEUE_CONFIGURATION}||https://…"


def _limits(facts: QueueFacts, findings: Findings) -> dict[str, JsonValue]:
    """The limits among the associated parameters; one that cannot be read loses only itself."""
    stated = {key: value for key, value in facts.params.items() if key in _LIMITS and value not in (None, "")}
    numbers = {key: whole_number(value) for key, value in stated.items()}
    for key, number in numbers.items():
        if number is None:
            problem = "is no whole number and does not count"
            findings.warning(_AT, f"{facts.resource}.params.{key}", problem, "correct it in the information system")
    return {key: number for key, number in numbers.items() if number is not None}
