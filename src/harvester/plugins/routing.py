"""Plugins of a queue whose configuration has changed while it had work: each worker is dealt with by its own.

Agents do not notice: a routed plugin takes the list that any plugin takes and hands each worker to the plugin of the
version that it was made with. There are none where all versions in use make the same plugin.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import JsonValue

from harvester.core.workers import Worker
from harvester.plugins.api import (
    Assignment,
    CheckOutcome,
    Done,
    EventFeed,
    Failed,
    Grade,
    Later,
    Messenger,
    News,
    Plugin,
    PluginContext,
    PluginSettings,
    Refused,
    Resource,
    Search,
    SubmitOutcome,
    Submitted,
    Unclear,
    Unknown,
)
from harvester.plugins.calling import PluginCalls
from harvester.plugins.registry import UnusablePluginError

PluginT = TypeVar("PluginT", bound=Plugin[PluginSettings])
ItemT = TypeVar("ItemT", Worker, Assignment, EventFeed)
AnswerT = TypeVar("AnswerT")
OtherT = TypeVar("OtherT")

_NO_SETTINGS: Final = PluginSettings()


@dataclass(frozen=True, slots=True)
class Routes(Generic[PluginT]):
    """The plugins of one queue and role.

    Attributes:
        by_version: the plugin of each version that work may have, None being the present one; a text stands for one
            that cannot be had, and says why.
        calls: contain what the plugins raise, those of each version apart.
    """

    by_version: Mapping[int | None, PluginT | str]
    calls: Callable[[int | None], PluginCalls]

    @property
    def present(self) -> PluginT:
        """The plugin of the present configuration.

        Raises:
            UnusablePluginError: it cannot be had.
        """
        plugin = self.by_version[None]
        if isinstance(plugin, str):
            raise UnusablePluginError(plugin)
        return plugin

    @property
    def able(self) -> list[PluginT]:
        """All that can be had."""
        return [each for each in self.by_version.values() if not isinstance(each, str)]

    def split(self, items: Sequence[ItemT]) -> dict[int | None, list[int]]:
        """Which of the items belong to which version, by place in the list; unknown versions count as the present."""
        places: dict[int | None, list[int]] = {}
        for place, item in enumerate(items):
            version = _worker_of(item).config_version
            places.setdefault(version if version in self.by_version else None, []).append(place)
        return places

    def ask(
        self,
        verb: Callable[[PluginT], Callable[[Sequence[ItemT]], Sequence[AnswerT]]],
        items: Sequence[ItemT],
        *,
        failing: Callable[[str], OtherT],
        missing: Callable[[str], OtherT] | None = None,
    ) -> list[AnswerT | OtherT]:
        """One answer per item, in their order.

        Args:
            verb: the method of a plugin.
            items: what is asked about.
            failing: makes the answer where a plugin fails.
            missing: makes the answer where there is no plugin; None for the same.
        """
        answers: dict[int, AnswerT | OtherT] = {}
        for version, places in self.split(items).items():
            plugin, some = self.by_version[version], [items[place] for place in places]
            if isinstance(plugin, str):
                answers |= dict.fromkeys(places, (missing or failing)(plugin))
            else:
                answers |= zip(places, self.calls(version)(verb(plugin), some, failing), strict=True)
        return [answers[place] for place in range(len(items))]


def _worker_of(item: Worker | Assignment | EventFeed) -> Worker:
    return item if isinstance(item, Worker) else item.worker


class RoutedResource(Resource[PluginSettings]):
    """Resources of several versions as one."""

    grade = Grade.SEARCHABLE

    def __init__(self, routes: Routes[Resource[PluginSettings]], context: PluginContext) -> None:
        super().__init__(_NO_SETTINGS, context)
        self._routes = routes
        able = routes.able
        self.poll_seconds = max((each.poll_seconds for each in able), default=Resource.poll_seconds)  # type: ignore[misc]  # each has its own
        self.settle_seconds = max((each.settle_seconds for each in able), default=Resource.settle_seconds)  # type: ignore[misc]  # likewise

    @property
    def endpoint(self) -> str:
        """A place of its own: nobody else's workers are asked about here."""
        places = dict.fromkeys(each.endpoint for each in self._routes.able)
        return f"queue {self.context.queue}: {', '.join(places)}"

    def submit(self, workers: Sequence[Worker]) -> Sequence[SubmitOutcome]:
        """By version."""
        return self._routes.ask(lambda each: each.submit, workers, failing=Unclear, missing=Refused)

    def find(self, workers: Sequence[Worker]) -> Search:
        """The searches of all versions together; complete if all are."""
        found: dict[str, Submitted] = {}
        gaps: list[str] = []
        for version, places in self._routes.split(workers).items():
            search = self._search(version, [workers[place] for place in places])
            found |= search.found
            gaps += [] if search.complete else [search.reason]
        return Search(found, not gaps, "; ".join(gaps))

    def _search(self, version: int | None, workers: Sequence[Worker]) -> Search:
        plugin = self._routes.by_version[version]
        if isinstance(plugin, str):
            return _no_search(plugin)
        if plugin.grade is Grade.BLIND:
            return _no_search("the resource keeps no marker, so nobody can tell")
        return self._routes.calls(version).once(plugin.find, workers, _no_search)

    def check(self, workers: Sequence[Worker]) -> Sequence[CheckOutcome]:
        """By version."""
        return self._routes.ask(lambda each: each.check, workers, failing=Unknown)

    def kill(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.kill, workers, failing=Later)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.clean, workers, failing=Later)

    def harmless(self, directory: Path) -> Mapping[str, JsonValue] | None:
        """That of the present configuration, which new workers are submitted with."""
        return self._routes.present.harmless(directory)


def _no_search(reason: str) -> Search:
    return Search({}, complete=False, reason=reason)


class RoutedMessenger(Messenger[PluginSettings]):
    """Messengers of several versions as one; new workers get the access point of the present one."""

    def __init__(self, routes: Routes[Messenger[PluginSettings]], context: PluginContext) -> None:
        super().__init__(_NO_SETTINGS, context)
        self._routes = routes

    def access_point_template(self) -> str:
        """That of the present configuration."""
        return self._routes.present.access_point_template()

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.feed, assignments, failing=Later)

    def feed_running(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.feed_running, assignments, failing=Later)

    def untaken(self, workers: Sequence[Worker]) -> Sequence[Collection[int] | Later]:
        """By version."""
        return self._routes.ask(lambda each: each.untaken, workers, failing=Later)

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        """By version."""
        return self._routes.ask(lambda each: each.collect, workers, failing=_unreadable)

    def acknowledge(self, workers: Sequence[Worker]) -> None:
        """By version."""
        for version, places in self._routes.split(workers).items():
            plugin = self._routes.by_version[version]
            if not isinstance(plugin, str):
                self._routes.calls(version).tell(plugin.acknowledge, [workers[place] for place in places])

    def feed_events(self, feeds: Sequence[EventFeed]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.feed_events, feeds, failing=Later)

    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.finish, assignments, failing=Later)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """By version."""
        return self._routes.ask(lambda each: each.clean, workers, failing=Later)


def _unreadable(reason: str) -> News:
    return News(problem=reason)
