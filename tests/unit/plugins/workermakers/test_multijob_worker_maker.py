"""One node for each job."""

import pytest
from maker_tools import group_of, maker_of, plan_of, worker_of
from pydantic import JsonValue

from harvester.plugins.api import WorkerMaker, WorkerPlan


def maker(**block: JsonValue) -> WorkerMaker[object]:  # type: ignore[type-var]  # whatever its settings are
    return maker_of("multijob_worker_maker", "MultiJobWorkerMaker", block)


ASKING = {"minRamCount": 2000, "maxDiskCount": 300, "maxWalltime": 600, "coreCount": 4}
LARGER = {"minRamCount": 4000, "maxDiskCount": 100, "maxWalltime": "NULL", "coreCount": 8}


@pytest.mark.parametrize(
    ("per_node", "limit", "cores", "walltime"),
    [(16, 7200.0, 32, 7200), (16, 60.0, 32, 600), (16, None, 32, 600), (None, None, 16, 600)],
)
def test_as_many_nodes_as_jobs(per_node: int | None, limit: float | None, cores: int, walltime: int):
    group = group_of(ASKING, LARGER, cores_per_node=per_node, walltime_limit_s=limit)
    assert plan_of(maker(), group) == WorkerPlan(
        cores, 4000, 400, walltime, job_type="managed", resource_type="MCORE", pilot_type="PR"
    )


def test_a_worker_that_gets_its_jobs_later_has_room_for_them():
    assert plan_of(maker(nJobsPerWorker=5), group_of(cores_per_node=8)).cores == 40


@pytest.mark.parametrize(
    ("block", "script"),
    [
        ({"executor": "aprun", "pilot": "/opt/pilot"}, "aprun -n 3 -d 16 /opt/pilot"),
        ({"executor": "mpirun -np 4", "pilot": "/opt/pilot", "pilot_params": "-a {work_dir}"},
         "mpirun -np 4 /opt/pilot -a /shared/access/7"),
        ({"env": "module load python, export A=1,2", "executor": "srun", "pilot": "p"},
         "module load python\nexport A=1,2\nsrun p"),
        ({"env": "NULL", "pilot": "p", "pilot_params": None}, "p"),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_commands_for_a_batch_script(block: dict[str, JsonValue], script: str):
    assert maker(**block).launch_scripts([worker_of(48, [1, 2, 3])]) == [script]
