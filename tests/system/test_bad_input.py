"""What is broken is named in one clear line, and everything else is done."""

import json
import sys
from pathlib import Path

import pytest

from system_harness.judges import judge_batch_jobs, judge_jobs, local_batch_jobs
from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Row, Site

pytestmark = pytest.mark.system

BAD_QUEUE = "BAD_QUEUE"
GOOD_JOBS = 4
HOSTILE_PILOT = Path(__file__).with_name("hostile_pilot.py")
HOSTILITIES = [
    "truncated", "huge", "deep", "binary", "wrong types", "strangers", "path", "link", "pipe", "directory",
]  # fmt: skip


def good_jobs_finish(site: Site) -> None:
    """The jobs of the good queue finish, as if nothing else was there."""

    def good() -> list[Row]:
        return list(site.server.control.jobs(site=QUEUE))

    site.until(lambda: all(job["status"] in {"finished", "failed"} for job in good()), "the good jobs ended")
    site.until_workers_end()
    judge_jobs(site, good())


# ---- configuration


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"db": {"nConnections": "many"}}, "nConnections"),
        ({"pandacon": {"server_api_url_ssl": "not an address"}}, "server_api_url_ssl"),
        ({"submitter": {"lookupTime": "soon"}}, "lookupTime"),
    ],
)
def test_a_configuration_with_a_mistake_starts_nothing(site: Site, sections: dict[str, dict[str, object]], words: str):
    site.configure({QUEUE: local_push(site)}, sections)
    site.start()
    assert site.await_end() == 1
    assert site.has_logged(str(site.configuration), words)
    assert "Traceback" not in site.log


def test_a_half_written_main_configuration_starts_nothing(site: Site):
    site.configure({QUEUE: local_push(site)})
    site.configuration.write_text(site.configuration.read_text()[:25])
    site.start()
    assert site.await_end() == 1
    assert str(site.configuration) in site.log
    assert "Traceback" not in site.log


def test_a_half_written_queue_file_starts_nothing(site: Site):
    site.configure({QUEUE: local_push(site)})
    text = site.queue_file.read_text()
    site.queue_file.write_text(text[: len(text) // 2])
    site.start()
    assert site.await_end() == 1
    assert site.has_logged(f"{site.queue_file}:")
    assert "Traceback" not in site.log


def test_bad_queues_take_no_other_down(site: Site):
    mistakes: dict[str, Row] = {
        "maxWorkers": {"maxWorkers": "a lot"},
        "sun_grid_engine_of_1999": {"submitter": {"plugin": "sun_grid_engine_of_1999"}},
        "no.such.module": {"monitor": {"module": "no.such.module", "name": "Monitor"}},
        "maxReportSize": {"messenger": {"plugin": "shared_file", "maxReportSize": "big"}},
        "ManyToMany": {"mapType": "ManyToMany"},
    }
    bad = {f"BAD_{place}": {**local_push(site), **mistake} for place, mistake in enumerate(mistakes.values())}
    site.configure({**bad, QUEUE: local_push(site)})
    for queue in bad:
        site.server.control.add_jobs(some_jobs(1, queue=queue))
    site.server.control.add_jobs(some_jobs(GOOD_JOBS))
    site.start()
    good_jobs_finish(site)
    assert site.terminate() == 0
    for queue, words in zip(bad, mistakes, strict=True):
        assert site.has_logged(str(site.queue_file), queue, words)
        assert [job["status"] for job in site.server.control.jobs(site=queue)] == ["activated"]


# ---- jobs


def test_bad_jobs_among_good_ones(site: Site):
    faults: list[Row] = [
        {"attemptNr": None},
        {"attemptNr": [1]},
        {"coreCount": 10**12},
        {"coreCount": "eight"},
        {"outFiles": "../../etc/passwd", "scopeOut": "a"},
        {"inFiles": "a,b", "fsize": "1"},
        {"taskID": {}},
        {"logFile": "x" * 5000},
    ]
    bad: list[Row] = [{"site": QUEUE, "raw": fault} for fault in faults]
    nameless: Row = {"site": QUEUE, "raw": {"PandaID": "no number"}}
    site.configure({QUEUE: local_push(site)})
    good = some_jobs(4)
    good_ids = site.server.control.add_jobs(good[:2])
    bad_ids = site.server.control.add_jobs([*bad, nameless])[:-1]
    good_ids += site.server.control.add_jobs(good[2:])
    site.start()

    def of_good() -> list[Row]:
        return [site.server.control.job(each) for each in good_ids]

    site.until(lambda: all(job["status"] == "finished" for job in of_good()), "the good jobs finished")
    site.until_workers_end()
    assert site.terminate() == 0
    judge_jobs(site, of_good())
    for job_id, fault in zip(bad_ids, faults, strict=True):
        assert site.has_logged(f"PandaID={job_id}", next(iter(fault))), (job_id, fault)
    assert site.has_logged("PandaID", "no number")
    assert set(site.executions()) == set(good_ids)


# ---- workers


def test_hostile_workers(site: Site):
    command = [sys.executable, "-S", "-P", str(HOSTILE_PILOT), str(site.directory / "hostile")]
    hostile = local_push(site)
    hostile["submitter"] = {**_block(hostile, "submitter"), "command": [*command]}
    site.configure({QUEUE: local_push(site), BAD_QUEUE: hostile}, {"monitor": {"postProcessTimeout": 0}})
    site.server.control.add_jobs(some_jobs(GOOD_JOBS))
    for hostility in HOSTILITIES:
        site.server.control.add_jobs(some_jobs(1, queue=BAD_QUEUE, jobPars=hostility))
    site.start()
    good_jobs_finish(site)
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    judge_batch_jobs(site, local_batch_jobs(site))
    stored = [each for each in site.storage.rglob("*") if each.is_file()]
    assert [each for each in stored if each.name in {"hostname", "link.out", "stolen"}] == []
    assert "Traceback" not in site.log
    for problem in ("maxReportSize", "deep", "outside the access point", "not one of this worker", "regular file"):
        assert site.has_logged(f"queueName={BAD_QUEUE}", "workerID=", problem), problem


def _block(queue: Row, role: str) -> Row:
    block = queue[role]
    assert isinstance(block, dict)
    return block


# ---- the batch system


def test_sick_sbatch(site: Site):
    ills = {
        "Invalid partition": "echo 'sbatch: error: Invalid partition name specified' >&2; exit 1",
        "controller is down": "echo 'sbatch: error: Slurm controller is down' >&2; exit 1",
        "no job id: nonsense": "echo nonsense; echo more of it",
        "no job id: nothing": "exit 0",
        "exit code 77": "exit 77",
        "did not answer": "exec sleep 600",
        "exit code -9": "kill -9 $$",
    }
    sick = {f"BAD_{place}": _slurm_queue(site, f"slurm-{place}", shell) for place, shell in enumerate(ills.values())}
    site.configure({**sick, QUEUE: local_push(site)})
    for queue in sick:
        site.server.control.add_jobs(some_jobs(2, queue=queue))
    site.server.control.add_jobs(some_jobs(GOOD_JOBS))
    site.start()
    good_jobs_finish_though(site)
    for queue, words in zip(sick, ills, strict=True):
        site.until_logged(f"queueName={queue}", words)
    assert site.terminate() == 0


def _slurm_queue(site: Site, name: str, sbatch: str) -> Row:
    place = _fake_slurm(site.directory / name, sbatch)
    return {**local_push(site), "submitter": place, "monitor": place, "sweeper": place}


def good_jobs_finish_though(site: Site) -> None:
    """The jobs of the good queue finish; the workers of the other one need not end."""
    good = [int(str(job["job_id"])) for job in site.server.control.jobs(site=QUEUE)]
    site.until(lambda: all(site.server.control.job(each)["status"] == "finished" for each in good), "the good jobs")


def _fake_slurm(directory: Path, sbatch: str) -> Row:
    directory.mkdir()
    scripts = {
        "sbatch": sbatch,
        "squeue": "echo 'JOBID|STATE|EXIT_CODE|START_TIME|END_TIME|TIME_LIMIT|NODELIST|REASON|NAME|'",
        "sacct": "echo 'sacct: Slurm accounting storage is disabled' >&2; exit 1",
        "scancel": "exit 0",
        "scontrol": "echo 'MaxArraySize = 1001'; echo 'MinJobAge = 300 sec'",
    }
    for name, shell in scripts.items():
        path = directory / name
        path.write_text(f"#!/bin/sh\n{shell}\n")
        path.chmod(0o755)
    template = directory / "template.sh"
    template.write_text("#!/bin/sh\n#SBATCH -n {nCoreTotal}\nexit 0\n")
    commands: Row = {name: str(directory / name) for name in scripts}
    return {"plugin": "slurm", "templateFile": str(template), "commandTimeout": 2, **commands}


def test_the_log_is_read_by_machines(site: Site):
    site.configure({QUEUE: local_push(site), BAD_QUEUE: json.loads('{"maxWorkers": []}')})
    site.server.control.add_jobs(some_jobs(1))
    site.start()
    good_jobs_finish(site)
    assert site.terminate() == 0
    assert [line for line in site.log.splitlines() if " panda.log." not in line] == []
