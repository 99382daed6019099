"""Directories and how full they may be."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from harvester.config.service import Settings
from harvester.config.watermarks import Watermark


def watermarks(written: object) -> tuple[Watermark, ...]:
    panda = {"server_api_url_ssl": "http://127.0.0.1:1/api/v1"}
    sections = {"master": {"harvester_id": "test"}, "pandacon": panda, "sweeper": {"diskHighWatermark": written}}
    return Settings.model_validate(sections).sweeper.disk_high_watermark


def test_directories_with_gigabytes():
    expected = (Watermark(Path("/a"), 2_000_000_000), Watermark(Path("/b c"), 500_000_000))
    assert watermarks("/a|2, /b c | 0.5,") == expected
    assert watermarks("") == ()


@pytest.mark.parametrize("wrong", ["/a", "/a|", "/a|x", "a|1", "/a|-1", "/a|inf", "/a|nan", 7])
def test_anything_else_is_refused(wrong: object):
    with pytest.raises(ValidationError):
        watermarks(wrong)
