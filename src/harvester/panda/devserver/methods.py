"""The table of methods: what each needs, takes and does. The handlers enter themselves by `method`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Concatenate, ParamSpec

from pydantic import JsonValue

from harvester.panda.devserver.access import Caller
from harvester.panda.devserver.answers import DATABASE_ERROR, Answer, refused
from harvester.panda.devserver.columns import DatabaseProblem
from harvester.panda.devserver.parameters import ArgumentProblem, Parameters
from harvester.panda.devserver.state import State

Handler = Callable[..., Answer]
Declared = ParamSpec("Declared")


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler knows besides its arguments.

    Attributes:
        now: the moment of the call.
        origin: scheme, host and port that the caller found this server at.
    """

    state: State
    caller: Caller | None
    now: float
    origin: str


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API; `without_database` answers while the database is down."""

    verb: str
    needs_identity: bool
    needs_production: bool
    parameters: Parameters
    handler: Handler
    without_database: Callable[[Mapping[str, JsonValue]], Answer]

    def bind(self, caller: Caller | None, verb: str, raw: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
        """Check a call in the real server's order: identity, role, HTTP method, names, casts, types.

        Raises:
            ArgumentProblem: the first check that fails.
        """
        if self.needs_identity and caller is None:
            raise ArgumentProblem("SSL secure connection is required")
        if self.needs_production and not (caller and caller.is_production):
            raise ArgumentProblem("production or pilot role required")
        if verb != self.verb:
            raise ArgumentProblem(f"expecting {self.verb}, received {verb}")
        return self.parameters.bind(raw, cast=verb == "GET")

    def run(self, call: Call, arguments: Mapping[str, JsonValue]) -> Answer:
        """Act; what the database refuses fails the call."""
        try:
            return self.handler(call, **arguments)
        except DatabaseProblem:
            return refused(DATABASE_ERROR)


METHODS: dict[str, Method] = {}
"""By `<module>/<method>`."""


def method(
    verb: str,
    path: str,
    *,
    identity: bool = True,
    production: bool = False,
    parameters: Parameters | None = None,
    without_database: Callable[[Mapping[str, JsonValue]], Answer] = lambda _: refused(DATABASE_ERROR),
) -> Callable[[Callable[Concatenate[Call, Declared], Answer]], Callable[Concatenate[Call, Declared], Answer]]:
    """Enter a handler into the table; its signature declares the arguments unless `parameters` does."""

    def enter(handler: Callable[Concatenate[Call, Declared], Answer]) -> Callable[Concatenate[Call, Declared], Answer]:
        METHODS[path] = Method(
            verb, identity, production, parameters or Parameters.of(handler), handler, without_database
        )
        return handler

    return enter
