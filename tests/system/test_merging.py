"""A job whose outputs are merged on site, from the fetch to the server's verdict, as real processes."""

import json
import sys

import pytest

from system_harness.queues import QUEUE, local_push, some_jobs
from system_harness.site import Site

pytestmark = pytest.mark.system

PILOT = """
import json, pathlib
((job, params),) = json.loads(pathlib.Path("pandaJobData.out").read_text()).items()
task = pathlib.Path(pathlib.Path("task_workdir_path.txt").read_text())
output = task / params["outFiles"].split(",")[0]
output.write_text("merged")
first = params["inFiles"].split(",")[0]
(task / "state.json").write_text(json.dumps({"merged": {first: {output.name: {"path": str(output)}}}}))
pathlib.Path("worker_attributes.json").write_text(json.dumps({"jobStatus": "finished"}))
"""


def test_the_merged_output_is_stored_and_the_other_input_is_skipped(site: Site):
    tasks = site.directory / "tasks"
    queue = local_push(site, command=[sys.executable, "-c", PILOT])
    site.configure({QUEUE: queue}, {"payload_interaction": {"taskWorkBaseDir": str(tasks)}})
    merging = {"inFiles": "a.root,b.root", "taskID": 42, "raw": {"onSiteMerging": "True"}}
    site.server.control.add_jobs(some_jobs(1, **merging))
    site.start()
    site.until_jobs_end()
    site.until_workers_end()
    assert site.terminate() == 0
    (job,) = site.server.control.jobs()
    assert job["status"] == "finished"
    output = f"{QUEUE}.0.out"
    assert set(json.loads(str(job["output_report"]))) == {output, f"{QUEUE}.0.log.tgz", "b.root"}
    (stored,) = site.storage.rglob(output)
    assert stored.read_text() == "merged"
