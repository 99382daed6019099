"""A pilot that does to its access point what the job's parameters say, and ends as if all were well."""

import json
import os
import sys
from pathlib import Path

ATTRIBUTES, DUMP = "worker_attributes.json", "event_status.dump.json"

[(job_id, job)] = json.loads(Path("pandaJobData.out").read_text()).items()
with Path(sys.argv[1]).open("a") as journal:
    journal.write(f"{job_id} hostile\n")
match job["jobPars"]:
    case "truncated":
        Path(ATTRIBUTES).write_text(f'{{"{job_id}": {{"jobSta')
        Path(DUMP).write_text(f'{{"{job_id}": [{{"path": ')
    case "huge":
        Path(ATTRIBUTES).write_text('{"x": "' + "x" * 6_000_000 + '"}')
    case "deep":
        Path(ATTRIBUTES).write_text("[" * 200_000)
    case "binary":
        Path(ATTRIBUTES).write_bytes(bytes(range(256)))
    case "wrong types":
        Path(ATTRIBUTES).write_text(json.dumps({job_id: {"coreCount": {"a": []}, "node": 1e300, "startTime": "never"}}))
    case "strangers":
        Path(ATTRIBUTES).write_text(json.dumps({"1000001": {"jobStatus": "failed"}, job_id: {"nEvents": 1}}))
        Path(DUMP).write_text(json.dumps({"1000001": [{"path": "stolen", "type": "output"}]}))
    case "path":
        Path(DUMP).write_text(json.dumps({job_id: [{"path": "../../../../../etc/hostname", "type": "output"}]}))
    case "link":
        Path("link.out").symlink_to("/etc/hostname")
        Path(DUMP).write_text(json.dumps({job_id: [{"path": "link.out", "type": "output"}]}))
    case "pipe":
        os.mkfifo(ATTRIBUTES)
    case "directory":
        Path(ATTRIBUTES).mkdir()
