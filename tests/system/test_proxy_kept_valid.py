"""The first proxy of a new host comes before the first call; one that cannot be renewed serves as long as it lasts."""

import json
import stat
import subprocess
from pathlib import Path

import pytest

from system_harness.judges import judge, local_batch_jobs
from system_harness.queues import MAX_WORKERS, QUEUE, local_push, some_jobs
from system_harness.site import Site
from system_harness.voms import Voms

pytestmark = pytest.mark.system

JOBS = 4
LASTS = 96
"""Hours that a proxy is asked for; one that has lost more than an hour is due."""


@pytest.fixture
def voms(site: Site) -> Voms:
    """A server that wants to see a certificate, and nothing to show it but what can be made."""
    voms = Voms(site.directory / "voms")
    site.environment["PATH"] = voms.path
    site.server.secure(voms.server, voms.server_key, voms.ca)
    proxy = proxy_of(site)
    panda = {"server_api_url_ssl": site.server.url, "ca_cert": voms.ca, "cert_file": proxy, "key_file": proxy}
    made = {
        "moduleName": "pandaharvester.harvestercredmanager.no_voms_cred_manager",
        "className": "NoVomsCredManager",
        "inCertFile": voms.credential,
        "outCertFile": proxy,
        "sleepTime": 1,
    }
    site.configure({QUEUE: local_push(site)}, {"pandacon": panda, "credmanager": made})
    return voms


def proxy_of(site: Site) -> Path:
    return site.directory / "proxy"


def test_it_is_made_kept_and_renewed(site: Site, voms: Voms):
    proxy = proxy_of(site)
    voms.give(hours=LASTS - 2)
    site.server.control.add_jobs(some_jobs(JOBS))
    site.start()
    site.until_running(1)
    assert stat.S_IMODE(proxy.stat().st_mode) == 0o600
    voms.go_down()
    site.until_logged("credential is not renewed", "the VOMS server is down")
    kept = proxy.read_bytes()
    site.until(lambda: "the VOMS server is down" in site.told_by("status"), "the status tells of it")
    (complaint,) = (line for line in site.told_by("status").splitlines() if "VOMS server" in line)
    assert complaint.startswith(f"{proxy} on ")
    assert f"lasts {LASTS - 2}.0 more hours; it cannot be renewed: voms-proxy-init ended with exit code 1" in complaint
    site.until_jobs_end()
    site.until_workers_end()
    assert proxy.read_bytes() == kept
    voms.give(hours=LASTS)
    site.until(lambda: proxy.read_bytes() != kept, "it is renewed")
    site.until(lambda: "the VOMS server is down" not in site.told_by("status"), "the status is content")
    assert f"{LASTS}.0" in site.told_by("status")
    assert site.terminate() == 0
    judge(site, local_batch_jobs(site), jobs=JOBS, max_workers=MAX_WORKERS)


def test_without_a_first_one_nothing_starts_and_the_reason_is_told(site: Site, voms: Voms):
    voms.go_down()
    site.start()
    assert site.await_end() == 1
    assert site.has_logged("credential is in danger", str(proxy_of(site)), "the VOMS server is down")
    assert site.has_logged("pandacon.cert_file", "renew the proxy")
    assert "Traceback" not in site.log


def test_a_test_renews_it_whether_that_is_due_or_not(site: Site, voms: Voms):
    proxy = proxy_of(site)
    voms.give(hours=LASTS)
    (verdict,) = json.loads(site.told_by("test", "credentials", "--json"))
    assert verdict["outcome"] == "works"
    assert "valid until" in verdict["steps"][-1]["saw"]
    assert verdict["steps"][0]["did"] == f"looked at {voms.credential}, which it makes them from"
    assert "valid until" in verdict["steps"][0]["saw"]
    assert stat.S_IMODE(proxy.stat().st_mode) == 0o600
    assert "server" in site.told_by("test", "server")
    kept = proxy.read_bytes()
    voms.go_down()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        site.told_by("test", "credentials")
    assert refused.value.returncode == 1
    assert "the VOMS server is down" in refused.value.stdout
    assert proxy.read_bytes() == kept
    assert "works" in site.told_by("test", "credentials", "--no-renew")
