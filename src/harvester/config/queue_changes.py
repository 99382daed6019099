"""What a new queue configuration changes, in words for the log."""

from dataclasses import dataclass

from harvester.config.queues import LoadedQueues


@dataclass(frozen=True, slots=True)
class QueueChanges:
    """Names of queues by what has become of them.

    Attributes:
        added: have a valid configuration now.
        changed: have another one.
        removed: have none any more.
        started: are served now, and were not.
        stopped: are not served any more.
    """

    added: frozenset[str]
    changed: frozenset[str]
    removed: frozenset[str]
    started: frozenset[str]
    stopped: frozenset[str]

    @classmethod
    def between(cls, last: LoadedQueues, new: LoadedQueues) -> "QueueChanges":
        """From one configuration to the next."""
        both = last.queues.keys() & new.queues.keys()
        return cls(
            added=frozenset(new.queues.keys() - last.queues.keys()),
            changed=frozenset(name for name in both if last.queues[name] != new.queues[name]),
            removed=frozenset(last.queues.keys() - new.queues.keys()),
            started=new.active - last.active,
            stopped=last.active - new.active,
        )

    def __bool__(self) -> bool:
        return any((self.added, self.changed, self.removed, self.started, self.stopped))

    @property
    def concerned(self) -> frozenset[str]:
        """Queues that are to be looked at soon."""
        return self.added | self.changed | self.started

    def words(self) -> dict[str, str]:
        """The names of each kind, few enough for a line."""
        kinds = {"added": self.added, "changed": self.changed, "removed": self.removed}
        kinds |= {"served_now": self.started, "not_served_any_more": self.stopped}
        return {kind: _few(names) for kind, names in kinds.items() if names}


def _few(names: frozenset[str], most: int = 10) -> str:
    some = sorted(names)[:most]
    rest = len(names) - len(some)
    return ", ".join(some) + (f" and {rest} more" if rest else "")
