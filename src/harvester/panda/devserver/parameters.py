"""The argument strictness of the real server, from one declaration per method: the handler's own signature.

The order of checks is the server's: names first, then (GET only) casts, then types. POST values are never cast.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import JsonValue


class ArgumentProblem(Exception):  # noqa: N818 - the server's message says "Argument error" or "Type error" itself
    """A call that the server refuses before its handler sees it; the text is the server's message."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared argument; `item` is the type of a list's elements."""

    name: str
    kinds: tuple[type, ...]
    default: JsonValue = None
    required: bool = False
    item: type | None = None

    def cast(self, value: JsonValue) -> JsonValue:
        """Turn the text of a GET into the declared type."""
        if list in self.kinds:
            return [self._cast_one(each, self.item) for each in (value if isinstance(value, list) else [value])]
        return self._cast_one(value, self.kinds[0])

    def _cast_one(self, value: JsonValue, kind: type | None) -> JsonValue:
        try:
            return _CASTS[kind](str(value)) if kind in _CASTS else value
        except ValueError:
            raise ArgumentProblem(
                f"Type error: '{self.name}' with value {value!r} could not be casted to type {_name(kind)}."
            ) from None

    def check(self, value: JsonValue) -> None:
        """Refuse a value of another type than declared."""
        if not isinstance(value, self.kinds):
            raise ArgumentProblem(
                f"Type error: '{self.name}' must be of type {_name(self.kinds[0])}, got {type(value).__name__}."
            )


_CASTS: Mapping[type | None, Callable[[str], JsonValue]] = {
    int: lambda text: int(float(text)),
    bool: lambda text: text.lower() in {"true", "1"},
    str: str,
}


def _name(kind: type | None) -> str:
    return kind.__name__ if kind else "object"


class Parameters:
    """All arguments of one method."""

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self._by_name = {each.name: each for each in parameters}

    @classmethod
    def of(cls, handler: Callable[..., object]) -> "Parameters":
        """Read the declaration from a handler; its first parameter is the call itself and no argument."""
        hints = get_type_hints(handler)
        _, *declared = inspect.signature(handler).parameters.values()
        return cls(_declared(each, hints[each.name]) for each in declared)

    def bind(self, raw: Mapping[str, JsonValue], *, cast: bool) -> dict[str, JsonValue]:
        """Give every declared argument its value.

        Raises:
            ArgumentProblem: with the real server's message.
        """
        for each in self._by_name.values():
            if each.required and each.name not in raw:
                raise ArgumentProblem(f"Argument error: missing a required argument: '{each.name}'")
        for name in raw:
            if name not in self._by_name:
                raise ArgumentProblem(f"Argument error: got an unexpected keyword argument '{name}'")
        bound: dict[str, JsonValue] = {}
        for name, each in self._by_name.items():
            value = raw.get(name, each.default)
            bound[name] = each.cast(value) if cast and name in raw else value
            if name in raw:
                each.check(bound[name])
        return bound


def _declared(parameter: inspect.Parameter, hint: object) -> Parameter:
    kinds, item = _kinds(hint)
    required = parameter.default is inspect.Parameter.empty
    return Parameter(parameter.name, kinds, None if required else parameter.default, required, item)


def _kinds(hint: Any) -> tuple[tuple[type, ...], type | None]:  # noqa: ANN401 - a type hint has no type
    if get_origin(hint) in {Union, UnionType}:
        parts = [_kinds(each) for each in get_args(hint)]
        kinds = tuple(kind for kinds, _ in parts for kind in kinds)
        return kinds, next((item for _, item in parts if item), None)
    if hint is None:
        return (NoneType,), None
    origin = get_origin(hint) or hint
    arguments = get_args(hint)
    item = arguments[0] if origin is list and arguments and isinstance(arguments[0], type) else None
    return (origin,), item
