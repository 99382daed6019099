"""Harvester at its extremes: ten thousand queues, plugins that hang, a million finished rows, a sick server."""

import argparse
from collections.abc import Callable, Mapping

from extreme import hang, queues, sick, sweep
from figures import Figures, options, tell
from scripts import start

_EXTREMES: Mapping[str, Callable[[argparse.Namespace], Figures]] = {
    "queues": queues.measure,
    "hang": hang.measure,
    "sweep": sweep.measure,
    "sick": sick.measure,
}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--only", choices=_EXTREMES, action="append", help="one extreme; may be given more than once")
    parser.add_argument("--queues", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=2, help="how long the queues are watched")
    parser.add_argument("--hanging", type=int, default=5, help="queues whose plugins hang")
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished workers")
    parser.add_argument("--sweep-at-most", type=int, default=100_000, help="workers to be swept before the count ends")
    parser.add_argument("--reports", type=int, default=20_000, help="reports that are due while the server is sick")
    parser.add_argument("--seconds", type=float, default=30, help="how long everything else is watched")
    arguments = parser.parse_args()
    figures = {name: dict(_EXTREMES[name](arguments)) for name in arguments.only or _EXTREMES}
    tell({"engine": arguments.engine, **figures}, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
