"""Files in directories where others write: ordinary ones are opened, everything else is refused."""

import os
from pathlib import Path

import pytest

from harvester.plugins.tools.regular_files import NotRegularFileError, open_below


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "place"
    (place / "sub").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (place / "plain").write_text("own")
    (place / "sub" / "plain").write_text("own")
    (place / "link").symlink_to(tmp_path / "secret")
    (place / "linked").symlink_to(tmp_path)
    os.link(tmp_path / "secret", place / "second_name")
    os.mkfifo(place / "pipe")
    return place


@pytest.mark.parametrize("parts", [("plain",), ("sub", "plain")])
def test_ordinary_files_are_opened(place: Path, parts: tuple[str, ...]):
    with open_below(place, parts) as file:
        assert file.read() == b"own"


@pytest.mark.parametrize(
    "parts",
    [("link",), ("linked", "secret"), ("second_name",), ("pipe",), ("sub",), ("no",), ("plain", "x"), ("\0",)],
)
def test_everything_else_is_refused_at_once(place: Path, parts: tuple[str, ...]):
    with pytest.raises((OSError, ValueError)):
        open_below(place, parts)


def test_the_directory_itself_is_no_link(place: Path):
    moved = place.rename(place.with_name("moved"))
    place.symlink_to(moved)
    with pytest.raises(OSError, match="place"):
        open_below(place, ("plain",))


def test_what_is_refused_is_closed(place: Path):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("second_name", "pipe", "sub"):
        with pytest.raises(NotRegularFileError):
            open_below(place, (name,))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
