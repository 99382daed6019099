"""The log of a job: what its worker wrote about itself, packed into one file."""

import gzip
import io
import os
import tarfile
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import BinaryIO, Final

from harvester.plugins.data.atomic_copy import summarise
from harvester.plugins.data.checksums import Content
from harvester.plugins.tools.regular_files import open_regular

_PATTERNS: Final = ("*.log", "*.txt", "*.xml", "*.json", "log*")
_LEFT_OUT: Final = "left_out.txt"
"""The member that names the files for which there was no room."""
_MOST_NAMED: Final = 1000
_DEEPEST: Final = 10
"""Levels of directories that are looked into."""


def archive_logs(
    directory: Path, target: Path, *, skip: Collection[str], at_most: int, sub_archive: str | None = None
) -> Content:
    """Pack the log files of a directory and its sub-directories into a gzipped tar file.

    The same files always give the same archive, so that packing again after a crash changes nothing. Symbolic links
    are neither packed nor followed; a file that cannot be read is left out.

    Args:
        directory: the access point or a job's part of it.
        target: the archive, which gets its name when it is complete.
        skip: names of files that are no logs although they look so.
        sub_archive: name of a file that stands for all logs of the sub-directory that it is in, being made of them.
        at_most: bytes that all files together may have; those for which no room is left are named in `left_out.txt`.

    Raises:
        OSError: the archive cannot be written.
    """
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with part.open("xb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            _pack(_log_files(directory, {*skip, target.name}, sub_archive), packed, at_most)
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return summarise(target)


def _pack(files: Iterable[tuple[str, BinaryIO]], packed: gzip.GzipFile, room: int) -> None:
    left_out: list[str] = []
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, file in files:
            with file:
                member = tar.gettarinfo(arcname=name, fileobj=file)
                if member.size <= room:
                    room -= member.size
                    tar.addfile(member, file)
                else:
                    left_out.append(f"{name}: {member.size} bytes\n")
        if left_out:
            _add_text(tar, _LEFT_OUT, "".join(left_out[:_MOST_NAMED]) + f"{len(left_out)} files were left out\n")


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    content = os.fsencode(text)
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def _log_files(directory: Path, skip: Collection[str], sub_archive: str | None) -> Iterator[tuple[str, BinaryIO]]:
    for top, directories, names, handle in os.fwalk(directory):
        place = Path(top).relative_to(directory)
        directories[:] = sorted(directories) if len(place.parts) < _DEEPEST else []
        wanted = [name for name in sorted(names) if any(fnmatch(name, pattern) for pattern in _PATTERNS)]
        if len(place.parts) == 1 and sub_archive in names:
            directories[:] = []
            wanted = [sub_archive]
        for name in wanted:
            if name in skip:
                continue
            try:
                file = open_regular(name, follow=False, directory=handle)
            except OSError:
                continue
            yield str(place / name), file
