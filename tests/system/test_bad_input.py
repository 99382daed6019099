"""What is broken is named in one clear line, and everything else is done."""

import json
import sys
from pathlib import Path

import pytest
from pydantic import JsonValue

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


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"maxWorkers": "a lot"}, "maxWorkers"),
        ({"submitter": {"plugin": "sun_grid_engine_of_1999"}}, "sun_grid_engine_of_1999"),
        ({"monitor": {"module": "no.such.module", "name": "Monitor"}}, "no.such.module"),
        ({"messenger": {"plugin": "shared_file"}}, "accessPoint"),
        ({"mapType": "ManyToMany"}, "ManyToMany"),
    ],
)
def test_a_bad_queue_takes_no_other_down(site: Site, change: Row, words: str):
    site.configure({BAD_QUEUE: {**local_push(site), **change}, QUEUE: local_push(site)})
    site.server.control.add_jobs([*some_jobs(GOOD_JOBS), *some_jobs(2, queue=BAD_QUEUE)])
    site.start()
    good_jobs_finish(site)
    assert site.terminate() == 0
    assert site.has_logged(str(site.queue_file), BAD_QUEUE, words)
    assert [job["status"] for job in site.server.control.jobs(site=BAD_QUEUE)] == ["activated"] * 2


# ---- jobs


def test_bad_jobs_among_good_ones(site: Site):
    faults: list[Row] = [
        {"attemptNr": None},
        {"attemptNr": [1]},
        {"prodSourceLabel": None},
        {"coreCount": 10**12},
        {"coreCount": "eight"},
        {"outFiles": "../../etc/passwd", "scopeOut": "a"},
        {"inFiles": "a,b", "fsize": "1"},
        {"jobPars": {"not": "a text"}, "taskID": {}},
        {"logFile": "x" * 5000},
    ]
    bad = [{"site": QUEUE, "raw": fault} for fault in faults]
    nameless: JsonValue = {"site": QUEUE, "raw": {"PandaID": "no number"}}
    good, jobs = some_jobs(GOOD_JOBS), [*bad, nameless]
    site.configure({QUEUE: local_push(site)})
    good_ids = site.server.control.add_jobs(good[:2])
    bad_ids = site.server.control.add_jobs([each for each in jobs if isinstance(each, dict)])[: len(bad)]
    good_ids += site.server.control.add_jobs(good[2:])
    site.start()

    def of_good() -> list[Row]:
        return [site.server.control.job(each) for each in good_ids]

    site.until(lambda: all(job["status"] == "finished" for job in of_good()), "the good jobs finished")
    site.until_workers_end()
    assert site.terminate() == 0
    judge_jobs(site, of_good())
    for job_id, fault in zip(bad_ids, faults, strict=True):
        assert site.has_logged(f"job={job_id}", next(iter(fault))), (job_id, fault)
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
        assert site.has_logged(BAD_QUEUE, problem) or site.has_logged("access/", problem), problem


def _block(queue: Row, role: str) -> Row:
    block = queue[role]
    assert isinstance(block, dict)
    return block


# ---- the batch system


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1", "Invalid partition"),
        ("echo 'sbatch: error: Slurm controller is down' >&2; exit 1", "controller is down"),
        ("echo nonsense; echo more of it", "no job id"),
        ("exit 0", "no job id"),
        ("exit 77", "77"),
        ("exec sleep 600", "did not answer"),
        ("kill -9 $$", "-9"),
    ],
    ids=["refuses", "cannot reach", "prints garbage", "prints nothing", "fails without a word", "hangs", "is killed"],
)  # fmt: skip
def test_sick_sbatch(site: Site, shell: str, words: str):
    slurm = local_push(site)
    place = _fake_slurm(site.directory / "slurm", shell)
    slurm |= {"submitter": place, "monitor": place, "sweeper": place}
    site.configure({QUEUE: local_push(site), BAD_QUEUE: slurm})
    site.server.control.add_jobs([*some_jobs(GOOD_JOBS), *some_jobs(2, queue=BAD_QUEUE)])
    site.start()
    good_jobs_finish_though(site)
    site.until(lambda: site.has_logged(BAD_QUEUE, words) or site.has_logged("sbatch", words), f"log of {words}")
    assert site.terminate() == 0


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
