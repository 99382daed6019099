import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.plugins.data.checksums import normal_checksum, read_content


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("11e60398", "ad:11e60398"),
        ("ad:11E60398", "ad:11e60398"),
        (" 1 ", "ad:00000001"),
        ("md:" + "a" * 32, "md:" + "a" * 32),
        ("A" * 32, "md:" + "a" * 32),
        ("", None),
        ("ad:", None),
        ("123456789", None),
        ("md:11e60398", None),
        ("sha256:abc", None),
        ("ad:\uff11", None),
    ],
)
def test_checksums_are_brought_into_one_form(text: str, normal: str | None):
    assert normal_checksum(text) == normal


@given(st.binary())
def test_content_equals_itself_and_nothing_longer(data: bytes):
    written = io.BytesIO()
    content = read_content(io.BytesIO(data), written.write)
    assert written.getvalue() == data
    assert content.adler32 == f"ad:{zlib.adler32(data):08x}"
    for checksum in (content.adler32, content.md5, content.adler32[3:], None):
        assert not content.differs_from(len(data), checksum)
    assert read_content(io.BytesIO(data + b"x")).differs_from(None, content.adler32)
