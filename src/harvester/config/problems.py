"""Says in an operator's words what is wrong with a value or a key."""

from collections.abc import Iterable

from pydantic import JsonValue
from pydantic_core import ErrorDetails

from harvester.config.fields import Kind
from harvester.config.findings import instead, nearest, shown
from harvester.config.json_lines import JsonPath


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
    return f"must be {words}, not {shown(key, written)}", f"write {sample}"


def _choices(error: ErrorDetails) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _plain_words(error: ErrorDetails) -> str:
    """Pydantic's own sentence, which never contains the value."""
    return error["msg"].removeprefix("Input should be ").removeprefix("Value error, ")


def later_key(until_then: str) -> tuple[str, str]:
    """Problem and advice for a key that asks for something which this version does not do."""
    problem = f"accepted, comes with a later version; until then {until_then.replace('`', '')}"
    return problem, "remove it, or wait for that version"


def doubled_key(path: JsonPath) -> tuple[str, str]:
    """Problem and advice for a key that stands twice in one JSON object."""
    return f"the key {path[-1]} is written twice, the last one counts", "keep one of the two"


def unknown_key(key: str, known: Iterable[str]) -> tuple[str, str]:
    """Problem and advice for a key that nobody reads."""
    return "nobody reads this key", instead(key, known, "remove it, or look for its name in docs/configuration.md")
