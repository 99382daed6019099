"""How fast workers go through a real Slurm, and what the same number of jobs takes as one array by hand.

A cluster of one machine is started. First an array is submitted with one `sbatch` and nobody does anything else; then
Harvester pushes as many jobs through workers of the same cluster. Both times end when the controller holds none that
waits or runs, seen from outside in the same way. When the server has heard of all ends is told too: the last checks
come at the pace that Slurm is asked with. Client processes are the Slurm commands that Harvester starts.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Figures, Stopwatch, options, peak_rss_mib, tell
from harvester.panda.devserver import DevControl
from instance import QUEUE, Site, benchmark_site, running, wait_for_ends
from judgement import judge
from lifecycle import SECTIONS
from scripts import start

_SCRIPT = Path(__file__).parents[1] / "tests" / "real" / "services" / "slurm.sh"
_START_SECONDS = 120
_PATIENCE = 600
_GLANCE = 0.5
_AT_WORK = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"}


class Cluster:
    """A running cluster; its configuration is this process's own from now on."""

    def __init__(self, conf: str) -> None:
        os.environ["SLURM_CONF"] = conf

    def run_array(self, number: int) -> None:
        """Submit an array of trivial jobs."""
        command = ["sbatch", "--quiet", f"--array=1-{number}", "--output=/dev/null", "--wrap=true"]
        subprocess.run(command, check=True, timeout=_START_SECONDS)

    def wait(self, number: int) -> None:
        """Wait until so many jobs have been submitted and all of them have ended."""
        listing = ["squeue", "--array", "--noheader", "--states=all", "--format=%T"]
        end = time.monotonic() + _PATIENCE
        while True:
            done = subprocess.run(listing, stdout=subprocess.PIPE, text=True, check=True, timeout=_START_SECONDS)
            states = done.stdout.split()
            if len(states) == number and _AT_WORK.isdisjoint(states):
                return
            if time.monotonic() > end:
                raise SystemExit(f"not all of {number} batch jobs ended within {_PATIENCE} s: {Counter(states)}")
            time.sleep(_GLANCE)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A Slurm cluster of this machine; it is stopped afterwards, and nothing of it is left.

    Raises:
        SystemExit: it is not installed or does not start; its script has said why.
    """
    place = Path(tempfile.mkdtemp(prefix="harvester-slurm-"))
    try:
        if subprocess.run([_SCRIPT, "start", place], timeout=_START_SECONDS, check=False).returncode:
            raise SystemExit("the Slurm cluster for this benchmark did not start")
        facts = dict(line.split("=", 1) for line in (place / "env").read_text().splitlines())
        yield Cluster(facts["SLURM_CONF"])
    finally:
        subprocess.run([_SCRIPT, "stop", place], timeout=_START_SECONDS, check=False)
        shutil.rmtree(place, ignore_errors=True)


def count_starts() -> Counter[str]:
    """Counts the programs that threads of Harvester start from now on; this script's own are in the main thread."""
    starts: Counter[str] = Counter()

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "subprocess.Popen" and threading.current_thread() is not threading.main_thread():
            starts[Path(str(arguments[0])).name] += 1

    sys.addaudithook(hear)
    return starts


def measure(site: Site, cluster: Cluster, number: int) -> Figures:
    by_hand = Stopwatch()
    cluster.run_array(number)
    cluster.wait(number)
    hand_seconds = by_hand.seconds
    template = site.folder / "template.sh"
    template.write_text("#!/bin/bash\n#SBATCH --ntasks={nCoreTotal}\ntrue\n")
    slurm = {"plugin": "slurm", "templateFile": str(template)}
    queue = site.queue("push", at_once=number, submitter=slurm, monitor=slurm, sweeper=slurm)
    harvester = site.harvester({QUEUE: queue}, {"jobfetcher": SECTIONS["jobfetcher"]})
    site.add_jobs(number)
    starts = count_starts()
    watch = Stopwatch()
    with running(harvester), DevControl(site.server) as control:
        cluster.wait(2 * number)
        seconds = watch.seconds
        wait_for_ends(control, number, seconds=_PATIENCE)
        told_seconds, cpu_seconds = watch.seconds, watch.cpu_seconds
    judge(site, workers=number, jobs=number)
    return {
        "workers": number,
        "seconds": round(seconds, 1),
        "workers_per_second": round(number / seconds, 1),
        "by_hand_seconds": round(hand_seconds, 1),
        "ratio_to_by_hand": round(seconds / hand_seconds, 2),
        "told_seconds": round(told_seconds, 1),
        "cpu_seconds": round(cpu_seconds, 2),
        "processes_per_1000": round(1000 * sum(starts.values()) / number, 1),
        **{f"{program}_per_1000": round(1000 * count / number, 1) for program, count in sorted(starts.items())},
        "peak_rss_mib": peak_rss_mib(),
    }


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--workers", type=int, default=1000, help="at most 1,000: what fits into one array")
    arguments = parser.parse_args()
    with running_cluster() as cluster, benchmark_site(arguments.engine, arguments.access_points) as site:
        figures = {"engine": arguments.engine, **measure(site, cluster, arguments.workers)}
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
