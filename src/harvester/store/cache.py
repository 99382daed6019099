"""What was fetched from elsewhere: documents by main key and sub key, each the last good one.

A failed attempt leaves the document and its time alone, and is noted beside it.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue
from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from harvester.store.schema import cache
from harvester.store.sets import change_rows, insert_missing

NOTHING: Final = ""
"""The digest of a document that never came."""


@dataclass(frozen=True, slots=True, order=True)
class CacheKey:
    """The name of a document; most have no sub key."""

    main: str
    sub: str = ""

    def __str__(self) -> str:
        return f"{self.main}|{self.sub}" if self.sub else self.main


@dataclass(frozen=True, slots=True)
class CacheState:
    """What is known of a document without looking into it.

    Attributes:
        digest: tells one document from the next; empty if none ever came.
        refreshed_at: when the document was last seen to be so; None if none ever came.
        tried_at: when it was last asked for.
        problem: why the last attempt failed; empty if it did not.
    """

    key: CacheKey
    digest: str
    refreshed_at: datetime | None
    tried_at: datetime
    problem: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of asking for a document.

    Attributes:
        document: None if it could not be had.
        problem: why, or what else went wrong.
        is_private: it is kept elsewhere, the database only knows that there is one.
    """

    key: CacheKey
    document: JsonValue = field(default=None, repr=False)
    problem: str = ""
    is_private: bool = False


def states(connection: Connection) -> list[CacheState]:
    """All documents by key, without what they say."""
    query = select(
        cache.c.main_key, cache.c.sub_key, cache.c.digest, cache.c.refreshed_at, cache.c.tried_at, cache.c.problem
    )
    rows = connection.execute(query.order_by(cache.c.main_key, cache.c.sub_key))
    return [CacheState(CacheKey(row[0], row[1]), row[2], row[3], row[4], row[5]) for row in rows]


def documents(connection: Connection, keys: Collection[CacheKey]) -> dict[CacheKey, JsonValue]:
    """What the documents say, of those that ever came."""
    if not keys:
        return {}
    query = select(cache.c.main_key, cache.c.sub_key, cache.c.data).where(_are(keys), cache.c.data.is_not(None))
    return {CacheKey(row[0], row[1]): row[2] for row in connection.execute(query)}


def note(connection: Connection, attempts: Sequence[Attempt], now: datetime) -> None:
    """What came replaces what there was, what failed leaves it alone; each key once."""
    known = {state.key: state.digest for state in states(connection)}
    absent = [each.key for each in attempts if each.key not in known]
    rows = [{"main_key": key.main, "sub_key": key.sub, "digest": NOTHING, "tried_at": now} for key in absent]
    insert_missing(connection, cache, rows)
    changed: list[Mapping[str, object]] = []
    same: list[Mapping[str, object]] = []
    failed: list[Mapping[str, object]] = []
    for each in attempts:
        row = {"main_key": each.key.main, "sub_key": each.key.sub, "problem": each.problem}
        if each.document is None:
            failed.append(row)
        elif (digest := digest_of(each.document)) == known.get(each.key):
            same.append(row)
        else:
            changed.append({**row, "digest": digest, "data": None if each.is_private else each.document})
    change_rows(connection, cache, changed, same={"refreshed_at": now, "tried_at": now})
    change_rows(connection, cache, same, same={"refreshed_at": now, "tried_at": now})
    change_rows(connection, cache, failed, same={"tried_at": now})


def remove(connection: Connection, keys: Collection[CacheKey]) -> None:
    """Nobody asks for these documents any more."""
    if keys:
        connection.execute(delete(cache).where(_are(keys)))


def digest_of(document: JsonValue) -> str:
    """The same for equal documents, whatever the order of keys in them."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _are(keys: Collection[CacheKey]) -> ColumnElement[bool]:
    return or_(*(and_(cache.c.main_key == key.main, cache.c.sub_key == key.sub) for key in sorted(keys)))
