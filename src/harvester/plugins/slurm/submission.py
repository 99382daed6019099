"""Submits workers: renders their scripts, puts alike ones into arrays, and reads what `sbatch` says."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from posixpath import relpath

from harvester.core.workers import Worker
from harvester.plugins.api import PluginContext, Refused, SubmitOutcome, Submitted, Unclear
from harvester.plugins.slurm.answers import TooMuch, job_id_of
from harvester.plugins.slurm.cluster import Cluster
from harvester.plugins.slurm.partitions import spread
from harvester.plugins.slurm.placeholders import fill, values_for
from harvester.plugins.slurm.scripts import BatchJob, Script, batch_jobs, log_paths, make_script, stored_script
from harvester.plugins.slurm.settings import SlurmSettings
from harvester.plugins.slurm.under_way import Submissions
from harvester.plugins.tools.untrusted_files import UnreadableFileError


class Submission:
    """Submits the workers of one queue."""

    def __init__(
        self, settings: SlurmSettings, context: PluginContext, cluster: Cluster, submissions: Submissions
    ) -> None:
        self._settings = settings
        self._context = context
        self._cluster = cluster
        self._submissions = submissions

    def submit(self, workers: Sequence[Worker]) -> list[SubmitOutcome]:
        """One outcome per worker, one `sbatch` per shape of script."""
        if not workers:
            return []
        template = self._template()
        if isinstance(template, Refused):
            return [template] * len(workers)
        outcomes: dict[int, SubmitOutcome] = {}
        scripts: list[Script] = []
        for worker, partition in zip(workers, self._partitions(len(workers)), strict=True):
            made = self._stored(worker, template, partition)
            if isinstance(made, Refused):
                outcomes[worker.worker_id] = made
            else:
                scripts.append(made)
        outcomes.update(self._submit_jobs(self._jobs(scripts)))
        return [outcomes[worker.worker_id] for worker in workers]

    def adopted(self, worker: Worker, batch_id: str) -> Submitted:
        """A batch job that was found again, with its logs where the script says that was written for it."""
        if worker.queue != self._context.queue:
            return Submitted(batch_id)
        try:
            return self._submitted(stored_script(worker, self._context.instance), batch_id)
        except (OSError, UnreadableFileError, ValueError):
            return Submitted(batch_id)

    def _template(self) -> str | Refused:
        path = self._settings.template_file
        if path is None:
            return Refused(
                f"queue {self._context.queue}: templateFile is not set; name the batch script template there"
            )
        try:
            return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            return Refused(f"queue {self._context.queue}: templateFile {path} cannot be read: {error.strerror}")

    def _partitions(self, number: int) -> Sequence[str]:
        settings = self._settings
        if not settings.partitions:
            return [""] * number
        if not settings.check_partition:
            return [settings.partitions[0]] * number
        pending = self._cluster.pending_by_partition()
        return spread(number, settings.partitions, pending, settings.workers_per_partition_check)

    def _stored(self, worker: Worker, template: str, partition: str) -> Script | Refused:
        """The worker's script, written into its access point."""
        if not Path(worker.access_point).is_absolute():
            return Refused(f"worker {worker.worker_id}: access point {worker.access_point!r} is not an absolute path")
        try:
            script = self._script(worker, template, partition)
            script.store()
        except ValueError as error:
            return Refused(f"{self._settings.template_file}: {error}", permanent=True)
        except OSError as error:
            return Refused(
                f"worker {worker.worker_id}: its script cannot be written: {error.filename}: {error.strerror}"
            )
        return script

    def _script(self, worker: Worker, template: str, partition: str) -> Script:
        values = values_for(
            worker,
            self._settings,
            instance=self._context.instance,
            partition=partition,
            log_url=self._url(f"{worker.access_point}/{worker.worker_id}.out") or "unknown",
            now=self._context.clock(),
        )
        return make_script(worker, self._context.instance, fill(template, values), partition)

    def _jobs(self, scripts: Sequence[Script]) -> Iterator[BatchJob]:
        if scripts:
            size = min(self._settings.array_size, self._cluster.limits().array_size)
            yield from batch_jobs(scripts, max(size, 1))

    def _submit_jobs(self, jobs: Iterable[BatchJob]) -> Mapping[int, SubmitOutcome]:
        """Submit batch jobs; an array that is too much is submitted in halves, and those again.

        Once a batch job is refused that has no parts, all others of its shape are refused with its words: what a full
        queue costs grows with the logarithm of the workers that it does not take.
        """
        outcomes: dict[int, SubmitOutcome] = {}
        refused: dict[tuple[str, ...], Refused] = {}
        waiting = deque(jobs)
        while waiting:
            job = waiting.popleft()
            answer = refused.get(job.shape) or self._ask(job)
            if isinstance(answer, TooMuch) and job.is_array and job.shape not in refused:
                waiting.extendleft(reversed(job.halves()))
                continue
            if isinstance(answer, Refused):
                refused[job.shape] = answer
            outcomes.update(self._outcomes(job, answer))
        return outcomes

    def _ask(self, job: BatchJob) -> str | Refused | Unclear:
        try:
            with self._submissions.announce(job.base, job.last) as lock:
                return job_id_of(self._cluster.submit(job.arguments(), job.text(), lock))
        except OSError as error:
            return Refused(f"a submission cannot be written down: {error.filename}: {error.strerror}")

    def _outcomes(self, job: BatchJob, answer: str | Refused | Unclear) -> Mapping[int, SubmitOutcome]:
        if not isinstance(answer, str):
            return {script.worker.worker_id: answer for script in job.scripts}
        return {
            script.worker.worker_id: self._submitted(script, job.batch_id_of(script, answer)) for script in job.scripts
        }

    def _submitted(self, script: Script, batch_id: str) -> Submitted:
        logs = {name: self._url(path) or path for name, path in log_paths(script, batch_id).items()}
        return Submitted(batch_id, batch_queue=script.partition or None, log_urls=logs)

    def _url(self, path: str) -> str | None:
        """The URL of a file under logDir; None without logBaseURL and logDir."""
        base, log_dir = self._settings.log_base_url, self._settings.log_dir
        return f"{base.rstrip('/')}/{relpath(path, log_dir)}" if base and log_dir else None
