"""Files that the development server keeps, and gives out below `/cache/`."""

from typing import Final

from harvester.panda.devserver.memory import Memory

CACHE: Final = "/cache/"
_KIND: Final = "file"


class Files:
    """Files by their path below `/cache/`, with a character for each byte; a later one replaces an earlier one."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._by_path = {path: str(kept["content"]) for path, kept in memory.records(_KIND)}

    def put(self, path: str, content: str) -> None:
        """Keep a file."""
        self._by_path[path] = content
        self._memory.keep(_KIND, path, {"content": content})

    def remove(self, path: str) -> bool:
        """Forget a file; whether there was one."""
        self._memory.forget(_KIND, path)
        return self._by_path.pop(path, None) is not None

    def get(self, path: str) -> bytes | None:
        """Give the bytes of a file; None if there is none."""
        content = self._by_path.get(path)
        return None if content is None else content.encode("latin-1")
