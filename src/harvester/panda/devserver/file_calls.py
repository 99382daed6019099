"""`file_server/...`: files that others read later."""

from typing import Final

from pydantic import JsonValue

from harvester.panda.devserver.answers import Answer, ok, refused
from harvester.panda.devserver.files import CACHE
from harvester.panda.devserver.methods import Call, method

_LOGS: Final = "jedilog"
_CHECKPOINT: Final = "hpo_cp_"
_TASK_AND_POINT: Final = 2
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


@method("POST", "file_server/upload_hpo_checkpoint")
def upload_hpo_checkpoint(call: Call, file: dict[str, JsonValue]) -> Answer:
    """Keep the checkpoint of a point of a search, whose name tells task and point."""
    parts = str(file["filename"]).rpartition("/")[2].split("_")
    if len(parts) != _TASK_AND_POINT:
        return refused("Failed to extract task and sub IDs")
    path = f"{_CHECKPOINT}{'_'.join(parts)}"
    call.state.files.put(path, str(file["content"]))
    call.state.memory.note(call.now, "file", path, "uploaded", f"{len(str(file['content']))} bytes")
    return ok()


@method("POST", "file_server/delete_hpo_checkpoint")
def delete_hpo_checkpoint(call: Call, task_id: str, sub_id: str) -> Answer:
    """Remove the checkpoint of a point."""
    path = f"{_CHECKPOINT}{task_id}_{sub_id}"
    if not call.state.files.remove(path):
        return refused("failed to delete the checkpoint")
    call.state.memory.note(call.now, "file", path, "removed")
    return ok()
