"""A directory kept as a branch of a real repository."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvester.config.plugin_blocks import PluginBlock
from harvester.plugins.api import Current, Done, Failed, Later, PluginContext, Stale, Unknown
from harvester.plugins.filesyncers.git import GitFileSyncer
from harvester.plugins.names import Role
from harvester.plugins.registry import build

WHO = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")


def git(where: Path, *arguments: str) -> None:
    subprocess.run(["git", *WHO, *arguments], cwd=where, check=True, capture_output=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with two directories."""
    source = tmp_path / "source"
    source.mkdir()
    git(source, "init", "--quiet", "--initial-branch=master")
    write(source, "templates/job.sh", "one\n")
    write(source, "other/unwanted", "x\n")
    return source


def write(source: Path, name: str, text: str) -> None:
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_text(text)
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", name)


def syncer(source: Path, target: Path, **more: str) -> GitFileSyncer:
    identity = {"module": "pandaharvester.harvesterfilesyncer.git_file_syncer", "name": "GitFileSyncer"}
    block = PluginBlock.of({**identity, "targetDir": str(target), "sourceURL": str(source), **more}, {})
    context = PluginContext("h", "", lambda: datetime.now(UTC), target.parent, setup="templates")
    built = build(Role.FILE_SYNCER, block, context)
    assert isinstance(built, GitFileSyncer)
    return built


def test_a_copy_is_made_and_follows_the_branch(source: Path, tmp_path: Path):
    target = tmp_path / "copies" / "target"
    keeper = syncer(source, target)
    assert isinstance(keeper.check([str(target)])[0], Stale)
    assert keeper.update([str(target)]) == [Done()]
    assert keeper.check([str(target)]) == [Current()]
    write(source, "templates/job.sh", "two\n")
    assert isinstance(keeper.check([str(target)])[0], Stale)
    assert keeper.update([str(target)]) == [Done()]
    assert (target / "templates/job.sh").read_text() == "two\n"


def test_what_somebody_changed_in_the_copy_is_undone(source: Path, tmp_path: Path):
    target = tmp_path / "target"
    keeper = syncer(source, target)
    keeper.update([str(target)])
    (target / "templates/job.sh").write_text("mine\n")
    (target / "new").touch()
    assert isinstance(keeper.check([str(target)])[0], Stale)
    assert keeper.update([str(target)]) == [Done()]
    assert (target / "templates/job.sh").read_text() == "one\n"
    assert not (target / "new").exists()


def test_only_the_wanted_directory_is_copied(source: Path, tmp_path: Path):
    target = tmp_path / "target"
    keeper = syncer(source, target, sourceSubdir="templates")
    assert keeper.update([str(target)]) == [Done()]
    assert [each.name for each in target.iterdir() if each.name != ".git"] == ["templates"]
    assert keeper.check([str(target)]) == [Current()]


def test_a_directory_of_somebody_else_is_left_alone(source: Path, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis").write_text("years of work")
    (outcome,) = syncer(source, tmp_path / "home").update([str(tmp_path / "home")])
    assert isinstance(outcome, Failed)
    assert (tmp_path / "home" / "thesis").read_text() == "years of work"


def test_a_repository_that_is_away_changes_nothing(source: Path, tmp_path: Path):
    target = tmp_path / "target"
    keeper = syncer(source, target)
    keeper.update([str(target)])
    source.rename(tmp_path / "away")
    assert isinstance(keeper.check([str(target)])[0], Unknown)
    assert isinstance(keeper.update([str(target)])[0], Later)
    assert (target / "templates/job.sh").read_text() == "one\n"


def test_a_branch_that_is_not_there_is_named(source: Path, tmp_path: Path):
    target = tmp_path / "target"
    syncer(source, target).update([str(target)])
    (state,) = syncer(source, target, sourceBranch="maine").check([str(target)])
    assert isinstance(state, Unknown)
    assert state.reason == f"{source} has no branch maine"


def test_a_password_in_the_address_is_never_told(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    target, url = tmp_path / "target", "https://somebody:hush@git.example.org/templates"
    for name, value in {"COUNT": "1", "KEY_0": f"url.{source}.insteadOf", "VALUE_0": url}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    syncer(source, target, sourceURL=url).update([str(target)])
    (state,) = syncer(source, target, sourceURL=url, sourceBranch="maine").check([str(target)])
    assert isinstance(state, Unknown)
    assert state.reason == "https://(hidden)@git.example.org/templates has no branch maine"
