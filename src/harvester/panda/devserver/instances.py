"""The instance and command tables of the development server."""

from collections.abc import Mapping
from itertools import count

from pydantic import JsonValue

from harvester.panda.devserver.columns import Column, DatabaseProblem, check, stated_moment, text
from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import CommandRecord, Instance

_COLUMNS: Mapping[str, Column] = {
    "startTime": stated_moment,
    "sw_version": text(50),
    "commit_stamp": text(100),
    "description": text(200),
}
_ID_WIDTH = 50


class Instances:
    """Harvester instances, known from their first heartbeat on."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_id = {key: Instance.from_record(record) for key, record in memory.records("instance")}

    def get(self, harvester_id: str) -> Instance | None:
        """Give one instance."""
        return self._by_id.get(harvester_id)

    def all(self) -> list[Instance]:
        """Give every instance."""
        return list(self._by_id.values())

    def beat(self, harvester_id: str, data: Mapping[str, JsonValue], now: float) -> None:
        """Store a heartbeat. The first one makes the row, keeps the command locks only, and counts as failed.

        Raises:
            DatabaseProblem: it is the first one, or a column refuses its value.
        """
        known = self.get(harvester_id)
        instance = known or self._enter(harvester_id, now)
        locks = data.get("commands")
        if isinstance(locks, list):
            instance.locks = locks
        self.keep(instance)
        if known is None:
            raise DatabaseProblem("the first heartbeat")
        columns = {name: value for name, value in data.items() if name != "commands"}
        check(_COLUMNS, columns)
        instance.columns |= columns
        instance.last_beat = now
        instance.beats += 1
        self.keep(instance)

    def _enter(self, harvester_id: str, now: float) -> Instance:
        if len(harvester_id) > _ID_WIDTH:
            raise DatabaseProblem("harvester_id")
        self._memory.note(now, "instance", harvester_id, "first_heartbeat")
        instance = self._by_id[harvester_id] = Instance(harvester_id, now, now)
        return instance

    def keep(self, instance: Instance) -> None:
        """Remember an instance that was changed from outside."""
        self._memory.keep("instance", instance.harvester_id, instance.to_record())


class Commands:
    """Orders to instances; a new one with the same name replaces the old one, read or not."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_id = {int(key): CommandRecord.from_record(record) for key, record in memory.records("command")}
        self._ids = count(max(self._by_id, default=500) + 1)

    def all(self) -> list[CommandRecord]:
        """Give every command that was not replaced."""
        return sorted(self._by_id.values(), key=lambda each: each.command_id)

    def order(self, harvester_id: str, command: str, params: JsonValue, ack_requested: int, now: float) -> int:
        """Put a command in."""
        for old in self.all():
            if (old.harvester_id, old.command) == (harvester_id, command):
                del self._by_id[old.command_id]
                self._memory.forget("command", old.command_id)
                self._memory.note(now, "command", old.command_id, "replaced", command)
        fresh = CommandRecord(next(self._ids), harvester_id, command, params, ack_requested, now)
        self._by_id[fresh.command_id] = fresh
        self._change(fresh, "new", now)
        return fresh.command_id

    def take(self, harvester_id: str, n: int, now: float) -> list[CommandRecord]:
        """Give the oldest unread commands; they are never given again."""
        fresh = [each for each in self.all() if each.harvester_id == harvester_id and each.state == "new"][:n]
        for each in fresh:
            self._change(each, "retrieved", now)
        return fresh

    def acknowledge(self, command_ids: list[int], now: float) -> None:
        """Mark commands as done; unknown ids are nobody's business."""
        for each in (found for command_id in command_ids if (found := self._by_id.get(command_id))):
            self._change(each, "acknowledged", now)

    def _change(self, command: CommandRecord, state: str, now: float) -> None:
        command.state = state
        self._memory.note(now, "command", command.command_id, state, command.command)
        self._memory.keep("command", command.command_id, command.to_record())
