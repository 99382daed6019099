"""What CRIC, the information system, says of PanDA queues (core reference Appendix C, panda-protocol §14).

Read from a document that nobody vouches for: a field that cannot be true is unknown, an entry that cannot be used loses
only itself. Sizes are those of the whole queue slot: what CRIC gives per core is multiplied here, once.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_OURS: Final = "Harvester"
_UNIFIED: Final = "ucore"
_PULL_UPS: Final = "pull_ups"
_WORD: Final = re.compile(r"\w+")
_DIGITS: Final = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_LARGEST: Final = 2**53
_LONGEST_NAME: Final = 190
_LONGEST_TEXT: Final = 2000


@dataclass(frozen=True, slots=True)
class ComputingElement:
    """One entrance to the resource of a queue; texts are empty where nothing is said.

    Attributes:
        endpoint: host and, if said, port.
        flavour: `arc-ce`, `htcondor-ce`, `cream-ce`, …
        state: `ACTIVE` if it may be used.
        queue_id: its number in the information system; None if unknown.
    """

    endpoint: str
    flavour: str = ""
    state: str = ""
    queue_name: str = ""
    queue_id: int | None = None
    job_manager: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One PanDA queue as the information system describes it; texts are empty and numbers None where it is silent.

    Attributes:
        name: the PanDA queue (`nickname`).
        resource: the PanDA resource.
        is_ours: whether this instance is the one that serves it.
        status: `online`, `offline`, `test`, `brokeroff`, `pause`, …
        type: kind of work, such as `production` or `unified`.
        template: `harvester_template`, the template of its queue configuration.
        is_unified: takes all kinds of jobs, whatever cores and memory they need (`ucore`).
        is_grandly_unified: takes production and analysis alike.
        is_pull_ups: its pilots ask for jobs themselves, and the server says how many pilots there should be.
        core_count: cores of a slot.
        max_rss: MB of memory of a slot.
        min_rss: MB of memory that it has at least.
        mean_rss: MB of memory of a slot on average.
        max_wdir: MB of scratch space of a slot.
        max_time: seconds that a worker may take.
        has_core_attributes: CRIC gives memory and space per core (`per_core_attr`); here they are of a slot already.
        uses_max_ram: workers ask for all the memory of a slot (`useMaxRam`).
        catchall: all free words.
        resource_type: `gpu` asks for a GPU.
        params: associated parameters, such as limits.
        raw: the whole entry as it came, for plugins that read fields of their own.
    """

    name: str
    resource: str
    is_ours: bool = False
    status: str = ""
    type: str = ""
    workflow: str = ""
    template: str = ""
    is_unified: bool = False
    is_grandly_unified: bool = False
    is_pull_ups: bool = False
    core_count: int | None = None
    max_rss: int | None = None
    min_rss: int | None = None
    mean_rss: int | None = None
    max_wdir: int | None = None
    max_time: int | None = None
    has_core_attributes: bool = False
    uses_max_ram: bool = False
    catchall: frozenset[str] = frozenset()
    site: str = ""
    resource_type: str = ""
    pilot_version: str = ""
    python_version: str = ""
    elements: tuple[ComputingElement, ...] = ()
    params: Mapping[str, object] = field(default_factory=dict, repr=False)
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    def number(self, param: str) -> int | None:
        """A whole number among the associated parameters; None if it is not said."""
        return whole_number(self.params.get(param))


@dataclass(frozen=True, slots=True)
class QueueBook:
    """All queues of one document.

    Attributes:
        by_name: by PanDA queue.
        by_resource: by PanDA resource, of which several queues may share one; the first in the document stands for it.
        problems: entries that were left out, with the reason.
    """

    by_name: Mapping[str, QueueFacts] = field(default_factory=dict, repr=False)
    by_resource: Mapping[str, QueueFacts] = field(default_factory=dict, repr=False)
    problems: Mapping[str, str] = field(default_factory=dict)

    def find(self, queue: str) -> QueueFacts | None:
        """What is said of a queue of the configuration: of the PanDA resource, else queue, of its name or site name."""
        site = queue.partition("/")[0]
        for name in (queue, site):
            if found := self.by_resource.get(name) or self.by_name.get(name):
                return found
        return None


def read_queues(document: object, harvester_id: str) -> QueueBook:
    """The queues of `panda_queues.json`; entries that cannot be used are told as problems.

    Args:
        document: any JSON.
        harvester_id: this instance, which serves the queues that name it.
    """
    if not isinstance(document, Mapping):
        return QueueBook(problems={"": "must be a JSON object of queues"})
    found: dict[str, QueueFacts] = {}
    problems: dict[str, str] = {}
    for key, entry in document.items():
        problem = _problem_of(key, entry)
        if problem:
            problems[str(key)[:_LONGEST_NAME]] = problem
        else:
            found[key] = _facts(key, entry, harvester_id)
    by_resource = {facts.resource: facts for facts in reversed(found.values())}
    return QueueBook(found, by_resource, problems)


def whole_number(value: object) -> int | None:
    """A whole number, written as a number or as text; None for anything else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value.strip().partition(".")[0])
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and isinstance(value, int) and abs(value) <= _LARGEST else None


def _problem_of(key: object, entry: object) -> str:
    if not isinstance(entry, Mapping):
        return "must be a JSON object"
    nickname = entry.get("nickname")
    if not isinstance(key, str) or not key or len(key) > _LONGEST_NAME:
        return f"a name has 1 to {_LONGEST_NAME} characters"
    if nickname != key:
        return f"its nickname is {_text(nickname)!r}, which must be the name that it stands under"
    return ""


def _facts(name: str, entry: Mapping[str, object], harvester_id: str) -> QueueFacts:
    words = frozenset(_WORD.findall(_text(entry.get("catchall"))))
    cores = _positive(entry.get("corecount"))
    times = (cores or 1) if "per_core_attr" in words else 1
    kind, workflow = _text(entry.get("type")), _text(entry.get("workflow"))
    is_unified = _text(entry.get("capability")) == _UNIFIED
    params = entry.get("params")
    return QueueFacts(
        name=name,
        resource=_text(entry.get("panda_resource"))[:_LONGEST_NAME] or name,
        is_ours=entry.get("pilot_manager") == _OURS and entry.get("harvester") == harvester_id,
        status=_text(entry.get("status")).lower(),
        type=kind,
        workflow=workflow,
        template=_text(entry.get("harvester_template")),
        is_unified=is_unified,
        is_grandly_unified="grandly_unified" in words or kind == "unified",
        is_pull_ups=is_unified and workflow == _PULL_UPS,
        core_count=cores,
        max_rss=_times(entry.get("maxrss"), times),
        min_rss=_times(entry.get("minrss"), times),
        mean_rss=_positive(entry.get("meanrss")),
        max_wdir=_times(entry.get("maxwdir"), times),
        max_time=_positive(entry.get("maxtime")),
        has_core_attributes="per_core_attr" in words,
        uses_max_ram="useMaxRam" in words,
        catchall=words,
        site=_text(entry.get("panda_site")),
        resource_type=_text(entry.get("resource_type")),
        pilot_version=_text(entry.get("pilot_version")),
        python_version=_text(entry.get("python_version")),
        elements=_elements(entry.get("queues")),
        params=params if isinstance(params, Mapping) else {},
        raw=entry,
    )


def _elements(value: object) -> tuple[ComputingElement, ...]:
    entries = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
    return tuple(_element(each) for each in entries if isinstance(each, Mapping) and _text(each.get("ce_endpoint")))


def _element(entry: Mapping[str, object]) -> ComputingElement:
    return ComputingElement(
        endpoint=_text(entry.get("ce_endpoint")),
        flavour=_text(entry.get("ce_flavour")).lower(),
        state=_text(entry.get("ce_state")).upper(),
        queue_name=_text(entry.get("ce_queue_name")),
        queue_id=whole_number(entry.get("ce_queue_id")),
        job_manager=_text(entry.get("ce_jobmanager")),
        version=_text(entry.get("ce_version")),
    )


def _text(value: object) -> str:
    """Text of bounded length; a number is taken as it is written, anything else is nothing."""
    is_plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    return str(value).strip()[:_LONGEST_TEXT] if is_plain else ""


def _positive(value: object) -> int | None:
    """A size; 0 and less mean that it is not known."""
    number = whole_number(value)
    return number if number is not None and number > 0 else None


def _times(value: object, factor: int) -> int | None:
    size = _positive(value)
    return None if size is None else min(size * factor, _LARGEST)
