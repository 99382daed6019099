"""`file_server/...`: files that others read later."""

from typing import Final

from pydantic import JsonValue

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.files import CACHE
from harvester.panda.devserver.methods import Call, method

_LOGS: Final = "jedilog"
_LARGEST_LOG: Final = 100 * 2**20


@method("POST", "file_server/upload_jedi_log", production=True)
def upload_jedi_log(call: Call, file: dict[str, JsonValue]) -> Answer:
    """Keep the bytes of a log as they are, in place of an earlier one, and tell their address."""
    content = str(file["content"])
    if len(content) > _LARGEST_LOG:
        return refused("ERROR: upload failure. Exceeded size limit")
    path = f"{_LOGS}/{str(file['filename']).rpartition('/')[2]}"
    call.state.files.put(path, content)
    call.state.memory.note(call.now, "file", path, "uploaded", f"{len(content)} bytes")
    return ok(f"{call.origin}{CACHE}{path}")
