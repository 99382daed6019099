"""Runs every benchmark in a process of its own and writes `results.md`: `make bench`.

Short ones are run three times, and the median counts. One that fails or takes too long stands in the table with its
reason, and the exit code is 1; a target that is missed is a result like any other.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import JsonValue

from machine import facts
from scripts import figures_of, start

Figures = Mapping[str, JsonValue]
_HERE = Path(__file__).parent
_MEMORY = "/dev/shm"  # noqa: S108 (the benchmarks make directories of their own there)
_HEAD = """# Results

Written by `make bench`; [findings.md](findings.md) says what they mean, [README.md](README.md) how they came about.
Wall and CPU are seconds of what the benchmark measures, not of its preparations.
"""
_COLUMNS = "| benchmark | runs | figure | target | median | | wall | CPU |\n|---|---|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A script with its arguments.

    Attributes:
        targets: the most that a figure should be; None if it is only told.
        least: the least that a figure should be.
        on_disk: whether the access points are beside the database, wherever those of the others are.
        seconds: how long one run may take.
        runs: how often it is run.
    """

    script: str
    arguments: Sequence[str] = ()
    targets: Mapping[str, float | None] | None = None
    least: Mapping[str, float] = field(default_factory=dict)
    on_disk: bool = False
    seconds: float = 180
    runs: int = 1

    @property
    def name(self) -> str:
        """As one would type it."""
        return " ".join([self.script, *self.arguments, *(["(access points on disk)"] if self.on_disk else [])])


_LIFE = {"workers_per_second": None, "cpu_seconds_per_1000": None, "peak_rss_mib": None}
_STATEMENTS = {"statements_per_1000": None, "statements_per_1000_and_transition": 20.0}
_PULL = ("--mode", "pull", "--workers", "20000")
_PUSH = ("--mode", "push", "--workers", "20000")
_PROCESSES = {
    f"{figure}_{number}": None
    for figure in ("workers_per_second", "cpu_seconds_per_1000", "database_cpu_seconds_per_1000")
    for number in (1, 2, 3)
}
_QUEUES = ("check_seconds", "status_seconds", "idle_start_seconds", "idle_cpu_percent", "busy_workers_per_second")
_VERBS = ("nowhere", "submit", "check", "kill", "clean", "feed", "collect")
_SWEEP = ("kept_workers_per_second", "swept_workers_per_second", "swept_per_second", "longest_write_seconds")
_EXTREMES: Mapping[str, float | None] = {
    **{f"queues_{figure}": None for figure in _QUEUES},
    **{f"hang_{verb}_workers_per_second": None for verb in _VERBS},
    **{f"sweep_{figure}": None for figure in _SWEEP},
    **{f"sick_{kind}_all_told_after_seconds": None for kind in ("http_500", "hang", "slow")},
}
_SMALL = ("--queues", "1000", "--minutes", "0.5", "--rows", "100000", "--seconds", "10")
BENCHMARKS = (
    Benchmark(
        "lifecycle.py",
        _PULL,
        {**_LIFE, "cpu_seconds_per_1000": 0.5, **_STATEMENTS},
        least={"workers_per_second": 2000.0},
        runs=3,
    ),
    Benchmark("lifecycle.py", _PULL, _LIFE, on_disk=True),
    Benchmark("bare.py", _PULL, _LIFE),
    Benchmark("bare.py", _PULL, _LIFE, on_disk=True),
    Benchmark(
        "lifecycle.py",
        _PUSH,
        {**_LIFE, "cpu_seconds_per_1000": 1.5, **_STATEMENTS},
        least={"workers_per_second": 800.0},
        runs=3,
    ),
    Benchmark("lifecycle.py", _PUSH, _LIFE, on_disk=True),
    Benchmark("bare.py", _PUSH, _LIFE),
    Benchmark("bare.py", _PUSH, _LIFE, on_disk=True),
    Benchmark("monitor.py", (), {"seconds": 3.0, "first_round_seconds": None, "peak_rss_mib": None}, runs=3),
    Benchmark("monitor.py", ("--changed", "1"), {"seconds": 4.0}, runs=3),
    Benchmark("idle.py", (), {"cpu_percent": 5.0, "rss_mib": 300.0, "rounds_of_checks": None}, seconds=600),
    Benchmark(
        "latency.py",
        (),
        {
            "submitted_beyond_poll_median": 1.0,
            "worker_told_beyond_poll_median": 1.0,
            "job_told_beyond_poll_median": 1.0,
            "submitted_median": None,
            "worker_told_median": None,
        },
        seconds=400,
    ),
    Benchmark("restart.py", (), {"seconds": 3.0, "first_round_seconds": None, "peak_rss_mib": None}, runs=3),
    Benchmark("scale.py", (), {"speed_ratio": 1.3, "cpu_ratio": 1.3}, seconds=900),
    Benchmark("processes.py", ("--engine", "mariadb"), _PROCESSES, seconds=300),
    Benchmark("processes.py", ("--engine", "postgresql"), _PROCESSES, seconds=300),
    Benchmark("slurm.py", (), {"ratio_to_by_hand": 1.2, "workers_per_second": None, "processes_per_1000": None}),
    *(
        Benchmark(
            "messenger.py",
            ("--server", server),
            {"p99_ms": 20.0, "requests_per_second": None, "median_ms": None, "cpu_seconds_per_1000": None},
            least={"requests_per_second": 2000.0},
        )
        for server in ("embedded", "uwsgi")
    ),
    Benchmark("crash.py", ("--kills", "10", "--workers", "1000"), seconds=240),
    Benchmark("extremes.py", _SMALL, _EXTREMES, seconds=600),
)


def numbers(figures: Figures, prefix: str = "") -> Iterator[tuple[str, float]]:
    """All figures that are numbers, those of a part under the name of the part and their own."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name}_")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", value


def medians(runs: Sequence[Figures]) -> dict[str, float]:
    """The median of every number that all runs have told."""
    told = [dict(numbers(figures)) for figures in runs]
    return {
        name: round(median(each[name] for each in told), 3) for name in told[0] if all(name in each for each in told)
    }


def rows(benchmark: Benchmark, measured: Mapping[str, float]) -> Iterator[str]:
    """The lines of the table for one benchmark; without targets all that it tells."""
    costs = [f"{measured[each]:g}" if each in measured else "" for each in ("seconds", "cpu_seconds")]
    name = [benchmark.name, str(benchmark.runs)]
    for figure, target in (benchmark.targets or dict.fromkeys(sorted(measured))).items():
        value = measured[figure]
        least = benchmark.least.get(figure)
        is_met = value <= (value if target is None else target) and value >= (value if least is None else least)
        limit = f"≤ {target:g}" if target is not None else f"≥ {least:g}" if least is not None else ""
        verdict = ("met" if is_met else "missed") if limit else ""
        yield f"| {' | '.join([*name, figure, limit, f'{value:g}', verdict, *costs])} |"
        name, costs = ["", ""], ["", ""]


def report(benchmark: Benchmark, more: Sequence[str]) -> tuple[list[str], bool]:
    """The lines of the table, and whether the benchmark could be run and told what it should."""
    arguments = [*benchmark.arguments, *more]
    try:
        runs = [figures_of(benchmark.script, arguments, seconds=benchmark.seconds) for _ in range(benchmark.runs)]
        lines = list(rows(benchmark, medians(runs)))
        why = "" if lines else "told nothing"
    except subprocess.TimeoutExpired:
        why = f"took more than {benchmark.seconds:g} s"
    except subprocess.SubprocessError:
        why = "failed"
    except KeyError as missing:
        why = f"did not tell {missing}"
    return ([f"| {benchmark.name} | {benchmark.runs} | {why} | | | | | |"], False) if why else (lines, True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--access-points",
        metavar="DIR",
        default=_MEMORY if Path(_MEMORY).is_dir() else None,
        help="where the access points are made, unless a benchmark says that it wants them on the disk",
    )
    parser.add_argument("--only", nargs="+", metavar="SCRIPT", help="run these alone and print, write nothing")
    arguments = parser.parse_args()
    more = ["--access-points", arguments.access_points] if arguments.access_points else []
    chosen = [each for each in BENCHMARKS if not arguments.only or each.script in arguments.only]
    lines, complete = [_COLUMNS], True
    for benchmark in chosen:
        print(f"{benchmark.name} …", file=sys.stderr, flush=True)
        told, could = report(benchmark, [] if benchmark.on_disk else more)
        print("\n".join(told), file=sys.stderr, flush=True)
        lines += told
        complete = complete and could
    machine = [f"| {name} | {value} |" for name, value in facts()]
    place = f"in {arguments.access_points} where nothing else is said" if more else "beside the database"
    parts = [_HEAD, "| | |\n|---|---|", *machine, f"| access points | {place} |", "", *lines, ""]
    if not arguments.only:
        (_HERE / "results.md").write_text("\n".join(parts))
    return 0 if complete else 1


if __name__ == "__main__":
    start(main)
