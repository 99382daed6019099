"""Forms with files, as browsers and Harvester send them."""

import re
from collections.abc import Iterator
from typing import Final

from pydantic import JsonValue

_BOUNDARY: Final = re.compile(r'multipart/form-data;\s*boundary="?([^";]+)"?\s*')
_NAME: Final = re.compile(rb'\bname="([^"]*)"')
_FILE_NAME: Final = re.compile(rb'\bfilename="([^"]*)"')


def files_of(content_type: str, body: bytes) -> dict[str, JsonValue]:
    """The files of a form by the name of their part, as `{"filename", "content"}` with a character for each byte.

    Empty if it is no form with files.
    """
    boundary = _BOUNDARY.fullmatch(content_type)
    return dict(_files(b"\r\n" + body, boundary[1].encode())) if boundary else {}


def _files(body: bytes, boundary: bytes) -> Iterator[tuple[str, JsonValue]]:
    for part in body.split(b"\r\n--" + boundary)[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        name, filename = _NAME.search(head), _FILE_NAME.search(head)
        if name and filename:
            yield _text(name[1]), {"filename": _text(filename[1]), "content": _text(content)}


def _text(some: bytes) -> str:
    return some.decode("latin-1")
