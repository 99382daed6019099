"""Who may ask, and what they are told."""

import json

import falcon
import pytest
from falcon.testing import TestClient

from harvester.core.clock import utc_now
from harvester.core.process_report import ProcessReport
from harvester.store.engine import Database
from harvester.web.figures import ProcessName
from harvester.web.health import Health
from harvester.web.metrics import MetricsPage
from harvester.web.monitoring import Watchers, add_routes

STUCK = ProcessReport(server_silence=1.0, stuck={"monitor": "it has done nothing for 400 s"})
WELL = ProcessReport(server_silence=1.0)


def client(db: Database, report: ProcessReport = WELL, *networks: str) -> TestClient:
    app = falcon.App()
    page = MetricsPage("u", ProcessName("h", 1), db, queues=dict, report=lambda: report, clock=utc_now)
    add_routes(app, page, Health(db, lambda: report, lambda: True), Watchers(networks))
    return TestClient(app)


@pytest.mark.shows("frontend.monitoringNetworks")
@pytest.mark.parametrize(
    ("headers", "address", "is_told"),
    [
        ({}, "127.0.0.1", True),
        ({}, "::1", True),
        ({}, "::ffff:127.0.0.1", True),
        ({}, "10.1.2.3", True),
        ({}, "192.168.0.1", False),
        ({}, "", True),
        ({}, "nonsense", False),
        ({"X-Forwarded-For": "10.1.9.9"}, "127.0.0.1", True),
        ({"X-Forwarded-For": "10.1.9.9, 192.168.0.1"}, "127.0.0.1", False),
        ({"X-Forwarded-For": "127.0.0.1"}, "192.168.0.1", False),
        ({"X-Forwarded-For": ""}, "127.0.0.1", False),
        ({"X-Forwarded-For": "192.168.0.1"}, "", False),
        ({"Forwarded": "for=10.1.2.3"}, "127.0.0.1", False),
        ({"X-Real-IP": "10.1.2.3"}, "127.0.0.1", False),
    ],
)
def test_metrics_are_for_this_host_and_networks_that_are_named(
    db: Database, headers: dict[str, str], address: str, *, is_told: bool
):
    asked = client(db, WELL, "10.1.0.0/16").simulate_get("/metrics", headers=headers, remote_addr=address)
    assert asked.status_code == (200 if is_told else 403)
    assert ("harvester_info" in asked.text) is is_told


def test_a_process_that_is_well(db: Database):
    for path, told in (
        ("/health", {"live": {"ok": True, "reasons": {}}, "ready": {"ok": True, "reasons": {}}}),
        ("/health/live", {"live": {"ok": True, "reasons": {}}}),
        ("/health/ready", {"ready": {"ok": True, "reasons": {}}}),
    ):
        asked = client(db).simulate_get(path, remote_addr="127.0.0.1")
        assert (asked.status_code, json.loads(asked.text)) == (200, told)


def test_reasons_are_for_those_who_may_see_them(db: Database):
    near = client(db, STUCK).simulate_get("/health/live", remote_addr="127.0.0.1")
    far = client(db, STUCK).simulate_get("/health/live", remote_addr="192.168.0.1")
    assert (near.status_code, far.status_code) == (503, 503)
    assert json.loads(near.text) == {"live": {"ok": False, "reasons": dict(STUCK.stuck)}}
    assert json.loads(far.text) == {"live": {"ok": False}}
    assert client(db, STUCK).simulate_get("/health").status_code == 503
    assert client(db, STUCK).simulate_get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/live"])
def test_nothing_can_be_sent_there(db: Database, path: str):
    assert client(db).simulate_post(path, body="x").status_code == 405
