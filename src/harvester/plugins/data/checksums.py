"""Checksums as PanDA writes them: `ad:` and eight hex digits (adler32) or `md:` and thirty-two (md5)."""

import hashlib
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

_CHUNK = 1 << 20
_ADLER32 = re.compile(r"(?:ad:)?([0-9a-f]{1,8})", re.ASCII)
_MD5 = re.compile(r"(?:md:)?([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, in short.

    Attributes:
        size: bytes.
        adler32: `ad:` and eight hex digits.
        md5: `md:` and thirty-two hex digits.
    """

    size: int
    adler32: str
    md5: str

    def differs_from(self, size: int | None, checksum: str | None) -> str:
        """What is not as declared, in words; empty if nothing. What is not declared cannot differ."""
        if size is not None and size != self.size:
            return f"has {self.size} bytes instead of {size}"
        if checksum is None:
            return ""
        wanted = normal_checksum(checksum)
        if wanted is None:
            return f"cannot be compared with checksum {checksum!r}: it is neither adler32 nor md5"
        found = self.md5 if wanted.startswith("md:") else self.adler32
        return "" if found == wanted else f"has checksum {found} instead of {wanted}"


def normal_checksum(text: str) -> str | None:
    """The checksum with its prefix, in lower case and full length; None if it is neither adler32 nor md5."""
    lower = text.strip().lower()
    if md5 := _MD5.fullmatch(lower):
        return f"md:{md5[1]}"
    if adler32 := _ADLER32.fullmatch(lower):
        return f"ad:{adler32[1]:0>8}"
    return None


class Summary:
    """Sums up what comes piece by piece."""

    def __init__(self) -> None:
        self._size = 0
        self._adler32 = zlib.adler32(b"")
        self._md5 = hashlib.md5(usedforsecurity=False)

    def add(self, piece: bytes) -> None:
        """This comes next."""
        self._size += len(piece)
        self._adler32 = zlib.adler32(piece, self._adler32)
        self._md5.update(piece)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._size

    @property
    def content(self) -> Content:
        """All so far."""
        return Content(self._size, f"ad:{self._adler32:08x}", f"md:{self._md5.hexdigest()}")


def read_content(source: BinaryIO, write: Callable[[bytes], object] = len, *, at_most: int = sys.maxsize) -> Content:
    """Read a file to its end in pieces and summarise it.

    Args:
        source: an open file, read from where it stands.
        write: is given every piece, so that copying and summing up are one pass.
        at_most: bytes after which the file ends for us, however it grows.
    """
    summary = Summary()
    while piece := source.read(min(_CHUNK, at_most - summary.size)):
        write(piece)
        summary.add(piece)
    return summary.content
