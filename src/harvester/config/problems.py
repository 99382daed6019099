"""Says in an operator's words what is wrong with a value or a key."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import JsonValue
from pydantic_core import ErrorDetails

from harvester.config.fields import Kind
from harvester.config.findings import instead, nearest, shown
from harvester.config.json_lines import JsonPath


@dataclass(frozen=True, slots=True)
class KeyProblem:
    """What is wrong with a key that is accepted all the same, or with a part of its value.

    Attributes:
        key: of its section or queue.
        is_grave: whether it must not be accepted, since only whoever wrote it knows what was meant.
    """

    key: str
    problem: str
    advice: str
    is_grave: bool = False


_WANTED = {
    "int_": "a whole number",
    "float_": "a number",
    "decimal_": "a number",
    "bool_": "true or false",
    "string_type": "text",
    "path_type": "a path",
    "dict_type": "an object, such as {…}",
    "mapping_type": "an object, such as {…}",
    "tuple_type": "a list, such as […]",
    "list_type": "a list, such as […]",
    "finite_number": "a number",
}
"""What to write, by how pydantic calls the kind of mistake."""
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
    "too_short": ("min_length", "at least {} long"),
    "too_long": ("max_length", "at most {} long"),
}
"""The same for bounds, with the key under which pydantic tells the bound."""
_SHORTEST_WORD = 3
_COMMENT_BEHIND = re.compile(r"\s[#;]")
NO_COMMENT_BEHIND = "this format has no comments behind a value, put it into a line of its own"


def has_comment_behind(text: str) -> bool:
    """Whether something that looks like a comment stands behind a value, which makes it part of the value."""
    return _COMMENT_BEHIND.search(text) is not None


def wrong_value(error: ErrorDetails, key: str, kind: Kind | None, written: JsonValue) -> tuple[str, str]:
    """Problem and advice for a value that its model refuses.

    Args:
        error: what pydantic says.
        key: the key as written, to know whether its value may be shown.
        kind: what should be written.
        written: the value found.
    """
    if not (kind and kind.words) and error["type"] in {"literal_error", "enum"}:
        expected = _choices(error)
        near = nearest(str(written), expected)
        return f"{shown(key, written)} is none of {', '.join(expected)}", f"write {near or ' or '.join(expected)}"
    words = kind.words if kind else _plain_words(error)
    sample = (kind.sample if kind else "") or words
    if isinstance(written, str) and has_comment_behind(written):
        sample += "; " + NO_COMMENT_BEHIND
    return f"must be {words}, not {shown(key, written)}", f"write {sample}"


def _choices(error: ErrorDetails) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _plain_words(error: ErrorDetails) -> str:
    """What is wanted, else pydantic's own sentence, which never contains the value."""
    if error["type"] in _BOUNDS:
        key, words = _BOUNDS[error["type"]]
        return words.format(error.get("ctx", {}).get(key, "?"))
    own = error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return next((words for start, words in _WANTED.items() if error["type"].startswith(start)), own)


def doubled_key(path: JsonPath) -> tuple[str, str]:
    """Problem and advice for a key that stands twice in one JSON object."""
    return f"the key {path[-1]} is written twice, the last one counts", "keep one of the two"


def unknown_key(key: str, known: Iterable[str]) -> tuple[str, str]:
    """Problem and advice for a key that nobody reads; one with a word more or less is another key, and no slip."""
    like = [each for each in known if not _differ_by_a_word(key.lower(), each.lower())]
    return "nobody reads this key", instead(key, like, "remove it, or look for its name in docs/configuration.md")


def _differ_by_a_word(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return longer.startswith(shorter) and len(longer) - len(shorter) >= _SHORTEST_WORD
