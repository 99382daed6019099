"""A service is watched over: by Prometheus, by a load balancer, and by an operator without either."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from system_harness.door import door_section
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system


def get(section: Mapping[str, object], path: str) -> tuple[int, str]:
    """Status and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{section['portNumber']}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def figures(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(text)
    return {(each.name, frozenset(each.labels.items())): each.value for family in families for each in family.samples}


def test_figures_and_health_of_a_service_at_work(site: Site):
    section = {**door_section(site), "enable": True}
    site.configure({QUEUE: local_push(site)}, {"frontend": section})
    site.server.go_away()
    site.start()
    site.until_logged("the door is open")
    status, text = get(section, "/health")
    assert (status, json.loads(text)) == (
        503,
        {
            "live": {"ok": True, "reasons": {}},
            "ready": {"ok": False, "reasons": {"server": "the PanDA server has not answered since the process began"}},
        },
    )
    assert get(section, "/health/live")[0] == 200
    site.server.come_back()
    site.until(lambda: get(section, "/health/ready")[0] == 200, "the service is ready")
    site.server.control.add_jobs(some_jobs(MAX_WORKERS))
    site.until_jobs_end()

    def workers() -> float:
        told = figures(get(section, "/metrics")[1])
        return sum(
            each for (name, labels), each in told.items() if name == "harvester_workers" and ("queue", QUEUE) in labels
        )

    site.until(lambda: workers() == MAX_WORKERS, "the metrics tell of all workers")
    found = figures(get(section, "/metrics")[1])
    names = {name for name, _ in found}
    assert {
        "harvester_process_cpu_seconds_total",
        "harvester_agent_rounds_total",
        "harvester_server_calls_total",
    } <= names
    assert found["harvester_database_up", frozenset()] == 1
    site.until(lambda: site.call("status", "--health").exit_code == 0, "the database tells that all is well")
    assert "live: yes, ready: yes" in site.call("status", "--health").stdout
    assert site.terminate() == 0
    assert site.call("status", "--health").exit_code == 1
