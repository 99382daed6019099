"""The shared-file messenger: Harvester and a worker exchange files in a directory that both can reach.

Names and forms of the files are those of the protocol (plugins reference §5.1, §5.2; for pilot authors
`docs/worker-files.md`).
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePath
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from harvester.config.plugin_blocks import PluginProblem
from harvester.core.workers import Worker
from harvester.plugins.api import Assignment, Done, EventFeed, Failed, Later, Messenger, News, PluginContext
from harvester.plugins.messengers.access_point_files import HopelessError, NotYetError, is_there
from harvester.plugins.messengers.collecting import Collector
from harvester.plugins.messengers.event_feeding import feed_ranges
from harvester.plugins.messengers.feeding import FeedRules, feed_jobs, make_access_point
from harvester.plugins.messengers.feeding_running import feed_running_jobs, untaken_jobs
from harvester.plugins.messengers.file_names import FileNames, FileNameSettings, plain_name
from harvester.plugins.messengers.left_overs import SearchRules
from harvester.plugins.messengers.looking import LookRules
from harvester.plugins.messengers.post_processing import FinishRules, finish
from harvester.plugins.messengers.task_directories import TaskDirectories
from harvester.plugins.tools.path_settings import AbsolutePath, unwritable_directory

_OF_ONE_WORKER: Final = re.compile(r"\$\{(workerID|_workerID_[0-9.]+)\}")
"""Placeholders that give each worker a directory of its own."""
_SHIPPED_BASE: Final = f"{tempfile.gettempdir()}/workdir"
_SHIPPED_STATE: Final = "state.json"


def _compilable(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


_Patterns = tuple[Annotated[str, AfterValidator(_compilable)], ...]


def _below(path: str) -> str:
    if PurePath(path).is_absolute() or ".." in PurePath(path).parts:
        raise ValueError(f"{path!r} leaves the access point")
    return path


class SharedFileSettings(FileNameSettings):
    """Settings of the shared-file messenger.

    Attributes:
        access_point: template of the workers' directories.
        job_spec_format: JSON, or one URL-encoded line for pilots that read nothing else.
        strip_job_params: whether bulky job parameters are kept from the worker.
        scan_in_post_process: whether outputs that a worker did not report are looked for after its end.
        left_over_patterns: which they are, see `SearchRules`.
        left_over_zip_patterns: which tar files of outputs they are.
        post_process_in_sub_dir: whether jobs have worked in `<access point>/<PandaID>`.
        output_sub_dir: where left-over outputs are.
        sub_tarball_name: a file that stands for the logs of the sub-directory that it is in.
        allowed_output_paths: directories outside the access point that workers may report outputs in.
        task_work_base_dir: directory of the directories that jobs of a task share; workers may report outputs there.
        task_work_state_file: name of the file in these that says what was merged.
        max_report_size: bytes that a file of a worker may have to be read.
        max_checksum_size: bytes of a worker's outputs that are read in one look to compute checksums.
        max_log_size: bytes of log files that are packed into the log of a job.
        settle_seconds: a broken file that was changed less than this ago may still be being written.
    """

    access_point: str = Field(alias="accessPoint", min_length=1)
    job_spec_format: Literal["json", "cgi"] = Field(default="json", alias="jobSpecFileFormat")
    strip_job_params: bool = Field(default=False, alias="stripJobParams")
    scan_in_post_process: bool = Field(default=False, alias="scanInPostProcess")
    left_over_patterns: _Patterns | None = Field(default=None, alias="leftOverPatterns")
    left_over_zip_patterns: _Patterns | None = Field(default=None, alias="leftOverZipPatterns")
    post_process_in_sub_dir: bool = Field(default=False, alias="postProcessInSubDir")
    output_sub_dir: Annotated[str, AfterValidator(_below)] | None = Field(default=None, alias="outputSubDir")
    sub_tarball_name: Annotated[str, AfterValidator(plain_name)] | None = Field(default=None, alias="subTarballName")
    allowed_output_paths: tuple[AbsolutePath, ...] = Field(default=(), alias="allowedOutputPaths")
    task_work_base_dir: AbsolutePath | None = Field(default=None, alias="taskWorkBaseDir")
    task_work_state_file: Annotated[str, AfterValidator(plain_name)] | None = Field(
        default=None, alias="taskWorkStateFile"
    )
    max_report_size: int = Field(default=4_000_000, gt=0, alias="maxReportSize")
    max_checksum_size: int = Field(default=50_000_000_000, ge=0, alias="maxChecksumSize")
    max_log_size: int = Field(default=500_000_000, ge=0, alias="maxLogSize")
    settle_seconds: float = Field(default=60, ge=0, alias="settleTime")

    def mistakes(self, _role: str) -> Iterator[PluginProblem]:
        """A place in which no access point can be made."""
        yield from unwritable_directory(Path(self.access_point), "accessPoint")

    @property
    def has_own_directories(self) -> bool:
        """Whether no other worker shares a worker's directory."""
        return _OF_ONE_WORKER.search(self.access_point) is not None

    @property
    def search(self) -> SearchRules:
        """How left-over outputs are looked for."""
        patterns, archives = self.left_over_patterns or (), self.left_over_zip_patterns or ()
        return SearchRules(patterns, archives, self.output_sub_dir, self.max_checksum_size)

    def task_directories(self, instance_names: Mapping[str, str]) -> TaskDirectories:
        """The queue's, else the instance's by key of `[payload_interaction]`, else the shipped ones."""
        base = self.task_work_base_dir or Path(instance_names.get("taskWorkBaseDir", _SHIPPED_BASE))
        state = self.task_work_state_file or instance_names.get("taskWorkStateFile", _SHIPPED_STATE)
        return TaskDirectories(base, state, self.max_report_size)


class SharedFileMessenger(Messenger[SharedFileSettings]):
    """Exchanges files with workers in their access points."""

    Settings = SharedFileSettings

    def __init__(self, settings: SharedFileSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        names = settings.resolve(context.file_names)
        largest = settings.max_report_size
        tasks = settings.task_directories(context.file_names)
        allowed = tuple(path.resolve() for path in (*settings.allowed_output_paths, tasks.base))
        self._own_directories = settings.has_own_directories
        self._collector = Collector(
            LookRules(names, largest, settings.max_checksum_size, timedelta(seconds=settings.settle_seconds), allowed),
            context.file_time,
        )
        self._names = names
        self._feed_rules = FeedRules(names, tasks, settings.job_spec_format == "cgi", settings.strip_job_params)
        self._finish_rules = FinishRules(
            names,
            tasks,
            largest,
            settings.max_log_size,
            settings.sub_tarball_name,
            settings.search if settings.scan_in_post_process else None,
            settings.post_process_in_sub_dir,
        )

    @property
    def names(self) -> FileNames:
        """What the files of the queue's workers are called."""
        return self._names

    def access_point_template(self) -> str:
        """The queue's `accessPoint`."""
        return self.settings.access_point

    def feed(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Make the access points afresh and put the jobs there; workers that fetch their own jobs get none."""
        return [_attempt(partial(self._feed, each), each.worker) for each in assignments]

    def _feed(self, assignment: Assignment) -> None:
        self._collector.forget(assignment.worker)
        make_access_point(assignment, own_directory=self._own_directories)
        if assignment.worker.job_ids:
            feed_jobs(assignment, self._feed_rules)

    def feed_running(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Put jobs into access points that workers use already; what they have taken away is not put there again."""
        return [_attempt(partial(feed_running_jobs, each, self._feed_rules), each.worker) for each in assignments]

    def untaken(self, workers: Sequence[Worker]) -> Sequence[Collection[int] | Later]:
        """Jobs whose job file a worker has left where it was."""
        return [_untaken(worker, self._feed_rules.names) for worker in workers]

    def collect(self, workers: Sequence[Worker]) -> Sequence[News]:
        """Read what the workers left; one directory listing for a worker that has nothing new."""
        return self._collector.collect(workers)

    def acknowledge(self, workers: Sequence[Worker]) -> None:
        """Remember what was told, and rename the dumps that were taken in."""
        for worker in workers:
            self._collector.acknowledge(worker)

    def feed_events(self, feeds: Sequence[EventFeed]) -> Sequence[Done | Later | Failed]:
        """Put event ranges into the access points; what arrived there once does not come again."""
        return [_attempt(partial(feed_ranges, each, self._names), each.worker) for each in feeds]

    def finish(self, assignments: Sequence[Assignment]) -> Sequence[Done | Later | Failed]:
        """Pack logs and list left-over outputs, so that `collect` tells of them.

        Later while what the worker wrote last may still become visible or whole, which is over after `settleTime`.
        """
        return [_attempt(partial(self._finish, each), each.worker) for each in assignments]

    def _finish(self, assignment: Assignment) -> None:
        try:
            reason = self._collector.unsettled(assignment.worker)
        except (FileNotFoundError, NotADirectoryError):
            gone = "the access point is gone, and with it logs and outputs that were not reported"
            raise HopelessError(gone) from None
        if reason:
            raise NotYetError(f"{reason}; it may still change")
        finish(assignment, self._finish_rules)

    def clean(self, workers: Sequence[Worker]) -> Sequence[Done | Later | Failed]:
        """Remove the access points; one that workers share stays."""
        return [_attempt(partial(self._clean, worker), worker) for worker in workers]

    def _clean(self, worker: Worker) -> None:
        self._collector.forget(worker)
        if self._own_directories and worker.access_point:
            try:
                os.rmdir(worker.access_point)  # many are empty, and this is a fifth of the work
            except FileNotFoundError:
                return
            except OSError:
                if is_there(worker.access_point):  # a read-only disk refuses before it looks
                    shutil.rmtree(worker.access_point)


def _untaken(worker: Worker, names: FileNames) -> Collection[int] | Later:
    try:
        return untaken_jobs(worker, names)
    except (NotYetError, OSError) as error:
        return Later(f"nobody can tell which jobs were taken up from {worker.access_point}: {error}")


def _attempt(step: Callable[[], None], worker: Worker) -> Done | Later | Failed:
    place = f"worker {worker.worker_id}, access point {worker.access_point}"
    try:
        step()
    except HopelessError as error:
        return Failed(f"{place}: {error}")
    except (NotYetError, OSError) as error:
        return Later(f"{place}: {error}")
    return Done()
