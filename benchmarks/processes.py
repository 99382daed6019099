"""Whether more Harvester processes on one database do more, and what they lose by having to agree.

One, two and three real processes share a database server and push the same number of jobs, in several queues, through
their whole life. The time runs from the first job in the server until it has heard of the last end. The database, the
development server and all processes share the cores of this machine, so beside the speed the CPU time is told, of the
processes together and of the database: what coordination costs is what a job takes more of it than with one process.
"""

from collections.abc import Mapping
from contextlib import ExitStack, suppress

import psutil

from figures import Figures, Stopwatch, options, tell
from harvester.panda.devserver import DevControl
from harvester.service import open_database
from harvester.store import leases
from instance import Block, Site, benchmark_site, read_settings, wait_for_ends, wait_until
from judgement import judge
from lifecycle import SECTIONS
from scripts import start
from service import running_service

_PATIENCE = 300
_QUEUES = 6
QUICK: Mapping[str, Block] = {"jobfetcher": {"maxJobs": 2000, "lookupTime": 1, "sleepTime": 1}}
"""Jobs are looked for every second: they come after the start, and waiting for them is not what is measured."""


class DatabaseCpu:
    """CPU time of a database server, whose port is known."""

    def __init__(self, port: int) -> None:
        listening = (each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
        self._server = psutil.Process(next(each.pid for each in listening if each.laddr and each.laddr.port == port))

    @property
    def seconds(self) -> float:
        """Of the server and all its processes, ended ones included."""
        own = self._server.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in self._server.children():
            with suppress(psutil.NoSuchProcess):  # it has just ended: its time stands in `children_user` from now on
                times = child.cpu_times()
                total += times.user + times.system
        return float(total)


def wait_for_processes(site: Site, number: int) -> None:
    db = open_database(read_settings(site.folder / "harvester.cfg"))

    def are_up() -> bool:
        with db.read() as connection:
            return len(leases.list_owners(connection)) == number

    wait_until(are_up, f"{number} running processes", seconds=_PATIENCE)
    db.close()


def run(site: Site, processes: int, jobs: int) -> Figures:
    """The figures of one number of processes."""
    queues = {f"SHARED_{place}": site.queue("push", at_once=jobs) for place in range(_QUEUES)}
    main = site.configure(queues, {**SECTIONS, **QUICK})
    database = DatabaseCpu(int(site.database["port"]))
    with ExitStack() as running:
        services = [running.enter_context(running_service(site, main, log=f"{n}.log")) for n in range(processes)]
        wait_for_processes(site, processes)
        watch, before = Stopwatch(), sum(each.cpu_seconds for each in services)
        database_before = database.seconds
        for queue in queues:
            site.add_jobs(jobs // _QUEUES, queue)
        with DevControl(site.server) as control:
            wait_for_ends(control, jobs, seconds=_PATIENCE, pause=0.1)
        seconds = watch.seconds
        cpu_seconds = sum(each.cpu_seconds for each in services) - before
        database_seconds = database.seconds - database_before
    judge(site, workers=jobs, jobs=jobs)
    return {
        f"workers_per_second_{processes}": round(jobs / seconds, 1),
        f"cpu_seconds_per_1000_{processes}": round(1000 * cpu_seconds / jobs, 3),
        f"database_cpu_seconds_per_1000_{processes}": round(1000 * database_seconds / jobs, 3),
    }


def main() -> None:
    parser = options(__doc__, engines=["mariadb", "postgresql"])
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 3])
    arguments = parser.parse_args()
    jobs = arguments.jobs // _QUEUES * _QUEUES
    figures: dict[str, object] = {"engine": arguments.engine, "jobs": jobs}
    for number in arguments.processes:
        with benchmark_site(arguments.engine, arguments.access_points) as site:
            figures |= run(site, number, jobs)
    tell(figures, as_json=arguments.json)


if __name__ == "__main__":
    start(main)
