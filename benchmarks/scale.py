"""Whether the lifecycle stays as fast and as cheap when the database is full of other workers.

`lifecycle.py` is run beside 1,000, 10,000, 100,000 and 300,000 rows, once all live and once all finished and kept. The
rows belong to another queue and nothing has to be done about them during the run: what live workers cost by themselves
is what `idle.py` and `monitor.py` measure. Each run has a process and a database of its own, and each size counts with
the median of its runs: the ratio of the best to the worst of single runs would be one of their noise.
"""

import argparse
from statistics import median

from figures import Figures, options, tell
from scripts import figures_of, start

KINDS = ("live", "kept")
_PATIENCE = 600


def run(kind: str, rows: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Workers per second and CPU seconds per 1,000 workers beside so many rows, medians of all runs."""
    wanted = ["--engine", arguments.engine, "--mode", arguments.mode, "--workers", str(arguments.workers)]
    wanted += [f"--{kind}", str(rows)]
    wanted += ["--access-points", arguments.access_points] if arguments.access_points else []
    runs = [figures_of("lifecycle.py", wanted, seconds=_PATIENCE) for _ in range(arguments.runs)]
    speed, cost = (
        median(float(str(figures[name])) for figures in runs) for name in ("workers_per_second", "cpu_seconds_per_1000")
    )
    return speed, cost


def measure(arguments: argparse.Namespace) -> Figures:
    figures: dict[str, object] = {"engine": arguments.engine, "mode": arguments.mode, "workers": arguments.workers}
    speeds: list[float] = []
    costs: list[float] = []
    for kind in KINDS:
        for rows in arguments.rows:
            speed, cost = run(kind, rows, arguments)
            speeds.append(speed)
            costs.append(cost)
            figures[f"workers_per_second_{rows}_{kind}"] = speed
            figures[f"cpu_seconds_per_1000_{rows}_{kind}"] = cost
    figures["speed_ratio"] = round(max(speeds) / min(speeds), 2)
    figures["cpu_ratio"] = round(max(costs) / min(costs), 2)
    return figures


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=10_000, help="that go through their life in each run")
    parser.add_argument("--mode", choices=["pull", "push"], default="pull")
    parser.add_argument("--runs", type=int, default=3, help="beside each number of rows")
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000, 300_000])
    arguments = parser.parse_args()
    tell(measure(arguments), as_json=arguments.json)


if __name__ == "__main__":
    start(main)
