"""What the workload of the crash benchmark puts in so that a run can come to its end."""

from collections import Counter
from pathlib import Path

import pytest

from crashing.workload import Workload
from databases import sqlite_section
from harvester.panda.devserver import DevControl, DevServer
from harvester.panda.devserver.records import Job
from instance import Site


def waiting(*queues: str) -> list[Job]:
    return [
        Job(number, queue, "managed", "SCORE", 1000, 1, 0.0, {}, status="starting", sub_status="prepared")
        for number, queue in enumerate(queues)
    ]


@pytest.mark.parametrize(
    ("left", "joined"),
    [
        (["SHARED"], {"SHARED": 1}),
        (["SHARED", "SHARED"], {}),
        (["SHARED", "PUSH", "SHARED", "SHARED", "LATE"], {"SHARED": 1}),
        (["PUSH", "LATE", "DIVIDED"], {}),
    ],
)
def test_only_a_rest_that_makes_no_worker_gets_company(tmp_path: Path, left: list[str], joined: dict[str, int]):
    with DevServer() as server, DevControl(server.url) as control:
        site = Site(tmp_path, tmp_path, server.url, sqlite_section(tmp_path))
        workload = Workload(site, control, tmp_path / "batch.db", seed=1, workers=100)
        workload.join(waiting(*left))
        assert Counter(str(job["site"]) for job in control.jobs()) == joined
        assert workload.joined == sum(joined.values())
