"""Measurements of the service as the server takes them."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

Metrics = Mapping[str, float | Mapping[str, int]]
"""Numbers by name; `cert_lifetime` has hours by file."""

LIFETIMES: Final = "cert_lifetime"


def hours_left(span: timedelta) -> int:
    """Whole hours that a credential lasts; 0 if it has run out."""
    return max(int(span.total_seconds() // 3600), 0)


def text_of(metrics: Metrics, longest: int) -> str:
    """The measurements as JSON of at most so many characters: of very many credentials those that last long go."""
    plain = {name: dict(value) if isinstance(value, Mapping) else value for name, value in metrics.items()}
    text = json.dumps(plain)
    lifetimes = plain.get(LIFETIMES)
    while len(text) > longest and isinstance(lifetimes, dict) and lifetimes:
        soonest = sorted(lifetimes, key=lifetimes.__getitem__)[: len(lifetimes) // 2]
        plain[LIFETIMES] = lifetimes = {name: lifetimes[name] for name in soonest}
        text = json.dumps(plain)
    return text
