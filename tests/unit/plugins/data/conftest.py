from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from data_tools import ADLER32, TEXT, Copying

from harvester.core.files import File, FileKind, FileStatus
from harvester.plugins.api import PluginContext
from harvester.plugins.data.copying import CopyPreparator, CopySettings, CopyStager, CopyStagerSettings


@pytest.fixture
def context(tmp_path: Path) -> PluginContext:
    return PluginContext("cern", "Q", lambda: datetime(2026, 1, 1, tzinfo=UTC), tmp_path)


@pytest.fixture(params=["preparator", "stager"])
def copying(request: pytest.FixtureRequest, context: PluginContext, tmp_path: Path) -> Copying:
    block = {"basePath": f"{tmp_path}/store"}
    if request.param == "stager":
        return Copying(CopyStager(CopyStagerSettings.model_validate(block), context), tmp_path / "store")
    return Copying(CopyPreparator(CopySettings.model_validate(block), context), tmp_path / "store")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.root"
    path.write_text(TEXT)
    return path


@pytest.fixture
def make_file(source: Path) -> Callable[..., File]:
    def make(lfn: str = "out.root", **more: object) -> File:
        about: dict[str, object] = {"path": str(source), "size": len(TEXT), "checksum": ADLER32, **more}
        return File(1, 101, lfn, FileKind.OUTPUT, FileStatus.TRANSFERRING, **about)

    return make
