"""Any of several processes answers for all of them."""

import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from real_services import EmptyDatabase
from system_harness.door import door_section
from system_harness.queues import QUEUE, local_push
from system_harness.site import Site

pytestmark = [pytest.mark.system, pytest.mark.real]


def test_one_of_several_processes_tells_of_all(site: Site, mariadb: EmptyDatabase):
    where = mariadb
    login = {"user": where.user, "password": where.password, "schema": where.name}
    section = {**door_section(site), "enable": True}
    database = {"engine": "mariadb", "host": where.host, "port": where.port, **login}
    site.configure({QUEUE: local_push(site)}, {"db": database, "frontend": section})
    site.start("--processes", "2")

    def processes() -> set[str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{section['portNumber']}/metrics", timeout=20) as answer:
                families = text_string_to_metric_families(answer.read().decode())
        except OSError:
            return set()
        samples = (each for family in families for each in family.samples)
        return {each.labels["process"] for each in samples if each.name == "harvester_agent_rounds_total"}

    site.until(lambda: len(processes()) == 2, "both processes are told of")
    assert site.terminate() == 0
