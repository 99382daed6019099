"""Values of which there are very many: one per worker, job, file or event and step."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record_type(cls: type[T]) -> type[T]:
    """A dataclass that nobody changes: the type checker sees to that.

    The interpreter does not, since a dataclass that is frozen at run time takes several times as long to make.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
