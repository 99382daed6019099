"""Queues as operators write them, with limits that make a test quick."""

from pydantic import JsonValue

from system_harness.site import PILOT_COMMAND, Row, Site

QUEUE = "TEST_QUEUE"
MAX_WORKERS = 4
_CORES = 16
"""More than maxWorkers allows to be used, so that the limit of the queue is the one that counts."""
_PULL_WAIT = "1.5"


def local_push(
    site: Site, *, max_workers: int = MAX_WORKERS, command: list[str] | None = None, **more: JsonValue
) -> Row:
    """A queue whose pilots find their job in the access point."""
    limits = common(site, max_workers)
    place = _local(site, command or push_command(site))
    return {"mapType": "OneToOne", "nQueueLimitJob": 200, **limits, **place, **more}


def local_pull(site: Site, *, max_workers: int = MAX_WORKERS, **more: JsonValue) -> Row:
    """A queue whose pilots ask the server for a job."""
    return {"mapType": "NoJob", **common(site, max_workers), **_local(site, pull_command(site)), **more}


def push_command(site: Site) -> list[str]:
    """Starts a pilot that finds its job in the directory where it is started."""
    return [*PILOT_COMMAND, "--job-spec", "pandaJobData.out", "--journal", str(site.journal)]


def pull_command(site: Site) -> list[str]:
    """Starts a pilot that asks the server for a job."""
    asks = ["--server", site.server.url, "--queue", QUEUE, "--wait", _PULL_WAIT]
    return [*PILOT_COMMAND, *asks, "--output-dir", str(site.storage), "--journal", str(site.journal)]


def common(site: Site, max_workers: int) -> Row:
    """What queues of all resources have."""
    return {
        "maxWorkers": max_workers,
        "nQueueLimitWorker": max_workers,
        "workerMaker": {"plugin": "simple"},
        "messenger": {"plugin": "shared_file", "accessPoint": f"{site.directory}/access/${{workerID}}"},
        "preparator": {"plugin": "dummy"},
        "stager": {"plugin": "copy", "destination": str(site.storage)},
    }


def _local(site: Site, command: list[str]) -> Row:
    place: Row = {"plugin": "local", "directory": str(site.directory / "resource"), "cores": _CORES}
    words: list[JsonValue] = [*command]
    return {"submitter": {**place, "command": words}, "monitor": place, "sweeper": place}


def some_jobs(number: int, *, queue: str = QUEUE, **more: JsonValue) -> list[Row]:
    """Small jobs with an output and a log."""
    return [
        {
            "site": queue,
            "jobPars": "--primes-below 100",
            "outFiles": f"{queue}.{place}.out,{queue}.{place}.log.tgz",
            "logFile": f"{queue}.{place}.log.tgz",
            **more,
        }
        for place in range(number)
    ]
