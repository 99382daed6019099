"""The columns of the server's tables, as strict as PostgreSQL is about them."""

from collections.abc import Callable, Mapping
from datetime import datetime

from pydantic import JsonValue

Column = Callable[[JsonValue], bool]
"""Whether a value fits."""


class DatabaseProblem(Exception):  # noqa: N818 - what the database would have said
    """A value that the database refuses; the call fails here, what came before it is stored."""


def check(columns: Mapping[str, Column], row: Mapping[str, JsonValue]) -> None:
    """Refuse a row with a column that is none or a value that does not fit; null fits everywhere.

    Raises:
        DatabaseProblem: names the column.
    """
    for name, value in row.items():
        column = columns.get(name)
        if column is None or not (value is None or column(value)):
            raise DatabaseProblem(name)


def text(width: int) -> Column:
    """A text, or what can be written as one, of at most `width` characters."""
    return lambda value: not isinstance(value, list | dict) and len(str(value)) <= width


def number(value: JsonValue) -> bool:
    """An integer; nothing is cast."""
    return type(value) is int


def moment(*forms: str) -> Column:
    """A text in one of these forms of `strptime`."""
    return lambda value: any(_is_in(form, str(value)) for form in forms)


def _is_in(form: str, value: str) -> bool:
    try:
        datetime.strptime(value, form)  # noqa: DTZ007 - the wire has naive UTC
    except ValueError:
        return False
    return True


plain_moment = moment("%Y-%m-%d %H:%M:%S")
precise_moment = moment("%Y-%m-%d %H:%M:%S.%f")
stated_moment = moment("datetime/%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")
"""What instances and workers say; with the prefix, the fraction is mandatory."""
