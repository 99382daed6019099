"""Plugins that hang: healthy queues beside queues whose plugins never answer in one verb."""

import argparse
import time
from collections.abc import Mapping

from sqlalchemy import select

from extreme.healthy import BUSY, HEALTHY, measured
from figures import Figures
from harvester.core.clock import utc_now
from harvester.core.jobs import Kill
from harvester.store import schema, workers
from harvester.store.engine import Database
from instance import Site, benchmark_site, running

_VERBS: Mapping[str, Mapping[str, str]] = {
    "nowhere": {},
    "submit": {"submitter": "HangsInSubmit"},
    "check": {"monitor": "HangsInCheck"},
    "kill": {"monitor": "HangsInKill", "sweeper": "HangsInKill"},
    "clean": {"sweeper": "HangsInClean"},
    "feed": {"messenger": "HangsInFeed"},
    "collect": {"messenger": "HangsInCollect"},
}


def measure(arguments: argparse.Namespace) -> Figures:
    figures: dict[str, object] = {"hanging_queues": arguments.hanging}
    for verb in _VERBS:
        with benchmark_site(arguments.engine, arguments.access_points) as site:
            figures |= {f"{verb}_{name}": value for name, value in _measure_in(site, verb, arguments).items()}
    return figures


def _measure_in(site: Site, verb: str, arguments: argparse.Namespace) -> Figures:
    blocks: dict[str, object] = {
        role: {"module": "extreme.hanging", "name": name, **_place(site, role)} for role, name in _VERBS[verb].items()
    }
    healthy = site.queue("pull", at_once=50, **HEALTHY)
    harvester = site.harvester(
        {
            **{f"HANGS_{place}": site.queue("pull", at_once=5, **blocks) for place in range(arguments.hanging)},
            **{f"HEALTHY_{place}": healthy for place in range(5)},
        },
        BUSY,
    )
    with running(harvester, stop_seconds=2):
        time.sleep(3)
        if verb == "kill":
            _condemn(harvester.db, "HANGS_")
        with measured() as figures:
            time.sleep(arguments.seconds)
    return figures


def _place(site: Site, role: str) -> Mapping[str, str]:
    return {"accessPoint": f"{site.access_points}/${{workerID}}"} if role == "messenger" else {}


def _condemn(db: Database, prefix: str) -> None:
    table = schema.workers
    with db.write() as connection:
        ids = list(connection.scalars(select(table.c.worker_id).where(table.c.queue.startswith(prefix))))
        workers.request_kill(connection, dict.fromkeys(ids, Kill("the benchmark wants it")), utc_now(), "benchmark")
