"""`panda_harvester.cfg` and `panda_common.cfg` as a new instance gets them: its values, and the comments of the models.

What a key means stands once, at its field; so the comments of a file that is written say what `docs/configuration.md`
says.
"""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Final

from pydantic.fields import FieldInfo

from harvester.config.fields import Section, kind_of
from harvester.core.errors import HarvesterError

_WIDTH: Final = 100

Values = Mapping[str, Mapping[str, str]]
"""What is written, by section and key."""


class UnwritableValueError(HarvesterError):
    """A value that this format cannot hold."""


def render(heading: str, models: Mapping[str, type[Section]], values: Values) -> str:
    """The text of a file.

    Args:
        heading: the first lines, a comment.
        models: the sections, in their order.
        values: the keys that are set; the others stand there as comments with their defaults.

    Raises:
        UnwritableValueError: a value cannot be written.
    """
    lines = [*_comment(heading)]
    for name, model in models.items():
        lines += ["", "", *_comment(sentence(model.__doc__)), f"[{name}]", *_keys(model, values.get(name, {}))]
    return "\n".join(lines) + "\n"


def sentence(docstring: str | None) -> str:
    """What a section is for, without its name."""
    _, _, told = (docstring or "").strip().partition(": ")
    return told[:1].upper() + told[1:]


def live_keys(model: type[Section]) -> dict[str, FieldInfo]:
    """The keys that do something in this version."""
    silent = model.idle()
    return {key: field for key, field in model.by_key().items() if key not in silent}


def _keys(model: type[Section], values: Mapping[str, str]) -> Iterator[str]:
    for key, field in live_keys(model).items():
        yield ""
        yield from _comment(" ".join((field.description or "").split()))
        if key in values:
            yield f"{key} = {_written(key, values[key])}"
        else:
            yield f"#{key} = {_default(field)}".rstrip()


def _comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="# ") or ["#"]


def _written(key: str, value: str) -> str:
    """In this format a percent sign is written twice, and a value has one line and begins with no dollar sign."""
    if not value.isprintable() or value != value.strip() or value.startswith("$"):
        raise UnwritableValueError(
            f"the value of {key} cannot be written into panda_harvester.cfg: it begins or ends with a blank, begins "
            "with $ or has several lines; choose another one"
        )
    return value.replace("%", "%%")


def _default(field: FieldInfo) -> str:
    """A default as it would be written; nothing for one that follows from other keys."""
    value = field.default
    if field.is_required() or value in (None, (), {}):
        return ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    kind = kind_of(field)
    is_text = kind is not None and kind.as_written
    return str(value) if is_text or not isinstance(value, float) else f"{value:g}"
