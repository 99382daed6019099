import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from proxy_tools import Tools


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    """The commands."""
    tools = Tools(tmp_path / "tools")
    monkeypatch.setenv("PATH", str(tmp_path / "tools"), prepend=":")
    return tools


@pytest.fixture
def is_private() -> Callable[[Path], bool]:
    """Whether nobody else may read a file, and nothing was left beside it."""

    def look(path: Path) -> bool:
        return stat.S_IMODE(path.stat().st_mode) == 0o600 and not list(path.parent.glob(f".{path.name}*"))

    return look
