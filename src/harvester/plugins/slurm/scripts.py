"""Makes the batch scripts of workers: the rendered template, and around it what Harvester needs to know.

The rendered template stays one file per worker in its access point. What `sbatch` gets is a short shell script that
starts it, passes signals on to it and writes its exit code beside it, for clusters that have no accounting.
"""

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harvester.core.workers import Worker, marker_of
from harvester.plugins.slurm.directives import Head, read_head
from harvester.plugins.slurm.naming import array_name, compact
from harvester.plugins.tools.untrusted_files import read_bytes

EXIT_CODE_FILE: Final = ".exit_code"

_PATTERN: Final = re.compile(r"%(.?)")
_SHELL: Final = {
    "%": "%",
    "j": "${batch_id}",
    "A": "${SLURM_ARRAY_JOB_ID}",
    "a": "${SLURM_ARRAY_TASK_ID}",
}
"""Patterns of output file names that the array's script can fill in; %j becomes the batch id, `123_4`."""


_NO_TASK: Final = "4294967294"
"""What Slurm writes for %a where there is no array."""
_LARGEST_TEMPLATE: Final = 4_000_000
_LARGEST_CHOICE: Final = 1_000_000
"""Bytes that the workers of an array may add to its script; a cluster takes 4 MB unless it is configured otherwise."""


@dataclass(frozen=True, slots=True)
class Script:
    """One worker's script, rendered and understood."""

    worker: Worker
    instance: str
    text: str
    head: Head
    partition: str = ""

    @property
    def path(self) -> Path:
        """Where the rendered template is kept."""
        return _path_of(self.worker)

    @property
    def output(self) -> str:
        """Absolute path of the standard output, `%` patterns included."""
        return self._absolute(self.head.output or f"{self.worker.worker_id}.out")

    @property
    def error(self) -> str:
        """Absolute path of the error output; the standard output's if the template names only that."""
        if self.head.output and not self.head.error:
            return self.output
        return self._absolute(self.head.error or f"{self.worker.worker_id}.err")

    @property
    def can_be_element(self) -> bool:
        """Whether an array can hold it.

        It has one component, its marker follows from its number, and its file names from known patterns.
        """
        patterns = {match[1] for match in _PATTERN.finditer(self.output + self.error)}
        is_usual = self.worker.marker == marker_of(self.instance, self.worker.worker_id)
        return is_usual and patterns <= _SHELL.keys() and not self.head.heterogeneous

    @property
    def branch(self) -> str:
        """What an array's script does to become this worker."""
        files = f"output={_shell_path(self.output)} error={_shell_path(self.error)} ;;"
        return "\n".join((*_assignments(self), files))

    def store(self) -> None:
        """Write the rendered template into the access point, executable for its owner only.

        Raises:
            OSError: the access point cannot be written.
        """
        self.path.unlink(missing_ok=True)
        descriptor = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o700)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(self.text)

    def _absolute(self, path: str) -> str:
        return str(Path(self.worker.access_point) / path)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What one `sbatch` submits: one script, or an array of alike ones in the order of their worker ids."""

    scripts: tuple[Script, ...]

    @property
    def is_array(self) -> bool:
        """Whether workers are elements of an array."""
        return len(self.scripts) > 1

    @property
    def shape(self) -> tuple[str, ...]:
        """What all scripts ask of Slurm."""
        return self.scripts[0].head.shape

    @property
    def base(self) -> int:
        """The worker id that task 0 stands for."""
        return self.scripts[0].worker.worker_id

    @property
    def last(self) -> int:
        """The greatest worker id."""
        return self.scripts[-1].worker.worker_id

    def halves(self) -> tuple["BatchJob", "BatchJob"]:
        """Two batch jobs for the workers of an array."""
        middle = len(self.scripts) // 2
        return BatchJob(self.scripts[:middle]), BatchJob(self.scripts[middle:])

    def batch_id_of(self, script: Script, job_id: str) -> str:
        """The batch id of one worker, once Slurm has given the job its id."""
        return f"{job_id}_{script.worker.worker_id - self.base}" if self.is_array else job_id

    def arguments(self) -> list[str]:
        """The arguments of `sbatch`; they win over the directives of the script."""
        first = self.scripts[0]
        where = f"--chdir={first.worker.access_point}"
        if not self.is_array:
            return [f"--job-name={first.worker.marker}", where, f"--output={first.output}", f"--error={first.error}"]
        tasks = compact(script.worker.worker_id - self.base for script in self.scripts)
        name = array_name(first.instance, self.base)
        return [f"--job-name={name}", where, f"--array={tasks}", "--output=/dev/null", "--error=/dev/null"]

    def text(self) -> str:
        """The shell script for `sbatch`."""
        lines = ["#!/bin/sh", *self.shape, *self._choice(), *_RUN]
        return "\n".join(lines) + "\n"

    def _choice(self) -> Iterator[str]:
        if not self.is_array:
            yield from _assignments(self.scripts[0])
            return
        yield 'batch_id="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"'
        yield 'case "${SLURM_ARRAY_TASK_ID}" in'
        for script in self.scripts:
            yield f"{script.worker.worker_id - self.base})"
            yield script.branch
        yield "esac"
        into = ">>" if self.scripts[0].head.appends else ">"
        yield f'exec {into}"${{output}}"'
        yield f'if [ "${{error}}" = "${{output}}" ]; then exec 2>&1; else exec 2{into}"${{error}}"; fi'


_FORWARDED: Final = (
    "HUP", "INT", "QUIT", "ABRT", "ALRM", "TERM", "USR1", "USR2", "URG", "CONT", "TSTP", "TTIN", "TTOU",
)  # fmt: skip
"""The signals that Slurm can name, but for those that no program can catch."""

# The signals are caught before there is a payload, so that none of them ends or stops the shell; `$!` is the payload.
# A shell starts what runs beside it with INT and QUIT ignored. What undoes that depends on the node: bash does it by
# `trap -`, other shells leave it to the `env` of GNU coreutils 8.31 and newer; `env` gets no path, for a path may
# contain an equals sign. A `wait` that a signal cut short tells of the signal: waiting again tells of the payload, even
# of one that has ended meanwhile; 127 means that the first word was the payload's own.
_RUN: Final = (
    'cd -- "${access_point}" || exit 1',
    f"rm -f {EXIT_CODE_FILE}",
    "export HARVESTER_ID HARVESTER_WORKER_ID",
    "start='env --default-signal=INT,QUIT sh -c'",
    "${start} : 2>/dev/null || start='sh -c'",
    "caught=",
    f"for signal in {' '.join(_FORWARDED)}; do",
    '    trap "caught=yes; kill -s ${signal} \\"\\$!\\" 2>/dev/null" "${signal}"',
    "done",
    """(trap - INT QUIT; exec ${start} 'exec "$0"' "${script}") &""",
    "payload=$!",
    'wait "${payload}"',
    "exit_code=$?",
    'while [ "${caught}" ] && [ "${exit_code}" -gt 128 ]; do',
    "    caught=",
    '    wait "${payload}"',
    "    again=$?",
    '    [ "${again}" -eq 127 ] || exit_code="${again}"',
    "done",
    f'echo "${{exit_code}}" >{EXIT_CODE_FILE}.new && mv -f {EXIT_CODE_FILE}.new {EXIT_CODE_FILE}',
    'exit "${exit_code}"',
)


def _path_of(worker: Worker) -> Path:
    return Path(worker.access_point) / f"{worker.worker_id}_submit.sh"


def _assignments(script: Script) -> Iterator[str]:
    yield f"access_point={shlex.quote(script.worker.access_point)} script={shlex.quote(str(script.path))}"
    yield f"HARVESTER_ID={shlex.quote(script.instance)} HARVESTER_WORKER_ID={script.worker.worker_id}"
    if script.worker.variables:
        values = (f"{name}={shlex.quote(value)}" for name, value in script.worker.variables.items())
        yield f"export {' '.join(values)}"


def _shell_path(path: str) -> str:
    """The path as a shell word, its patterns replaced by the variables that hold their values."""
    pieces = _PATTERN.split(path)
    return "".join(
        (f'"{_SHELL[piece]}"' if index % 2 else shlex.quote(piece)) for index, piece in enumerate(pieces) if piece
    )


def make_script(worker: Worker, instance: str, text: str, partition: str = "") -> Script:
    """A worker's script from its rendered template.

    Raises:
        ValueError: it is not a batch script, or it asks for what a worker cannot be.
    """
    return Script(worker, instance, text, read_head(text), partition)


def stored_script(worker: Worker, instance: str) -> Script:
    """The script that `Script.store` has written for the worker.

    Raises:
        OSError: it is not there.
        UnreadableFileError: it cannot be read, or is no small file any more.
        ValueError: it is no batch script any more.
    """
    text = read_bytes(_path_of(worker), at_most=_LARGEST_TEMPLATE)
    return make_script(worker, instance, text.decode("utf-8", "surrogateescape"))


def log_paths(script: Script, batch_id: str) -> Mapping[str, str]:
    """Where the logs of a submitted worker are."""
    job, is_element, task = batch_id.partition("_")
    known = {"%": "%", "j": batch_id, "A": job, "a": task if is_element else _NO_TASK}

    def filled(path: str) -> str:
        return _PATTERN.sub(lambda match: known.get(match[1], match[0]), path)

    return {"stdOut": filled(script.output), "stdErr": filled(script.error), "jdl": str(script.path)}


def batch_jobs(scripts: Sequence[Script], array_size: int) -> list[BatchJob]:
    """Put alike scripts together; task indices stay below `array_size`, and the script of an array stays small."""
    alike: dict[tuple[str, ...], list[Script]] = {}
    jobs: list[BatchJob] = []
    for script in scripts:
        if script.can_be_element:
            alike.setdefault(script.head.shape, []).append(script)
        else:
            jobs.append(BatchJob((script,)))
    for group in alike.values():
        jobs.extend(_cut(sorted(group, key=lambda script: script.worker.worker_id), array_size))
    return jobs


def _cut(scripts: list[Script], array_size: int) -> Iterator[BatchJob]:
    part: list[Script] = []
    room = _LARGEST_CHOICE
    for script in scripts:
        room -= len(os.fsencode(script.branch))
        if part and (room < 0 or script.worker.worker_id - part[0].worker.worker_id >= array_size):
            yield BatchJob(tuple(part))
            part, room = [], _LARGEST_CHOICE - len(os.fsencode(script.branch))
        part.append(script)
    if part:
        yield BatchJob(tuple(part))
