"""A directory that is kept as a branch of a git repository is (plugins reference §4.15).

Upstream resets and cleans the directory whatever its commands answered. Here nothing is changed unless the branch was
fetched, and a directory that holds files of somebody else is refused.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import Field

from harvester.core.errors import HarvesterError
from harvester.core.masking import masked
from harvester.plugins.api import (
    Current,
    Done,
    Failed,
    FileSyncer,
    Later,
    PluginContext,
    PluginSettings,
    Stale,
    Unknown,
)
from harvester.plugins.tools.commands import Commands, Ran

_TIMEOUT: Final = 300.0
_LONGEST_WORDS: Final = 300


class GitSyncerSettings(PluginSettings):
    """Settings of the syncer.

    Attributes:
        target_dir: the local copy; made if it is not there.
        source_url: the repository.
        source_branch: the branch.
        source_remote: what git calls the repository in the copy.
        source_subdir: only this directory of the repository; all of it when empty.
    """

    target_dir: str = Field(alias="targetDir")
    source_url: str = Field(alias="sourceURL")
    source_branch: str = Field(default="master", alias="sourceBranch")
    source_remote: str = Field(default="origin", alias="sourceRemoteName")
    source_subdir: str = Field(default="", alias="sourceSubdir")


class _GitError(HarvesterError):
    """A git command that did not do what it should."""


class GitFileSyncer(FileSyncer[GitSyncerSettings]):
    """Keeps one directory as one branch."""

    Settings = GitSyncerSettings

    def __init__(self, settings: GitSyncerSettings, context: PluginContext) -> None:
        super().__init__(settings, context)
        self._commands = Commands(_TIMEOUT)

    def targets(self) -> Sequence[str]:
        """`targetDir`."""
        return (self.settings.target_dir,)

    def check(self, targets: Sequence[str]) -> Sequence[Current | Stale | Unknown]:
        """Whether the directory is at the branch's newest commit."""
        return [self._check(Path(target)) for target in targets]

    def update(self, targets: Sequence[str]) -> Sequence[Done | Later | Failed]:
        """Fetch the branch, then make the directory as it is."""
        return [self._update(Path(target)) for target in targets]

    def _check(self, target: Path) -> Current | Stale | Unknown:
        if not (target / ".git").exists():
            return Stale(f"{target} is no copy yet")
        try:
            branch = f"refs/heads/{self.settings.source_branch}"
            newest = self._git(None, "ls-remote", self.settings.source_url, branch).partition("\t")[0]
            here = self._git(target, "rev-parse", "--verify", "--quiet", "HEAD", may_fail=True)
            changed = self._git(target, "status", "--porcelain")
        except _GitError as error:
            return Unknown(str(error))
        if not newest:
            return Unknown(masked(f"{self.settings.source_url} has no branch {self.settings.source_branch}"))
        return Current() if newest == here and not changed else Stale(f"{target} differs from {newest[:12]}")

    def _update(self, target: Path) -> Done | Later | Failed:
        settings, remote = self.settings, self.settings.source_remote
        try:
            target.mkdir(parents=True, exist_ok=True)
            if not (target / ".git").exists() and any(target.iterdir()):
                return Failed(f"{target} holds files of somebody else; empty it, or name another targetDir")
            self._git(target, "init", "--quiet")
            self._point(target, remote)
            branch = settings.source_branch
            self._git(target, "fetch", "--quiet", remote, f"+refs/heads/{branch}:refs/remotes/{remote}/{branch}")
            self._choose_part(target)
            self._git(target, "reset", "--quiet", "--hard", f"refs/remotes/{remote}/{branch}")
            self._git(target, "clean", "-d", "-x", "-f", "--quiet")
        except (_GitError, OSError) as error:
            return Later(str(error))
        return Done()

    def _point(self, target: Path, remote: str) -> None:
        """The copy is one of this repository from now on."""
        known = self._git(target, "remote").split()
        verb = ("set-url",) if remote in known else ("add",)
        self._git(target, "remote", *verb, remote, self.settings.source_url)

    def _choose_part(self, target: Path) -> None:
        subdir = self.settings.source_subdir.strip("/")
        self._git(target, "config", "core.sparseCheckout", "true" if subdir else "false")
        chosen = target / ".git" / "info" / "sparse-checkout"
        chosen.parent.mkdir(exist_ok=True)
        chosen.write_text(f"/{subdir}/\n" if subdir else "/*\n", encoding="utf-8")

    def _git(self, where: Path | None, *arguments: str, may_fail: bool = False) -> str:
        """What the command prints.

        Raises:
            _GitError: it failed, or could not be run.
        """
        place = () if where is None else ("-C", str(where))
        environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        result = self._commands.run("git", ("git", *place, *arguments), environment=environment)
        if not isinstance(result, Ran):
            raise _GitError(result.reason)
        if result.exit_code and not may_fail:
            words = masked(" ".join(result.err.split()))[-_LONGEST_WORDS:]
            raise _GitError(f"git {arguments[0]} failed: {words or f'exit code {result.exit_code}'}")
        return result.out.strip()
