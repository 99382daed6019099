"""The questions that one Slurm cluster is asked, one process for each."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from harvester.plugins.slurm.listing import (
    SACCT_COLUMNS,
    SACCT_FORMAT,
    SQUEUE_COLUMNS,
    SQUEUE_FORMAT,
    Listing,
    read_listing,
)
from harvester.plugins.slurm.naming import compact_batch_ids, job_of
from harvester.plugins.slurm.settings import SlurmSettings
from harvester.plugins.tools.commands import Commands, NotStarted, Ran, Refusal, Result, complaint

_ARGUMENT_LENGTH: Final = 100_000
"""Linux takes at most 131,072 bytes in one argument."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PERSONAL: Final = ("SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SLURM_CLUSTERS")
"""Beginnings of variables that hold a user's own filters, formats, defaults and clusters."""
_WILL_ASK_AGAIN: Final = Refusal(b"sleeping and retrying", pause=1.0)
"""`sbatch` says this when the controller holds as many jobs as it may, and asks again one second later at the least."""
_SWITCHED_OFF: Final = "accounting storage is disabled"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cluster's configuration says.

    Attributes:
        array_size: MaxArraySize; task indices are below it.
        ended_jobs_stay: MinJobAge, how long `squeue` shows a job after its end at the least.
    """

    array_size: int = 1001
    ended_jobs_stay: timedelta = timedelta(0)


class Cluster:
    """One Slurm cluster, reached through its commands; results are values, nothing is raised."""

    def __init__(self, settings: SlurmSettings, commands: Commands) -> None:
        self._settings = settings
        self._commands = commands
        self._limits: Limits | None = None

    @property
    def name(self) -> str:
        """Tells what is asked here from other clusters and other ways of asking: whatever changes a listing."""
        settings = self._settings
        where = settings.slurm_conf or os.environ.get("SLURM_CONF", "")
        accounting = () if settings.use_squeue_monitor else settings.sacct
        return ":".join(("slurm", where, settings.cluster or "", shlex.join(settings.squeue), shlex.join(accounting)))

    def submit(self, arguments: Sequence[str], script: str, lock: int) -> Result:
        """Run `sbatch` with the script on its standard input; it keeps `lock` open while it lives."""
        settings = self._settings
        argv = (*settings.sbatch, *settings.submit_options, *self._which(), "--parsable", *arguments)
        environment = {**inherited(), **self._configuration()}
        return self._commands.run(
            "sbatch", argv, environment=environment, text=script, inherit=(lock,), refusal=_WILL_ASK_AGAIN
        )

    def queue(self) -> Listing:
        """All jobs of this account that the controller knows, ended ones included."""
        result = self._list("squeue", self._settings.squeue, "--me", "--array", "--states=all", "-O", SQUEUE_FORMAT)
        return _listing("squeue", SQUEUE_COLUMNS, result)

    def accounting(self, batch_ids: Sequence[str] | None, since: datetime | None) -> Listing:
        """Jobs in the accounting database.

        Args:
            batch_ids: the jobs to ask for; None asks for all of this account.
            since: ignore jobs that ended earlier; None goes back to the beginning.
        """
        if self._settings.use_squeue_monitor:
            return Listing(complete=False, reason="use_squeue_monitor is set", switched_off=True)
        start = (since or _EPOCH).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        question = ("--allocations", "--parsable", f"--format={SACCT_FORMAT}", f"--starttime={start}")
        jobs = [()] if batch_ids is None else [(f"--jobs={','.join(part)}",) for part in _parts(_jobs(batch_ids))]
        known = Listing()
        for job in jobs:
            answer = _listing("sacct", SACCT_COLUMNS, self._list("sacct", self._settings.sacct, *question, *job))
            known = replace(answer, rows={**known.rows, **answer.rows}, parts={**known.parts, **answer.parts})
            if not known.complete:
                break
        return known

    def pending_by_partition(self) -> Mapping[str, int]:
        """Waiting jobs of this account, by partition; empty if the cluster cannot be asked."""
        result = self._list(
            "squeue", self._settings.squeue, "--me", "--array", "--noheader", "--states=PD,CF", "-O", "Partition:|"
        )
        counts: dict[str, int] = {}
        for partition in result.out.replace("|", "").split() if isinstance(result, Ran) else ():
            counts[partition] = counts.get(partition, 0) + 1
        return counts

    def cancel(self, batch_ids: Sequence[str]) -> Mapping[str, str]:
        """Cancel jobs, in bulk; tells what went wrong, by batch id."""
        problems: dict[str, str] = {}
        for part in _parts(compact_batch_ids(batch_ids)):
            result = self._list("scancel", self._settings.scancel, *part)
            if problem := complaint("scancel", result):
                problems.update(dict.fromkeys(_of_jobs(batch_ids, part), problem))
        return problems

    def limits(self) -> Limits:
        """The limits of the cluster, asked once; careful values while it cannot be asked."""
        if self._limits is None:
            result = self._list("scontrol", self._settings.scontrol, "show", "config")
            if not isinstance(result, Ran) or result.exit_code:
                return Limits()
            self._limits = _read_limits(result.out)
        return self._limits

    def _list(self, program: str, command: tuple[str, ...], *arguments: str) -> Result:
        return self._commands.run(
            program, (*command, *self._which(), *arguments), environment=self._listing_environment()
        )

    def _which(self) -> tuple[str, ...]:
        return (f"--clusters={self._settings.cluster}",) if self._settings.cluster else ()

    def _configuration(self) -> dict[str, str]:
        return {"SLURM_CONF": self._settings.slurm_conf} if self._settings.slurm_conf else {}

    def _listing_environment(self) -> dict[str, str]:
        """Times come in UTC."""
        fixed = {"TZ": "UTC", "LC_ALL": "C", "SLURM_TIME_FORMAT": "standard"}
        return {**inherited(), **self._configuration(), **fixed}


def inherited() -> dict[str, str]:
    """This process's environment without what would change the meaning of Slurm's commands behind the configuration."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_PERSONAL)}


def _listing(program: str, columns: tuple[str, ...], result: Result) -> Listing:
    if problem := complaint(program, result):
        missing = isinstance(result, NotStarted) and result.missing
        off = missing or (isinstance(result, Ran) and _SWITCHED_OFF in result.err)
        return Listing(complete=False, reason=problem, switched_off=off)
    text = result.out if isinstance(result, Ran) else ""
    return read_listing(program, columns, re.sub(r"\ACLUSTER: .*\n", "", text))


def _jobs(batch_ids: Sequence[str]) -> list[str]:
    """Whole arrays instead of elements: shorter to ask for."""
    return list(dict.fromkeys(map(job_of, batch_ids)))


def _of_jobs(batch_ids: Sequence[str], jobs: Sequence[str]) -> Iterator[str]:
    wanted = set(map(job_of, jobs))
    return (batch_id for batch_id in batch_ids if job_of(batch_id) in wanted)


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    """Cut a list so that each part fits into a command line."""
    part: list[str] = []
    length = 0
    for word in words:
        if part and length + len(word) + 1 > _ARGUMENT_LENGTH:
            yield part
            part, length = [], 0
        part.append(word)
        length += len(word) + 1
    if part:
        yield part


def _read_limits(text: str) -> Limits:
    found = dict(re.findall(r"^(MaxArraySize|MinJobAge)\s*=\s*(\d+)", text, re.MULTILINE))
    known = Limits()
    stay = timedelta(seconds=int(found["MinJobAge"])) if "MinJobAge" in found else known.ended_jobs_stay
    return Limits(int(found.get("MaxArraySize", known.array_size)), stay)
