"""Whether anything is lost, doubled or forgotten when Harvester is killed again and again in the middle of its work.

Several processes of one instance share a database and a simulated batch system. They die by SIGKILL at every named
point, in the middle of plugin calls and at random instants; a database server is killed too. What came of it is judged
by the batch system's own journal and the server's own record. The exit code is 1 if anything went wrong, or if nobody
came to a point at which somebody was to die: then the run has not shown what it was to show.
"""

import faulthandler
import random
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from crashing.judgement import Verdict, judge
from crashing.points import POINTS
from crashing.processes import TELLS_WHERE, prepare
from crashing.run import Plan, Run, prepared
from crashing.takeover import LONGEST, delays
from figures import options, tell
from scripts import start

_EXAMPLES: Final = 5


def main() -> int:
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=5000)
    parser.add_argument("--processes", type=int, default=2, help="of Harvester, at the same time")
    parser.add_argument(
        "--at", nargs="+", choices=POINTS, metavar="POINT", help="at which to die; by default all, or as many as fit"
    )
    parser.add_argument("--patience", type=float, default=60, help="seconds without progress after which all is judged")
    parser.add_argument("--keep-log", type=Path, metavar="FILE", help="where the log of the processes is left")
    parser.add_argument("--defect", metavar="MODULE", help="imported into every process before Harvester runs")
    given = parser.parse_args()
    plan = Plan(
        engine=given.engine,
        seed=given.seed,
        kills=given.kills,
        workers=given.workers,
        processes=given.processes,
        points=given.at or _some_points(given.seed, given.kills),
        patience=given.patience,
        access_points=given.access_points,
        defect=given.defect,
    )
    faulthandler.register(TELLS_WHERE)
    prepare(plan.engine)
    began = time.monotonic()
    with prepared(plan) as run:
        try:
            record = run.go()
            taken_over = sorted(delays(run.torment.starter.log, run.torment.died))
        finally:
            if given.keep_log:
                shutil.copyfile(run.torment.starter.log, given.keep_log)
    verdict = judge(record)
    for line in _story(verdict, run):
        print(line, file=sys.stderr)
    figures = {
        "engine": plan.engine,
        "seed": plan.seed,
        "kills": run.torment.done,
        "workers": len(record.batch_jobs),
        **{kind: len(faults) for kind, faults in verdict.faults.items()},
        "missed": len(run.torment.missed),
        "late_take_overs": sum(each > LONGEST for each in taken_over),
        "take_overs": len(taken_over),
        "slowest_take_over_seconds": round(max(taken_over, default=0.0), 1),
        "database_kills": len(run.torment.outages),
        "unanswered": len(verdict.unanswered),
        "unanswered_ranges": len(verdict.unanswered_ranges),
        "seconds": round(time.monotonic() - began, 1),
    }
    tell(figures, as_json=given.json)
    wrong = [*verdict.faults.values(), run.torment.surprises, run.torment.missed, figures["late_take_overs"]]
    return int(any(wrong))


def _some_points(seed: int, kills: int) -> Sequence[str]:
    """All points, unless that left no kills for random instants."""
    chance = random.Random(seed)  # noqa: S311 - nobody's secret
    return chance.sample(POINTS, min(len(POINTS), kills * 3 // 5))


def _story(verdict: Verdict, run: Run) -> list[str]:
    """What happened, for people, with a few examples of everything that went wrong."""
    torment = run.torment
    lines = [f"{number:4} killed at {cause}" for cause, number in sorted(torment.causes.items())]
    if verdict.unanswered:
        lines.append(
            f"{len(verdict.unanswered)} jobs were handed out in answers that a kill destroyed, and made up for"
        )
    if verdict.unanswered_ranges:
        lines.append(f"{len(verdict.unanswered_ranges)} event ranges likewise; they stay with the server")
    if run.workload.joined:
        lines.append(f"{run.workload.joined} jobs more were put in for a rest that makes no worker alone")
    lines += [f"never came to {point}" for point in torment.missed]
    lines += [*torment.remarks, *torment.surprises[:_EXAMPLES]]
    for kind, faults in verdict.faults.items():
        lines += [f"{kind}: {fault}" for fault in faults[:_EXAMPLES]]
        if len(faults) > _EXAMPLES:
            lines.append(f"{kind}: {len(faults) - _EXAMPLES} more")
    return lines


if __name__ == "__main__":
    start(main)
