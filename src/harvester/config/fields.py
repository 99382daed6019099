"""The kinds of values that configuration keys have, and what the models have in common."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from harvester.config.effects import Idle

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FLAG_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_SEPARATORS = re.compile(r"[,\s]+")
_JSON_MARKS = "[]\"'"


def _as_it_is(_value: JsonValue) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """What an operator has to write for a key.

    Attributes:
        words: for tables and error messages, as in "must be <words>"; empty for a choice of words.
        as_written: the value is text even where the dialect reads a number or a word.
        sample: written instead of a wrong value.
        may_be_empty: an empty value is one; otherwise it means that the key is not set.
        better: how to write a value that is accepted in another form; None if it is written well.
        is_secret: nobody must read the value who need not know it.
    """

    words: str
    as_written: bool = False
    sample: str = ""
    may_be_empty: bool = False
    better: Callable[[JsonValue], str | None] = _as_it_is
    is_secret: bool = False


def _number(value: object) -> object:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _flag(value: object) -> object:
    return _FLAG_WORDS.get(str(value).lower(), value)


def _better_flag(value: JsonValue) -> str | None:
    """A flag that is not exactly True or False is text to upstream, and any text is true there."""
    meant = _flag(value)
    return str(meant) if isinstance(meant, bool) and not isinstance(value, bool) else None


def _better_json_flag(value: JsonValue) -> str | None:
    better = _better_flag(value)
    return better and better.lower()


def better_number(value: JsonValue) -> str | None:
    """A number that is written as text in JSON."""
    return value if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _items(value: object) -> object:
    """A list as a tuple; `None` is an empty one."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else value


def _words(value: object) -> object:
    return _split(value) if isinstance(value, str) else _items(value)


def _split(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip(_JSON_MARKS) for word in _SEPARATORS.split(text))))


def _better_words(value: JsonValue) -> str | None:
    """JSON in one line is text in this dialect."""
    marked = isinstance(value, str) and any(mark in value for mark in _JSON_MARKS)
    return ", ".join(_split(str(value))) if marked else None


def _lines(value: object) -> object:
    return (value,) if isinstance(value, str) and value else _items(value or None)


def _comma_list(value: object) -> object:
    return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else _items(value)


_AT_LEAST_ZERO = Field(strict=True, ge=0, allow_inf_nan=False)

_ANY_FLAG = Annotated[bool, BeforeValidator(_flag), Field(strict=True)]

Flag = Annotated[_ANY_FLAG, Kind("True or False", sample="True or False", better=_better_flag)]
JsonFlag = Annotated[_ANY_FLAG, Kind("true or false", sample="true or false", better=_better_json_flag)]
Count = Annotated[int, Field(strict=True, ge=0), Kind("a whole number, 0 or more", sample="digits only")]
Positive = Annotated[int, Field(strict=True, ge=1), Kind("a whole number, 1 or more", sample="digits only")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535), Kind("a port number", sample="a number from 1 to 65535")]
Number = Annotated[float, BeforeValidator(_number), _AT_LEAST_ZERO, Kind("a number, 0 or more", sample="a number")]
Seconds = Annotated[float, BeforeValidator(_number), _AT_LEAST_ZERO, Kind("seconds, 0 or more", sample="60, say")]
Minutes = Annotated[float, BeforeValidator(_number), _AT_LEAST_ZERO, Kind("minutes, 0 or more", sample="10, say")]
Hours = Annotated[float, BeforeValidator(_number), _AT_LEAST_ZERO, Kind("hours, 0 or more", sample="24, say")]
Text = Annotated[str, Kind("text", as_written=True, sample="text", may_be_empty=True)]
FilePath = Annotated[str, Kind("a path", as_written=True, sample="a path")]
Url = Annotated[
    str,
    Field(pattern=r"^https?://[^/\s@][^\s@]*$"),
    Kind("a URL without user and password", as_written=True, sample="http://host:port/path or https://…"),
]
Secret = Annotated[SecretStr, Kind("a secret", as_written=True, sample="text", may_be_empty=True, is_secret=True)]
Words = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    Kind("a list of names", sample="one name per line", may_be_empty=True, better=_better_words),
]
Lines = Annotated[
    tuple[str, ...], BeforeValidator(_lines), Kind("a list", sample="one entry per line", may_be_empty=True)
]
CommaList = Annotated[
    tuple[str, ...],
    BeforeValidator(_comma_list),
    Kind("a comma-separated list", sample="a, b", may_be_empty=True),
]
PluginConfigs = Annotated[
    tuple[dict[str, JsonValue], ...],
    BeforeValidator(_items),
    Kind("a JSON list of plugins", sample='a JSON list on lines of its own, as in [{"module": …, "name": …}]'),
]


class Keyed(BaseModel):
    """A value that is written as keys.

    `unused` names keys that existing files contain and that need no value here, with the reason.
    """

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, extra="ignore", alias_generator=to_camel, use_attribute_docstrings=True
    )
    unused: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def by_key(cls) -> dict[str, FieldInfo]:
        """The field of each key, as the key is written in the file."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}

    @classmethod
    def idle(cls) -> dict[str, str]:
        """The keys that do nothing in this version and that nobody misses, each with the reason."""
        return {key: mark.reason for key, mark in cls._marks() if isinstance(mark, Idle)}

    @classmethod
    def _marks(cls) -> Iterator[tuple[str, object]]:
        return ((key, mark) for key, field in cls.by_key().items() for mark in field.metadata)


class Section(Keyed):
    """A section of the main configuration; `advice` says what to do when it is refused as a whole."""

    advice: ClassVar[str] = ""


def better_forms(fields: Mapping[str, FieldInfo], written: Mapping[str, JsonValue]) -> dict[str, str]:
    """How to write the values that are accepted, but in a form that is easily misread."""
    kinds = {key: kind for key in written if key in fields and (kind := kind_of(fields[key]))}
    return {key: better for key, kind in kinds.items() if (better := kind.better(written[key])) is not None}


def kind_of(field: FieldInfo) -> Kind | None:
    """The kind of a field's value, also of one that may be absent."""
    marked = [kind for kind in field.metadata if isinstance(kind, Kind)]
    return marked[-1] if marked else _nested_kind(field.annotation)


def _nested_kind(annotation: object) -> Kind | None:
    parts = get_args(annotation)
    marked = [part for part in parts if isinstance(part, Kind)]
    return marked[-1] if marked else next(filter(None, map(_nested_kind, parts)), None)
