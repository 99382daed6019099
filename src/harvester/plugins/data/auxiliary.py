"""Brings auxiliary inputs: files of web servers, container images, and what commands of the site bring.

A file is stored as `<localBasePath>/<scope>/<name>`, once for all jobs that need it, and appears there when it is
complete. Commands are started without a shell; each writes to a hidden name beside it.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final, Literal

import httpx2
from pydantic import BaseModel, ConfigDict, Field

from harvester.core.errors import HarvesterError
from harvester.core.files import File
from harvester.core.masking import masked
from harvester.plugins.api import Done, Failed, FileOutcome, Grouped, Later, Moved, PluginContext, Preparator
from harvester.plugins.data.atomic_copy import BusyError, own, write_new
from harvester.plugins.data.checksums import Content, Summary
from harvester.plugins.data.copying import CopySettings
from harvester.plugins.tools.commands import Commands, Ran
from harvester.plugins.tools.names import is_plain_name

_AT_ONCE: Final = 4
_TIMEOUT: Final = 3600.0
"""Seconds that a command or a download may take."""
_SILENCE: Final = 180.0
"""Seconds that a web server may be silent."""
_LONGEST_ID: Final = 190
_MISSING: Final = 404


class _Command(BaseModel):
    model_config = ConfigDict(extra="ignore")
    args: list[str] = Field(min_length=1)


class _External(BaseModel):
    model_config = ConfigDict(extra="ignore")
    trigger: _Command
    check: _Command | None = None


class AuxiliarySettings(CopySettings):
    """Settings of the preparator.

    Attributes:
        runtime: what brings container images (`docker://…`).
        commands: by protocol of the URL, what brings files (`{src}`, `{dst}`) and whether they are there (`{id}`, the
            last line that the first one printed, and `{dst}`).
        largest: bytes that a file of a web server may have.
    """

    runtime: Literal["docker", "singularity", "shifter"] | None = Field(default=None, alias="containerRuntime")
    commands: Mapping[str, _External] = Field(default={}, alias="externalCommand")
    largest: int = Field(default=50_000_000_000, alias="maxFileSize", gt=0)


class _CannotBringError(HarvesterError):
    """It cannot be brought, and asking again will not help."""


class _TryAgainError(HarvesterError):
    """It could not be brought now."""


class AuxiliaryPreparator(Preparator[AuxiliarySettings]):
    """See the module."""

    Settings = AuxiliarySettings

    def __init__(self, settings: AuxiliarySettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(_TIMEOUT)

    def trigger(self, files: Sequence[File]) -> Sequence[Done | Grouped | Later | Failed]:
        """Bring what is not there, some files at once."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="auxiliary") as threads:
            return list(threads.map(self._trigger, files))

    def _trigger(self, file: File) -> Done | Grouped | Later | Failed:
        try:
            return self._bring(file)
        except _CannotBringError as error:
            return Failed(masked(f"job {file.job_id}: {error}"))
        except BusyError as error:
            return Later(str(error))
        except (OSError, _TryAgainError) as error:
            reason = masked(f"job {file.job_id}: cannot bring {file.url}: {error}")
            return Failed(reason) if file.attempts >= self.settings.max_attempts else Later(reason)

    def _bring(self, file: File) -> Done | Grouped:
        destination = self._destination(file)
        if destination.exists():
            return Done()
        protocol, _, rest = (file.url or "").partition("://")
        if protocol in self.settings.commands:
            return self._start_command(file, self.settings.commands[protocol], destination)
        if protocol in {"http", "https"}:
            write_new(destination, lambda target: self._download(file.url or "", target), replace=False)
        elif protocol == "docker":
            self._pull(rest, destination)
        else:
            raise _CannotBringError(f"nothing brings {file.url!r}; add its protocol to externalCommand")
        return Done()

    def _destination(self, file: File) -> Path:
        scope = file.scope or "aux_input"
        for name in (scope, file.lfn):
            if not is_plain_name(name):
                raise _CannotBringError(f"{name!r} cannot be the name of a file or scope")
        return self.settings.destination / scope / file.lfn

    # ---- web servers -------------------------------------------------------------------------------------------------

    def _download(self, url: str, target: BinaryIO) -> Content:
        try:
            content = self._read(url, target)
        except httpx2.InvalidURL as error:
            raise _CannotBringError(f"{url!r} is no URL: {error}") from None
        except httpx2.HTTPError as error:
            raise _TryAgainError(str(error) or type(error).__name__) from None
        target.flush()
        os.fsync(target.fileno())
        return content

    def _read(self, url: str, target: BinaryIO) -> Content:
        """The whole file, but neither without end nor drop by drop for ever."""
        summary, end = Summary(), self.context.clock() + timedelta(seconds=_TIMEOUT)
        with httpx2.stream("GET", url, timeout=_SILENCE, follow_redirects=True) as answer:
            if answer.status_code == _MISSING:
                raise _CannotBringError(f"{url} does not exist")
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                target.write(piece)
                summary.add(piece)
                if summary.size > self.settings.largest:
                    raise _CannotBringError(f"{url} is larger than maxFileSize, {self.settings.largest} bytes")
                if self.context.clock() > end:
                    raise _TryAgainError(f"it did not come in within {_TIMEOUT:g} s")
        return summary.content

    # ---- commands ----------------------------------------------------------------------------------------------------

    def _pull(self, image: str, destination: Path) -> None:
        if not image or image.startswith("-"):
            raise _CannotBringError(f"{image!r} is not the name of a container image")
        new = _hidden(destination)
        match self.settings.runtime:
            case "docker":
                command = ["docker", "save", "-o", str(new), image]
            case "singularity":
                command = ["singularity", "build", "--sandbox", str(new), f"docker://{image}"]
            case "shifter":
                command = ["shifterimg", "pull", image]
            case None:
                raise _CannotBringError(f"it needs the image {image}; set containerRuntime of aux_preparator")
        with _turn(destination):
            _remove(new)
            self._run(command)
            if self.settings.runtime == "shifter":
                new.touch()
            new.replace(destination)

    def _start_command(self, file: File, external: _External, destination: Path) -> Done | Grouped:
        if file.group_id is not None:
            return Grouped(file.group_id, file.group_status)
        words = {"{src}": file.url or "", "{dst}": str(_hidden(destination))}
        with _turn(destination):
            out = self._run([words.get(word, word) for word in external.trigger.args])
            if external.check is None:
                _hidden(destination).replace(destination)
                return Done()
        number = out.strip().rpartition("\n")[2].strip()
        if not 0 < len(number) <= _LONGEST_ID:
            raise _CannotBringError(f"the command for {file.url} printed no id in its last line")
        return Grouped(number, "started")

    def _run(self, command: Sequence[str]) -> str:
        result = self._commands.run(command[0], command, environment=os.environ)
        if not isinstance(result, Ran):
            raise _TryAgainError(result.reason)
        if result.exit_code != 0:
            raise _TryAgainError(f"{command[0]} ended with {result.exit_code}: {' '.join(result.err.split())[:300]}")
        return result.out

    # ---- looking -----------------------------------------------------------------------------------------------------

    def check(self, files: Sequence[File]) -> Sequence[FileOutcome]:
        """Moved for what is there; commands are asked about the rest."""
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="auxiliary") as threads:
            return list(threads.map(self._check, files))

    def _check(self, file: File) -> FileOutcome:
        try:
            destination = self._destination(file)
            if not destination.exists():
                self._ask_command(file, destination)
        except _CannotBringError as error:
            return Failed(masked(f"job {file.job_id}: {error}"))
        except (OSError, HarvesterError) as error:
            return Later(masked(f"{file.url} is not there yet: {error}"))
        is_elsewhere = self.settings.runtime == "shifter" and (file.url or "").startswith("docker://")
        return Moved((file.url or "").removeprefix("docker://") if is_elsewhere else str(destination))

    def _ask_command(self, file: File, destination: Path) -> None:
        external = self.settings.commands.get((file.url or "").partition("://")[0])
        if external is None or external.check is None or file.group_id is None:
            raise _TryAgainError("it will be brought again")
        words = {"{id}": file.group_id, "{dst}": str(_hidden(destination))}
        self._run([words.get(word, word) for word in external.check.args])
        _hidden(destination).replace(destination)


def _hidden(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.new")


@contextmanager
def _turn(destination: Path) -> Iterator[None]:
    """One at a time brings a file, of all processes of this host."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{destination.name}.part")
    with own(part):
        try:
            yield
        finally:
            part.unlink(missing_ok=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
