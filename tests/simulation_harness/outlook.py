"""When each agent has something to do next: what its regular looks at the database would tell it.

An agent looks at the database every few seconds. In days of simulated time that would be nearly all the work, and
nearly always in vain; so all agents' questions are asked in one statement, and only when the database has changed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite

from harvester.agents.base import Agent
from harvester.store.types import EPOCH, to_microseconds

AnyAgent = Agent[Any, Any]


class _Listener:
    """Stands for a connection, and keeps what it is asked."""

    def __init__(self) -> None:
        self.questions: list[str] = []

    def scalar(self, query: Select[tuple[datetime]]) -> None:
        compiled = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        self.questions.append(str(compiled))


class Outlook:
    """See the module.

    Args:
        database: the file.
        agents: one of each kind.
        version: changes with every change of the database.
    """

    def __init__(self, database: Path, agents: Iterable[AnyAgent], version: Callable[[], int]) -> None:
        self._database = sqlite3.connect(database, isolation_level=None)
        self._version = version
        self._questions = {each.name: _questions(each) for each in agents}
        columns = [question for some in self._questions.values() for question in some]
        self._statement = "SELECT " + ", ".join(f"({question})" for question in columns)
        self._known = (-1, {})
        self._told: dict[tuple[str, str], datetime] = {}

    def answer_for(self, agent: AnyAgent, process: str) -> None:
        """Let an agent of a process have its answers from here."""

        def horizon(_: Connection) -> datetime | None:
            due = self._dues().get(agent.name)
            self._told[process, agent.name] = due
            return due

        agent.horizon = horizon  # type: ignore[method-assign]

    def news(self, agent: str, process: str) -> datetime | None:
        """When an agent has something to do, unless it knows."""
        due = self._dues().get(agent)
        return None if due == self._told.get((process, agent)) else due

    def _dues(self) -> Mapping[str, datetime]:
        version, known = self._known
        if version != self._version():
            known = self._ask()
            self._known = (self._version(), known)
        return known

    def _ask(self) -> Mapping[str, datetime]:
        row = iter(self._database.execute(self._statement).fetchone())
        found = {name: [next(row) for _ in some] for name, some in self._questions.items()}
        dues = {name: [each for each in some if each is not None] for name, some in found.items()}
        return {name: EPOCH + timedelta(microseconds=min(some)) for name, some in dues.items() if some}

    def speak(self, words: Mapping[int, datetime], latest: datetime) -> None:
        """Write down until when owners of claims live, as they have said last, and how late it was for any of them."""
        rows = [(to_microseconds(until), owner) for owner, until in words.items()]
        self._database.executemany("UPDATE owners SET expires_at = ? WHERE owner_id = ?", rows)
        moment = to_microseconds(latest)
        self._database.execute("UPDATE counters SET value = ? WHERE name = 'time' AND value < ?", (moment, moment))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()


def _questions(agent: AnyAgent) -> list[str]:
    listener = _Listener()
    agent.horizon(cast("Connection", listener))
    return listener.questions
