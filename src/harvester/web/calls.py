"""What a worker may say at the door, and how it has to say it (plugins reference §5.3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue

from harvester.core.errors import HarvesterError
from harvester.plugins.messengers.file_names import FileNames
from harvester.plugins.tools.untrusted_files import HostileTextError, parse_json

_KEYS: Final = ("methodName", "workerID", "data")
_KNOWN: Final = frozenset({*_KEYS, "pandaID"})
_LARGEST_ID: Final = 2**63 - 1
_SHOWN: Final = 40

NameOf = Callable[[FileNames], str]


class Refusal(HarvesterError):  # noqa: N818 (an answer to the worker, and no fault of ours)
    """An answer that says no."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Manner(Enum):
    """What a method does with its file."""

    REPLACE = "write, and replace what was said before"
    ONCE = "write, unless what was said before was not read yet"
    TAKE = "read"


class Form(Enum):
    """What `data` has to be."""

    ANYTHING = "any JSON"
    OBJECT = "a JSON object"
    NUMBERS = "a list of PandaIDs"

    def fits(self, data: JsonValue) -> bool:
        """Whether the data have the form."""
        if self is Form.OBJECT:
            return isinstance(data, dict)
        if self is Form.NUMBERS:
            return isinstance(data, list) and all(type(each) is int for each in data)
        return True


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the door.

    Attributes:
        file: the file that it is about.
        of_job: whether the file may be that of one job, where jobs have directories of their own.
        opens: for a wish, the file with its answer: what is there and was taken is not given again.
        is_news: whether agents are waiting for it.
    """

    manner: Manner
    file: NameOf
    form: Form = Form.ANYTHING
    of_job: bool = False
    opens: NameOf | None = None
    is_news: bool = False


METHODS: Final[Mapping[str, Method]] = {
    "requestJobs": Method(Manner.ONCE, lambda each: each.job_request, opens=lambda each: each.job_spec, is_news=True),
    "getJobs": Method(Manner.TAKE, lambda each: each.job_spec, of_job=True),
    "requestEventRanges": Method(
        Manner.ONCE,
        lambda each: each.event_request,
        Form.OBJECT,
        opens=lambda each: each.event_ranges,
        is_news=True,
    ),
    "getEventRanges": Method(Manner.TAKE, lambda each: each.event_ranges),
    "updateJobs": Method(Manner.REPLACE, lambda each: each.attributes, Form.OBJECT, of_job=True),
    "uploadJobReport": Method(Manner.REPLACE, lambda each: each.job_report, of_job=True),
    "uploadEventOutputDump": Method(Manner.ONCE, lambda each: each.outputs, Form.OBJECT, of_job=True, is_news=True),
    "setPandaIDs": Method(Manner.REPLACE, lambda each: each.job_ids, Form.NUMBERS, is_news=True),
    "killWorker": Method(Manner.REPLACE, lambda each: each.kill, is_news=True),
    "heartbeat": Method(Manner.REPLACE, lambda each: each.heartbeat),
}
TEST: Final = "test"
"""No method, but what people ask to see whether the door is open; upstream's documents do."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, well formed.

    Attributes:
        job_id: the job that it is about; None for all, or for the worker itself.
    """

    method: str
    worker_id: int
    data: JsonValue
    job_id: int | None = None


def read_call(body: bytes) -> Call:
    """The call that a request's body is.

    Raises:
        Refusal: it is none.
    """
    try:
        content = parse_json(body, unique_keys=True)
    except HostileTextError as error:
        raise _bad(f"the request {error}") from None
    except ValueError:
        raise _bad("the request is not valid JSON") from None
    if not isinstance(content, dict):
        raise _bad("the request is not a JSON object")
    for key in _KEYS:
        if key not in content:
            raise _bad(f"{key} is not given")
    if unknown := content.keys() - _KNOWN:
        raise _bad(f"unknown key {min(unknown)[:_SHOWN]!a}")
    method = content["methodName"]
    if not isinstance(method, str):
        raise _bad("methodName is not a text")
    job_id = None if content.get("pandaID") is None else _number(content["pandaID"], "pandaID")
    return Call(method, _number(content["workerID"], "workerID"), content["data"], job_id)


def _number(value: JsonValue, key: str) -> int:
    """A number that the database can hold; older pilots write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _SHOWN:
        value = int(value)
    if type(value) is not int:
        raise _bad(f"{key} is not a whole number")
    if not 0 <= value <= _LARGEST_ID:
        raise _bad(f"{key} is out of range")
    return value


def _bad(text: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, text)
