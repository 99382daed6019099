"""`harvester test …` beside an instance that runs: each tells whether its one thing works, and leaves nothing."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester.plugins.local.ledger import Ledger
from system_harness.queues import QUEUE, local_push
from system_harness.site import COMMAND, Row, Site

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("probes")]

SLEEPS, BREAKS, SHARED, REFUSED = "SLEEPS", "BREAKS", "SHARED", "REFUSED"
Told = dict[str, Any]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An instance with queues that work and queues that do not; none of them has jobs."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "good.json").write_text("[1, 2]")
    with Site(directory) as made:
        shared: Row = {"plugin": "shared_file", "accessPoint": f"{directory}/access"}
        inputs: Row = {"plugin": "copy", "destination": f"{directory}/inputs"}
        idle: Row = {"mapType": "NoJob", "maxWorkers": 0}
        queues = {
            QUEUE: {**local_push(made), "preparator": inputs},
            SLEEPS: {**local_push(made, command=["/bin/sleep", "600"]), **idle},
            BREAKS: {**local_push(made, command=["/bin/sh", "-c", "echo it is broken >&2; exit 3"]), **idle},
            SHARED: {**local_push(made), "messenger": shared},
            REFUSED: {**local_push(made), "workerMaker": {"plugin": "simple", "nCore": 99}},
        }
        lines = f"\n  good.json||file:{directory}/good.json\n  bad.json||file:{directory}/bad.json"
        made.configure(queues, {"cacher": {"data": lines, "sleepTime": 3600}})
        made.start()
        made.until_logged("started")
        yield made


def probe(site: Site, *arguments: str, code: int = 0) -> list[Told]:
    """The verdicts of a probe."""
    command = [*COMMAND, "test", *arguments, "--json", "--config", str(site.configuration)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=site.directory)
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    verdicts: list[Told] = json.loads(done.stdout)
    return verdicts


def words_of(verdict: Told) -> str:
    return "\n".join(f"{step['did']}: {step['saw']}" for step in verdict["steps"])


def traces(site: Site) -> list[Path]:
    """What tests have left in access points and payload directories."""
    return [*site.directory.glob("access/*"), *site.directory.glob("work/test/files/*")]


def on_the_resource(site: Site) -> list[str]:
    """Markers of tests that the resource still knows."""
    known = Ledger(site.directory / "resource").changed_since(0)
    return [marker for marker in known if ".test-" in marker]


def test_a_worker_is_submitted_watched_and_cleaned_up(site: Site):
    (verdict,) = probe(site, "submitter", "--queue", QUEUE)
    assert verdict["outcome"] == "works"
    assert [step["did"].split()[0] for step in verdict["steps"]] == ["asked", "submitted", "watched", "cleaned"]
    assert f"marker {site.instance}.test-" in words_of(verdict)
    assert "finished" in words_of(verdict)
    assert "exit code 0" in words_of(verdict)
    assert traces(site) == []
    assert on_the_resource(site) == []
    assert json.loads(site.told_by("worker", "ls", "--json")) == []
    assert list(site.server.control.workers()) == []
    assert site.executions() == []


def test_what_workers_of_the_queue_run_is_tried_if_that_is_wanted(site: Site):
    (verdict,) = probe(site, "submitter", "--queue", BREAKS, "--payload", "configured", code=1)
    assert verdict["outcome"] == "fails"
    assert "exit code 3" in words_of(verdict)
    assert "it is broken" in words_of(verdict)
    assert "the logs are cleaned up with it, their ends are told above" in verdict["advice"]
    assert traces(site) == []


def test_one_that_takes_too_long_is_killed(site: Site):
    wanted = ("submitter", "--queue", SLEEPS, "--payload", "configured", "--timeout", "2")
    (verdict,) = probe(site, *wanted, code=3)
    assert verdict["outcome"] == "undecided"
    assert "not ended after 2 s" in words_of(verdict)
    assert "killed it: cancelled" in words_of(verdict)
    assert "longer --timeout" in verdict["advice"]
    assert on_the_resource(site) == []


def test_why_the_resource_does_not_take_it_is_told(site: Site):
    (verdict,) = probe(site, "submitter", "--queue", REFUSED, code=1)
    assert "the worker asks for 99 cores" in words_of(verdict)


def test_access_points_that_workers_share_are_left_alone(site: Site):
    for what in ("submitter", "messenger"):
        (verdict,) = probe(site, what, "--queue", SHARED, code=1)
        assert "is no directory of one worker" in words_of(verdict)


def test_what_a_killed_test_has_left_is_ended_by_the_next(site: Site):
    command = [*COMMAND, "test", "submitter", "--queue", SLEEPS, "--payload", "configured"]
    killed = subprocess.Popen([*command, "--config", str(site.configuration)], stderr=subprocess.PIPE, text=True)
    assert killed.stderr
    for line in killed.stderr:
        if "running" in line:
            break
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stderr.close()
    assert len(on_the_resource(site)) == 1
    (verdict,) = probe(site, "submitter", "--queue", QUEUE)
    assert verdict["steps"][0]["did"] == "ended workers of a test that was interrupted"
    assert verdict["steps"][0]["saw"] == "workers: 1; killed and cleaned up"
    assert on_the_resource(site) == []
    assert traces(site) == []


@pytest.mark.parametrize("point", ["submitter.before_submit", "submitter.after_submit", "submitter.in_commit"])
def test_a_test_that_dies_while_it_submits_leaves_nothing_that_is_not_found(site: Site, point: str):
    command = [*COMMAND, "test", "submitter", "--queue", SLEEPS, "--payload", "configured"]
    died = subprocess.run(
        [*command, "--config", str(site.configuration)],
        check=False,
        capture_output=True,
        env={**os.environ, "HARVESTER_KILL_AT": point},
    )
    assert died.returncode == -signal.SIGKILL
    (verdict,) = probe(site, "submitter", "--queue", QUEUE)
    assert verdict["steps"][0]["saw"] == "workers: 1; killed and cleaned up"
    assert on_the_resource(site) == []
    assert traces(site) == []


def test_two_at_once_do_not_mix_and_an_interrupted_one_tidies_up(site: Site):
    where = ("--config", str(site.configuration))
    command = [*COMMAND, "test", "submitter", "--queue", SLEEPS, "--payload", "configured", *where]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert first.stderr
    first.stderr.readline()
    other = [*COMMAND, "test", "submitter", "--queue", QUEUE, *where]
    second = subprocess.run(other, check=False, capture_output=True, text=True)
    assert second.returncode == 1
    assert "another test of this instance is at work on this host" in second.stderr
    first.send_signal(signal.SIGINT)
    told, _ = first.communicate()
    assert first.returncode == 3
    assert "interrupted" in told
    assert on_the_resource(site) == []
    assert traces(site) == []


def test_the_resource_can_be_asked(site: Site):
    (verdict,) = probe(site, "monitor", "--queue", QUEUE)
    assert "nobody has it, as it should be; the listing was complete" in words_of(verdict)
    assert "asked what has changed" in words_of(verdict)


def test_jobs_and_words_travel_through_an_access_point(site: Site):
    (verdict,) = probe(site, "messenger", "--queue", QUEUE)
    assert verdict["outcome"] == "works"
    assert "pandaJobData.out" in words_of(verdict)
    assert "read what it left: what the pilot wrote" in words_of(verdict)
    assert traces(site) == []
    shown = site.told_by("test", "messenger", "--queue", QUEUE)
    assert shown.startswith(f"messenger of queue {QUEUE} (shared_file): works\n")
    assert "removed the access point: nothing is left" in shown


def test_an_input_is_brought(site: Site):
    (verdict,) = probe(site, "preparator", "--queue", QUEUE)
    assert "as they were sent" in words_of(verdict)
    assert list(site.directory.glob("inputs/*/*")) == []
    assert traces(site) == []
    assert "this plugin moves nothing" in words_of(probe(site, "preparator", "--queue", SLEEPS)[0])
    (verdict,) = probe(site, "preparator", "--queue", QUEUE, "--lfn", "nobody.has.it", "--timeout", "2", code=1)
    assert "it is not known where the file is" in words_of(verdict)


def test_an_output_is_taken_away(site: Site):
    (verdict,) = probe(site, "stager", "--queue", QUEUE, "--scope", "test")
    assert f"{site.storage}/test/harvester.test." in words_of(verdict)
    assert "as they were sent" in words_of(verdict)
    assert list(site.storage.glob("test/*")) == []


def test_every_document_is_fetched(site: Site):
    (verdict,) = probe(site, "cacher", code=1)
    assert "fetched good.json: a list with entries: 2" in words_of(verdict)
    assert "bad.json cannot be read" in words_of(verdict)


def test_credentials_are_kept_by_somebody_else(site: Site):
    (verdict,) = probe(site, "credentials")
    assert "somebody else keeps credentials valid" in words_of(verdict)


def test_the_server_is_alive_until_it_is_not(site: Site):
    assert "asked whether it is alive: it is" in words_of(probe(site, "server")[0])
    site.server.go_away()
    try:
        (verdict,) = probe(site, "server", code=1)
    finally:
        site.server.come_back()
    assert "check [pandacon] server_api_url_ssl" in verdict["advice"]


def test_the_database_takes_rows_and_keeps_none(site: Site):
    (verdict,) = probe(site, "database")
    assert verdict["outcome"] == "works"
    assert "deleted them: rows: 2000" in words_of(verdict)
    assert "ms each" in words_of(verdict)
