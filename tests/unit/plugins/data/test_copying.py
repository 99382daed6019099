import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from data_tools import ADLER32, MD5, TEXT, Copying
from pydantic import ValidationError

from harvester.core.files import File
from harvester.plugins.api import Done, Failed, Later, Moved, PluginContext
from harvester.plugins.data.copying import CopyPreparator, CopySettings, CopyStagerSettings

MakeFile = Callable[..., File]

PREPARATOR = pytest.mark.parametrize("copying", ["preparator"], indirect=True)
STAGER = pytest.mark.parametrize("copying", ["stager"], indirect=True)


@pytest.mark.parametrize(
    ("size", "checksum", "found"),
    [(9, ADLER32, ADLER32), (9, "11E60398", ADLER32), (None, MD5, MD5), (None, None, ADLER32)],
)
def test_a_file_arrives_as_declared(
    copying: Copying, make_file: MakeFile, size: int | None, checksum: str | None, found: str
):
    file = make_file(size=size, checksum=checksum)
    assert isinstance(copying.check(file), Later)
    assert copying.trigger(file) == Done()
    destination = copying.directory / "panda" / "out.root"
    assert copying.check(file) == Moved(str(destination), 9, found)
    assert destination.read_text() == TEXT
    assert copying.stored() == {"panda/out.root"}


def test_scopes_are_directories(copying: Copying, make_file: MakeFile):
    copying.trigger(make_file(scope="user.jdoe"))
    assert copying.stored() == {"user.jdoe/out.root"}


def test_what_has_arrived_is_not_copied_again(copying: Copying, make_file: MakeFile, source: Path):
    copying.trigger(make_file())
    source.unlink()
    assert copying.trigger(make_file()) == Done()
    assert isinstance(copying.check(make_file()), Moved)


@STAGER
def test_an_output_that_has_become_a_link_is_not_followed(
    copying: Copying, make_file: MakeFile, source: Path, tmp_path: Path
):
    turn_into_a_link(source, tmp_path / "what the worker may not read")
    for checksum in (ADLER32, None):
        assert isinstance(copying.trigger(make_file(checksum=checksum)), Later)
    assert copying.stored() == set()


@PREPARATOR
def test_an_input_may_be_a_link(copying: Copying, make_file: MakeFile, source: Path, tmp_path: Path):
    turn_into_a_link(source, tmp_path / "elsewhere")
    assert copying.trigger(make_file()) == Done()
    assert not (copying.directory / "panda" / "out.root").is_symlink()


def turn_into_a_link(source: Path, target: Path) -> None:
    """What was a file is a link to another one with the same content."""
    source.rename(target)
    source.symlink_to(target)


@PREPARATOR
def test_an_input_that_stands_there_wrongly_is_replaced(copying: Copying, make_file: MakeFile):
    destination = copying.put("something else")
    outcome = copying.check(make_file())
    assert isinstance(outcome, Later)
    assert str(destination) in outcome.reason
    assert copying.trigger(make_file()) == Done()
    assert isinstance(copying.check(make_file()), Moved)


@PREPARATOR
def test_an_input_without_checksum_has_to_be_as_its_source(copying: Copying, make_file: MakeFile):
    destination = copying.put(TEXT.swapcase())
    assert isinstance(copying.check(make_file(checksum=None)), Later)
    assert copying.trigger(make_file(checksum=None)) == Done()
    assert destination.read_text() == TEXT


@STAGER
@pytest.mark.parametrize("checksum", [ADLER32, MD5, None])
@pytest.mark.parametrize("others", ["something else", TEXT.swapcase(), ""])
def test_an_output_never_replaces_the_file_of_somebody_else(
    copying: Copying, make_file: MakeFile, source: Path, checksum: str | None, others: str
):
    destination = copying.put(others)
    file = make_file(checksum=checksum)
    for outcome in (copying.check(file), copying.trigger(file), copying.trigger(file), copying.check(file)):
        assert isinstance(outcome, Failed)
        assert str(source) in outcome.reason
        assert str(destination) in outcome.reason
    assert destination.read_text() == others
    assert copying.stored() == {"panda/out.root"}


@STAGER
def test_outputs_of_one_name_need_scopes_of_their_own(copying: Copying, make_file: MakeFile, tmp_path: Path):
    (tmp_path / "second").write_text(TEXT.swapcase())
    second = {"path": str(tmp_path / "second"), "checksum": None}
    assert copying.trigger(make_file(scope="user.a")) == Done()
    assert isinstance(copying.trigger(make_file(scope="user.a", **second)), Failed)
    assert isinstance(copying.check(make_file(scope="user.a")), Moved)
    assert copying.trigger(make_file(scope="user.b", **second)) == Done()
    assert copying.stored() == {"user.a/out.root", "user.b/out.root"}


@STAGER
@pytest.mark.parametrize("checksum", [ADLER32, None])
def test_an_output_that_has_arrived_is_known_again_after_a_crash(
    copying: Copying, make_file: MakeFile, checksum: str | None
):
    destination = copying.put(TEXT)
    before = destination.stat()
    assert copying.trigger(make_file(checksum=checksum)) == Done()
    assert isinstance(copying.check(make_file(checksum=checksum)), Moved)
    assert destination.stat() == before


@STAGER
def test_without_source_and_checksum_nobody_knows_whose_file_it_is(copying: Copying, make_file: MakeFile, source: Path):
    copying.put(TEXT)
    source.unlink()
    assert isinstance(copying.trigger(make_file(checksum=None)), Later)
    assert isinstance(copying.check(make_file(checksum=None)), Later)


@STAGER
def test_a_half_copy_of_ours_does_not_make_the_name_ours(copying: Copying, make_file: MakeFile):
    destination = copying.put("something else")
    destination.with_name(".out.root.part").write_text(TEXT[:4])
    assert isinstance(copying.trigger(make_file()), Failed)
    assert destination.read_text() == "something else"


@STAGER
@pytest.mark.parametrize(("others", "then"), [("something else", Failed), (TEXT, Done)])
def test_a_file_that_comes_during_the_copy_is_not_replaced(
    copying: Copying, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch, others: str, then: type
):
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: copying.put(others))
        assert isinstance(copying.trigger(make_file(attempts=99)), Later)
    assert (copying.directory / "panda" / "out.root").read_text() == others
    assert copying.stored() == {"panda/out.root"}
    assert isinstance(copying.trigger(make_file()), then)


@pytest.mark.parametrize("left", ["much longer than the file that is copied", TEXT[:4], TEXT.swapcase(), ""])
def test_a_copy_that_was_killed_half_way_is_done_afresh(copying: Copying, make_file: MakeFile, left: str):
    part = copying.directory / "panda" / ".out.root.part"
    part.parent.mkdir(parents=True)
    part.write_text(left)
    assert copying.trigger(make_file()) == Done()
    assert copying.stored() == {"panda/out.root"}
    assert isinstance(copying.check(make_file()), Moved)


def test_two_transfers_of_one_file_do_not_mix(copying: Copying, make_file: MakeFile):
    part = copying.directory / "panda" / ".out.root.part"
    part.parent.mkdir(parents=True)
    with part.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert isinstance(copying.trigger(make_file(attempts=99)), Later)
    assert copying.trigger(make_file()) == Done()


@pytest.mark.parametrize(
    "wrong",
    [{"size": 8}, {"checksum": "ad:00000001"}, {"checksum": "md:" + "0" * 32}, {"checksum": "sha"}, {"path": "/gone"}],
)
def test_a_wrong_or_missing_source_is_tried_again_and_then_given_up(
    copying: Copying, make_file: MakeFile, wrong: dict[str, object]
):
    outcome = copying.trigger(make_file(**wrong))
    assert isinstance(outcome, Later)
    assert "out.root" in outcome.reason
    assert "job 101" in outcome.reason
    assert isinstance(copying.trigger(make_file(**wrong, attempts=2)), Later)
    assert isinstance(copying.trigger(make_file(**wrong, attempts=3)), Failed)
    assert copying.stored() == set()


def test_a_pipe_is_no_source(copying: Copying, make_file: MakeFile, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    outcome = copying.trigger(make_file(path=str(tmp_path / "pipe")))
    assert isinstance(outcome, Later)
    assert "not a regular file" in outcome.reason


def test_a_full_disk_is_said_and_leaves_nothing(copying: Copying, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch):
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        outcome = copying.trigger(make_file())
    assert isinstance(outcome, Later)
    assert "No space left" in outcome.reason
    assert copying.stored() == set()
    assert copying.trigger(make_file()) == Done()


@pytest.mark.parametrize("name", ["../escaped", "/etc/passwd", "a/b", ".", "..", "x\0y", "n" * 256])
@pytest.mark.parametrize("key", ["lfn", "scope"])
def test_no_name_leaves_the_directory(copying: Copying, make_file: MakeFile, name: str, key: str):
    file = make_file(**{key: name})
    assert isinstance(copying.trigger(file), Failed)
    assert isinstance(copying.check(file), Failed)


def test_a_file_needs_a_name(copying: Copying, make_file: MakeFile):
    assert isinstance(copying.trigger(make_file("")), Failed)


def test_one_file_does_not_stop_its_neighbours(copying: Copying, make_file: MakeFile):
    files = [make_file("../x"), make_file("a"), make_file("b", path="/gone"), make_file("c")]
    assert [type(outcome) for outcome in copying.plugin.trigger(files)] == [Failed, Done, Later, Done]
    assert [type(outcome) for outcome in copying.plugin.check(files)] == [Failed, Moved, Later, Moved]


def test_inputs_are_looked_for_where_the_queue_says(context: PluginContext, make_file: MakeFile, tmp_path: Path):
    (tmp_path / "mass" / "mc23").mkdir(parents=True)
    (tmp_path / "mass" / "mc23" / "in.root").write_text(TEXT)
    block = {"srcBasePath": f"{tmp_path}/mass", "localBasePath": f"{tmp_path}/near"}
    preparator = CopyPreparator(CopySettings.model_validate(block), context)
    file = make_file("in.root", scope="mc23", path=None)
    assert preparator.trigger([file]) == [Done()]
    assert preparator.check([file]) == [Moved(f"{tmp_path}/near/mc23/in.root", 9, ADLER32)]


def test_an_input_of_unknown_place_names_the_key_to_set(copying: Copying, make_file: MakeFile):
    outcome = copying.trigger(make_file(path=None))
    assert isinstance(outcome, Later)
    assert "srcBasePath" in outcome.reason


def test_the_stager_prefers_the_remote_directory_and_the_preparator_the_local_one():
    block = {"localBasePath": "/near", "dstBasePath": "/far"}
    assert CopySettings.model_validate(block).destination == Path("/near")
    assert CopyStagerSettings.model_validate(block).destination == Path("/far")


@pytest.mark.parametrize("block", [{}, {"basePath": "relative"}, {"basePath": "/x", "maxAttempts": 0}])
def test_settings_that_cannot_work_are_refused(block: dict[str, object]):
    with pytest.raises(ValidationError):
        CopySettings.model_validate(block)
