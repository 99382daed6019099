"""The log of a job: what its worker wrote about itself, packed into one file."""

import gzip
import os
import tarfile
from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO, Final

from harvester.plugins.data.atomic_copy import summarise
from harvester.plugins.data.checksums import Content
from harvester.plugins.data.regular_files import open_regular

_PATTERNS: Final = ("*.log", "*.txt", "*.xml", "*.json", "log*")
_DEEPEST: Final = 10
"""Levels of directories that are looked into."""


def archive_logs(directory: Path, target: Path, *, skip: Collection[str]) -> Content:
    """Pack the log files of a directory and its sub-directories into a gzipped tar file.

    The same files always give the same archive, so that packing again after a crash changes nothing. Symbolic links
    are neither packed nor followed; a file that cannot be read is left out.

    Args:
        directory: the access point or a job's part of it.
        target: the archive, which gets its name when it is complete.
        skip: names of files that are no logs although they look so.

    Raises:
        OSError: the archive cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            _pack(directory, packed, {*skip, target.name})
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return summarise(target)


def _pack(directory: Path, packed: gzip.GzipFile, skip: Collection[str]) -> None:
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, file in _log_files(directory, skip):
            with file:
                tar.addfile(tar.gettarinfo(arcname=name, fileobj=file), file)


def _log_files(directory: Path, skip: Collection[str]) -> Iterator[tuple[str, BinaryIO]]:
    for top, directories, names, handle in os.fwalk(directory):
        place = Path(top).relative_to(directory)
        directories[:] = sorted(directories) if len(place.parts) < _DEEPEST else []
        for name in sorted(names):
            if name in skip or not any(fnmatch(name, pattern) for pattern in _PATTERNS):
                continue
            try:
                file = open_regular(name, follow=False, directory=handle)
            except OSError:
                continue
            yield str(place / name), file
