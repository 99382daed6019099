import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester.plugins.tools.locked_files import is_named


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.fixture
def descriptor(path: Path) -> Iterator[int]:
    opened = os.open(path, os.O_CREAT | os.O_RDWR)
    yield opened
    os.close(opened)


def test_a_file_has_the_name_that_it_was_opened_by(path: Path, descriptor: int):
    assert is_named(path, descriptor)


def test_a_file_that_was_renamed_or_removed_has_lost_its_name(path: Path, descriptor: int):
    path.replace(path.with_name("other"))
    assert not is_named(path, descriptor)
    assert is_named(path.with_name("other"), descriptor)


def test_a_name_that_now_stands_for_another_file_is_lost(path: Path, descriptor: int):
    path.with_name("other").touch()
    path.with_name("other").replace(path)
    assert not is_named(path, descriptor)


def test_a_link_to_the_file_is_not_its_name(path: Path, descriptor: int):
    path.replace(path.with_name("other"))
    path.symlink_to(path.with_name("other"))
    assert not is_named(path, descriptor)
