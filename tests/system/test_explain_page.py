"""The examples of `docs/explain.md` are what a real service says: each is provoked, asked for, and compared.

Times, ports, directories and authors differ from run to run; `HARVESTER_WRITE_PAGES=1` writes the page anew.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from system_harness.judges import local_batch_jobs
from system_harness.orders import order
from system_harness.queues import QUEUE, local_pull, local_push, some_jobs
from system_harness.site import Row, Sections, Site

pytestmark = pytest.mark.system

PAGE = Path(__file__).parents[2] / "docs" / "explain.md"
SLEEPS = ["/bin/sleep", "600"]
FAILS: Row = {"command": ["/bin/false"]}
CORES = 2
MOST = 10


@dataclass(frozen=True)
class Case:
    """One reason.

    Attributes:
        title: as on the page.
        queue: what the queue has beside the ordinary.
        says: words of the explanation that show that the reason is there.
        provoke: what happens after the start.
        push: whether Harvester fetches the jobs.
    """

    title: str
    says: str
    queue: Row = field(default_factory=dict)
    sections: Sections = field(default_factory=dict)
    provoke: Callable[[Site], None] | None = None
    push: bool = False


def pause(site: Site) -> None:
    site.told_by("queue", "pause", QUEUE, "--reason", "the file system is full", "--until", "6h")


def lose_the_server(site: Site) -> None:
    site.server.go_away()


def lose_the_resource(site: Site) -> None:
    site.until(lambda: len(local_batch_jobs(site)) == CORES, "workers run")
    ledger = site.directory / "resource" / "workers.db"
    ledger.rename(ledger.with_name("hidden"))
    ledger.mkdir()


def take_offline(site: Site) -> None:
    site.until(lambda: len(local_batch_jobs(site)) == CORES, "workers run")
    assert site.terminate() == 0
    site.take_offline()
    site.start()


def break_the_configuration(site: Site) -> None:
    site.until_logged("started")
    assert site.terminate() == 0
    queues = json.loads(site.queue_file.read_text())
    queues[QUEUE]["maxWorkers"] = "many"
    site.queue_file.write_text(json.dumps(queues))


def go_to_standby(site: Site) -> None:
    site.until(lambda: len(local_batch_jobs(site)) == MOST, "workers are there")
    known = {"nickname": QUEUE, "panda_resource": QUEUE, "status": "standby", "pilot_manager": "Harvester"}
    (site.directory / "cric.json").write_text(json.dumps({QUEUE: known}))


def let_jobs_wait(site: Site) -> None:
    site.server.control.add_jobs(some_jobs(5))
    site.until(lambda: len(local_batch_jobs(site)) == CORES, "workers run")


def let_a_job_fail(site: Site) -> None:
    site.server.control.add_jobs(some_jobs(1))


def order_workers(site: Site) -> None:
    site.until_logged("started")
    order(site, 3)
    site.until(lambda: len(local_batch_jobs(site)) == 3, "the ordered workers")


CASES = [
    Case("Enough workers wait in the batch system", "limited by nQueueLimitWorker", {"nQueueLimitWorker": 2}),
    Case("There are as many workers as there may be", "limited by maxWorkers", {"maxWorkers": 4}),
    Case("There are no jobs", "limited by the jobs that there are", push=True),
    Case(
        "New workers come a few at a time",
        "limited by maxNewWorkersPerCycle",
        {"maxNewWorkersPerCycle": 1},
        {"submitter": {"lookupTime": 3600}},
    ),
    Case("Somebody paused the queue", "the file system is full", provoke=pause),
    Case("The resource takes nothing", "nothing was taken", {"workerMaker": {"plugin": "simple", "nCore": 4}}),
    Case(
        "Jobs wait for workers", "Jobs that wait for a worker", {"maxWorkers": CORES}, provoke=let_jobs_wait, push=True
    ),
    Case("Workers fail", "Jobs that are done", {"submitter": FAILS}, provoke=let_a_job_fail, push=True),
    Case("The server does not answer", "no connection", provoke=lose_the_server, push=True),
    Case(
        "The resource cannot be asked",
        "not all workers could be checked",
        {"maxWorkers": CORES},
        provoke=lose_the_resource,
    ),
    Case("The server orders workers", "ordered", {"runMode": "slave"}, provoke=order_workers),
    Case(
        "The information system says standby",
        "standby",
        sections={"cacher": {"data": "panda_queues.json||file:{directory}/cric.json", "sleepTime": 1}},
        provoke=go_to_standby,
    ),
    Case("The queue is offline", "is not served", {"maxWorkers": CORES}, provoke=take_offline),
    Case("The configuration has an error", "has an error", {"maxWorkers": 0}, provoke=break_the_configuration),
]


def configured(site: Site, case: Case) -> None:
    queue = local_push(site) if case.push else local_pull(site)
    submitter = queue["submitter"]
    queue |= {"maxWorkers": MOST, "nQueueLimitWorker": MOST, **case.queue}
    own = case.queue.get("submitter", {})
    assert isinstance(submitter, dict)
    assert isinstance(own, dict)
    queue["submitter"] = {**submitter, "command": SLEEPS, **own, "cores": CORES}
    placed = {
        section: {key: str(value).format(directory=site.directory) for key, value in keys.items()}
        for section, keys in case.sections.items()
    }
    site.configure({QUEUE: queue}, placed)


def masked(text: str, site: Site | None = None) -> str:
    """What differs from run to run is replaced by what stands on the page."""
    if site is not None:
        text = text.replace(str(site.directory), "/home/harvester")
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-03-01 12:00:00", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-03-01 12:00 UTC", text)
    text = re.sub(r"of \d+ submissions?", "of 3 submissions", re.sub(r"\d+ (missed|failed)", r"30 \1", text))
    text = re.sub(r"test-\w+-(\d+)", r"my_harvester-\1", text)
    text = re.sub(r"by [\w.-]+@[\w.-]+ since", "by operator@edge since", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:25443", text)


def on_page(title: str) -> str:
    found = re.search(rf"## {re.escape(title)}\n.*?```console\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found, f"docs/explain.md has no example under the heading {title}"
    return found[1]


def write(title: str, text: str) -> None:
    page = PAGE.read_text()
    PAGE.write_text(page.replace(f"```console\n{on_page(title)}```", f"```console\n{text}```"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_an_example_is_what_is_said(site: Site, case: Case):
    configured(site, case)
    site.start()
    site.until_logged("started")
    if case.provoke is not None:
        case.provoke(site)
    told: list[str] = []

    def settled() -> bool:
        """The reason is there, and nothing changes any more."""
        told.append(masked(site.told_by("queue", "explain", QUEUE), site))
        return case.says in told[-1] and told[-1:] * 3 == told[-3:]

    site.until(settled, f"{case.says} in\n{told[-1:]}")
    shown = f"$ harvester queue explain {QUEUE}\n{told[-1]}"
    if os.environ.get("HARVESTER_WRITE_PAGES"):
        write(case.title, shown)
    assert on_page(case.title) == shown
