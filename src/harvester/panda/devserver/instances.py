"""The instance and command tables of the development server."""

from collections.abc import Mapping
from itertools import count

from pydantic import JsonValue

from harvester.panda.devserver.memory import Memory
from harvester.panda.devserver.records import CommandRecord, Instance

_COLUMN_WIDTHS = {"startTime": 100, "sw_version": 50, "commit_stamp": 100, "description": 200}
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

    def beat(self, harvester_id: str, data: Mapping[str, JsonValue], now: float) -> bool:
        """Store a heartbeat. The first one makes the row, keeps the command locks only, and counts as failed."""
        if len(harvester_id) > _ID_WIDTH:
            return False
        instance = self._by_id.get(harvester_id)
        locks = data.get("commands")
        is_first = instance is None
        if instance is None:
            instance = self._by_id[harvester_id] = Instance(harvester_id, now, now)
            self._memory.note(now, "instance", harvester_id, "first_heartbeat")
        if isinstance(locks, list):
            instance.locks = locks
        columns = {name: value for name, value in data.items() if name != "commands"}
        fits = all(name in _COLUMN_WIDTHS and len(str(v)) <= _COLUMN_WIDTHS[name] for name, v in columns.items())
        if not is_first and fits:
            instance.columns |= columns
            instance.last_beat = now
            instance.beats += 1
        self.keep(instance)
        return fits and not is_first

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
