"""Workers as processes of this machine.

`LocalResource` is imported when it is first asked for: the keepers (`keeper.py`), one beside every worker, live
in this package too and load nothing but the standard library.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harvester.plugins.local.resource import LocalResource

__all__ = ["LocalResource"]


def __getattr__(name: str) -> "type[LocalResource]":
    if name != "LocalResource":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from harvester.plugins.local.resource import LocalResource  # noqa: PLC0415 - late on purpose, see above

    return LocalResource
