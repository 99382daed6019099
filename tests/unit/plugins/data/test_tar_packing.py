"""The zipper that makes tar files."""

import shutil
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from pydantic import ValidationError

from harvester.core.files import File, FileKind, FileStatus
from harvester.plugins.api import Failed, Later, Packed, Parcel, PluginContext
from harvester.plugins.data.packing import TarSettings, TarZipper


def member(path: Path, content: str = "x", **more: object) -> File:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    known = {"path": str(path), "size": len(content), **more}
    return File(1, 101, path.name, FileKind.ES_OUTPUT, FileStatus.ZIPPED, **known)


def parcel(*members: File, name: str = "panda.a.zip", attempts: int = 0, access_point: str | None = None) -> Parcel:
    file = File(9, 101, name, FileKind.ZIP_OUTPUT, FileStatus.ZIPPING, attempts=attempts)
    return Parcel(file, members, access_point)


@pytest.fixture
def zipper(context: PluginContext) -> TarZipper:
    return TarZipper(TarSettings(), context)


def packed(zipper: TarZipper, wanted: Parcel) -> Packed | Later | Failed:
    (answer,) = zipper.pack([wanted])
    return answer


def test_members_stand_in_a_tar_file_beside_the_first_under_their_plain_names(zipper: TarZipper, tmp_path: Path):
    members = member(tmp_path / "one/a", "first"), member(tmp_path / "two/b", "second")
    answer = packed(zipper, parcel(*members))
    place = tmp_path / "one/panda.a.zip"
    content = place.read_bytes()
    assert answer == Packed(str(place), len(content), f"ad:{zlib.adler32(content):08x}")
    with tarfile.open(place, "r:") as archive:
        assert archive.getnames() == ["a", "b"]
        assert [archive.extractfile(each).read() for each in archive] == [b"first", b"second"]


@pytest.mark.skipif(shutil.which("tar") is None, reason="tar is not installed")
def test_tar_reads_it(zipper: TarZipper, tmp_path: Path):
    packed(zipper, parcel(*(member(tmp_path / f"f{number}", "z" * number) for number in range(600))))
    listing = subprocess.run(["tar", "-tf", tmp_path / "panda.a.zip"], check=True, capture_output=True, text=True)
    assert listing.stdout.split() == [f"f{number}" for number in range(600)]


def test_packing_again_gives_the_same(zipper: TarZipper, tmp_path: Path):
    wanted = parcel(member(tmp_path / "a"))
    assert packed(zipper, wanted) == packed(zipper, wanted)


def test_all_missing_members_are_told(zipper: TarZipper, tmp_path: Path):
    members = [member(tmp_path / name) for name in "abc"]
    (tmp_path / "a").unlink()
    (tmp_path / "c").unlink()
    answer = packed(zipper, parcel(*members))
    assert answer == Failed("job 101: cannot pack panda.a.zip: a, c of its members are not there")
    assert [each.name for each in tmp_path.iterdir()] == ["b"]


def test_a_member_that_is_not_as_reported_is_told(zipper: TarZipper, tmp_path: Path):
    other = member(tmp_path / "a", "longer", size=3)
    assert packed(zipper, parcel(other)) == Failed(f"job 101: {other.path} has 6 bytes instead of 3")
    wrong = member(tmp_path / "b", "text", checksum="ad:00000007")
    assert "instead of ad:00000007" in str(packed(zipper, parcel(wrong)))
    assert {each.name for each in tmp_path.iterdir()} == {"a", "b"}


def test_a_link_is_not_followed(zipper: TarZipper, tmp_path: Path):
    (tmp_path / "secret").write_text("s")
    (tmp_path / "a").symlink_to(tmp_path / "secret")
    trick = File(1, 101, "a", FileKind.ES_OUTPUT, FileStatus.ZIPPED, path=str(tmp_path / "a"))
    assert isinstance(packed(zipper, parcel(trick)), Failed | Later)
    assert not (tmp_path / "panda.a.zip").exists()


@pytest.mark.parametrize("name", ["../out", "a/b", "", "a\nb"])
def test_names_that_are_paths_are_refused(zipper: TarZipper, tmp_path: Path, name: str):
    assert "cannot be the name" in str(packed(zipper, parcel(member(tmp_path / "a"), name=name)))


def test_what_cannot_be_written_is_tried_again_for_a_while(context: PluginContext, tmp_path: Path):
    (tmp_path / "file").write_text("no directory")
    zipper = TarZipper(TarSettings(zipDir=str(tmp_path / "file/below"), maxAttempts=2), context)
    first = member(tmp_path / "a")
    assert isinstance(packed(zipper, parcel(first, attempts=1)), Later)
    assert isinstance(packed(zipper, parcel(first, attempts=2)), Failed)


def test_where_packed_files_go(context: PluginContext, tmp_path: Path):
    first = member(tmp_path / "deep/a")
    work = TarZipper(TarSettings(zipDir="${WORKDIR}"), context)
    assert packed(work, parcel(first, access_point=str(tmp_path))).path == str(tmp_path / "panda.a.zip")
    assert "its worker is gone" in str(packed(work, parcel(first)))
    fixed = TarZipper(TarSettings(zipDir=str(tmp_path / "zips")), context)
    assert packed(fixed, parcel(first)).path == str(tmp_path / "zips/101/panda.a.zip")
    with pytest.raises(ValidationError, match="not absolute"):
        TarSettings(zipDir="zips")


def test_one_bad_parcel_spoils_no_other(zipper: TarZipper, tmp_path: Path):
    good = parcel(member(tmp_path / "a"), name="good.zip")
    answers = zipper.pack([good, parcel(name="empty.zip"), good])
    assert [type(each) for each in answers] == [Packed, Failed, Packed]
