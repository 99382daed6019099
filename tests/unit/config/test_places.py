"""Paths that lead nowhere, and those that this account cannot follow, are answered alike."""

from pathlib import Path

import pytest

from harvester.config.places import is_directory, is_file, is_there


@pytest.mark.parametrize("path", ["/no/such/place", f"/{300 * 'x'}/place", "/a\0b", "/dev/null/place"])
def test_nothing_is_where_nothing_can_be(path: str):
    assert not any((is_there(path), is_file(path), is_directory(path)))


def test_files_and_directories_are_told_apart(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    assert (is_there(file), is_file(file), is_directory(file)) == (True, True, False)
    assert (is_there(tmp_path), is_file(tmp_path), is_directory(tmp_path)) == (True, False, True)
