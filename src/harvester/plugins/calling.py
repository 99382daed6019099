"""Calls plugins so that they cannot hurt the core: whatever one does, every item has an answer."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import structlog

from harvester.core.masking import masked
from harvester.core.rests import Rest

log = structlog.get_logger(__name__)

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")
OtherT = TypeVar("OtherT")

_LONGEST_REASON: Final = 300


class PluginCalls:
    """Calls verbs of plugins, and rests those that keep failing.

    A plugin that raises, or answers for more or fewer items than it was given, has answered for none of them; nor has
    one that calls `sys.exit`, which in a thread would end nothing but this call, without a word. It is not called again
    until it has rested, for longer with every failure.
    """

    def __init__(self, tick: Callable[[], float] = time.monotonic) -> None:
        self._tick = tick
        self._lock = threading.Lock()
        self._resting: dict[str, tuple[Rest, str]] = {}

    def __call__(
        self,
        verb: Callable[[Sequence[ItemT]], Sequence[AnswerT]],
        items: Sequence[ItemT],
        otherwise: Callable[[str], OtherT],
    ) -> Sequence[AnswerT | OtherT]:
        """One answer per item, in their order.

        Args:
            verb: method of a plugin.
            items: what it is given; without any it is not called.
            otherwise: makes the answer that changes nothing, from the reason why there is no other.
        """
        return self._ask(_name_of(verb), verb, items, otherwise)

    def tell(self, verb: Callable[[Sequence[ItemT]], None], items: Sequence[ItemT]) -> None:
        """Call a verb that answers nothing; whether it could be called makes no difference."""

        def told(some: Sequence[ItemT]) -> Sequence[ItemT]:
            verb(some)
            return some

        self._ask(_name_of(verb), told, items, str)

    def once(
        self,
        verb: Callable[[Sequence[ItemT]], AnswerT],
        items: Sequence[ItemT],
        otherwise: Callable[[str], OtherT],
    ) -> AnswerT | OtherT:
        """The one answer about all items together, of which there has to be one at the least."""

        def told(some: Sequence[ItemT]) -> Sequence[AnswerT]:
            return [verb(some)] * len(some)

        return self._ask(_name_of(verb), told, items, otherwise)[0]

    def _ask(
        self,
        name: str,
        verb: Callable[[Sequence[ItemT]], Sequence[AnswerT]],
        items: Sequence[ItemT],
        otherwise: Callable[[str], OtherT],
    ) -> Sequence[AnswerT | OtherT]:
        if not items:
            return ()
        if reason := self._resting_for(name):
            return [otherwise(reason)] * len(items)
        try:
            answers = verb(items)
            count = len(answers)
        except (Exception, SystemExit) as error:  # a plugin may raise anything; here it ends
            log.exception("plugin failed", plugin=name)
            reason = masked(f"{name} failed: {type(error).__name__}: {error}")[:_LONGEST_REASON]
        else:
            if count == len(items):
                self._forgive(name)
                return answers
            reason = f"{name} gave {count} answers for {len(items)} items"
            log.error("plugin failed", plugin=name, reason=reason)
        self._let_rest(name, reason)
        return [otherwise(reason)] * len(items)

    def _resting_for(self, name: str) -> str:
        with self._lock:
            rest, reason = self._resting.get(name, (Rest(), ""))
            return f"it rests after {rest.failures} failures: {reason}" if rest.until > self._tick() else ""

    def _let_rest(self, name: str, reason: str) -> None:
        with self._lock:
            rest, _ = self._resting.get(name, (Rest(), ""))
            rest.extend(self._tick())
            self._resting[name] = rest, reason

    def _forgive(self, name: str) -> None:
        with self._lock:
            self._resting.pop(name, None)


def _name_of(verb: Callable[..., object]) -> str:
    plugin = getattr(verb, "__self__", None)
    place = getattr(getattr(plugin, "context", None), "place", "queue ?")
    return f"{type(plugin).__name__}.{getattr(verb, '__name__', '?')} of {place}"
