"""A site whose workers are batch jobs of a real Slurm cluster."""

import os
import shlex
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from system_harness.judges import BatchJob
from system_harness.queues import MAX_WORKERS, common, pull_command, push_command
from system_harness.site import Row, Site

_FORMAT = "JobArrayID:|,State:|,StartTime:|,EndTime:|,Name:255|"
_LIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED"}
_KILLS = """#!/bin/sh
# Calls sbatch; the first time Harvester dies by SIGKILL {when}.
if mkdir {once} 2>/dev/null; then {first}; fi
exec sbatch "$@"
"""


@dataclass(frozen=True, slots=True)
class SlurmSite:
    """The cluster's side of a site."""

    site: Site
    conf: Path

    def push(self, **more: object) -> Row:
        """A queue whose pilots find their job in the access point."""
        block = self._block(push_command(self.site), more)
        return {"mapType": "OneToOne", "nQueueLimitJob": 200, **common(self.site, MAX_WORKERS), **block}

    def pull(self, **more: object) -> Row:
        """A queue whose pilots ask the server for a job."""
        return {"mapType": "NoJob", **common(self.site, MAX_WORKERS), **self._block(pull_command(self.site), more)}

    def _block(self, command: list[str], more: dict[str, object]) -> Row:
        template = self.site.directory / "template.sh"
        words = [*command, "--harvester-id", self.site.instance, "--worker-id"]
        text = f"#!/bin/bash\n#SBATCH -n {{nCoreTotal}}\ncd {{accessPoint}}\nexec {shlex.join(words)} {{workerID}}\n"
        template.write_text(text)
        place: Row = {"plugin": "slurm", "templateFile": str(template), "slurmConf": str(self.conf)}
        place |= {name: str(value) for name, value in more.items()}
        return {"submitter": place, "monitor": place, "sweeper": place}

    def killing_sbatch(self, *, accepted: bool) -> str:
        """An `sbatch` that kills Harvester once, before it asks the controller or after the controller accepted."""
        path = self.site.directory / "sbatch"
        kill = f'kill -KILL "$(cat {self.site.pid_file})"'
        first = f'sbatch "$@"; {kill}; exit 0' if accepted else f"{kill}; exit 1"
        when = "afterwards" if accepted else "before anything is asked"
        path.write_text(_KILLS.format(when=when, once=self.site.directory / "killed", first=first))
        path.chmod(0o755)
        return str(path)

    def batch_jobs(self) -> list[BatchJob]:
        """What the controller remembers of the site's batch jobs, ended ones included."""
        text = self._run("squeue", "--me", "--array", "--noheader", "--states=all", "-O", _FORMAT)
        rows = [[word.strip() for word in line.split("|")] for line in text.splitlines()]
        return [
            BatchJob(marker, job, state not in _LIVE, _seconds(start), _seconds(end))
            for job, state, start, end, name, *_ in rows
            if (marker := self._marker(name, job)) is not None
        ]

    def markers(self) -> set[str]:
        """What it has accepted for the site."""
        return {each.marker for each in self.batch_jobs()}

    def _marker(self, name: str, job: str) -> str | None:
        """The worker of a job by its name, `<instance>-<id>`, or for the elements of an array `<instance>+<base>`."""
        instance, plus, base = name.partition("+")
        if plus and instance == self.site.instance:
            return f"{instance}-{int(base) + int(job.partition('_')[2])}"
        return name if name.startswith(f"{self.site.instance}-") else None

    def cancel(self) -> None:
        """Cancel whatever is left of the site on the cluster."""
        left = [each.batch_id for each in self.batch_jobs() if not each.ended]
        if left:
            self._run("scancel", "--quiet", *left)

    def _run(self, *command: str) -> str:
        environment = {**os.environ, "SLURM_CONF": str(self.conf), "TZ": "UTC", "SLURM_TIME_FORMAT": "standard"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


def _seconds(text: str) -> float | None:
    return None if text in {"N/A", "Unknown"} else datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
