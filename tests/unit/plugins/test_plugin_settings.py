from pathlib import Path

import pytest
from pydantic import Field

from harvester.plugins.api import PluginSettings
from harvester.plugins.data.copying import CopySettings, CopyStagerSettings
from harvester.plugins.data.rse_direct import RseSettings
from harvester.plugins.dummy import DummySettings
from harvester.plugins.local.settings import LocalSettings
from harvester.plugins.messengers.shared_file import SharedFileSettings
from harvester.plugins.slurm import SlurmSettings


class ForeignSettings(PluginSettings):
    """As a package of somebody else would have it."""

    timeout: float = Field(default=60.0, alias="timeOut")


@pytest.mark.parametrize("empty", [None, ""])
def test_a_key_without_a_value_is_as_good_as_none(empty: object):
    block = {"destination": empty, "basePath": "/data", "srcBasePath": empty, "maxAttempts": empty}
    assert CopySettings.model_validate(block) == CopySettings(destination=Path("/data"))
    assert LocalSettings.model_validate({"killGrace": empty, "cores": empty}) == LocalSettings()
    assert DummySettings.model_validate({"logBaseURL": empty}) == DummySettings()
    assert ForeignSettings.model_validate({"timeOut": empty, "timeout": empty}) == ForeignSettings()


@pytest.mark.parametrize("falsy", [0, 0.0])
def test_nought_is_a_value(falsy: float):
    assert ForeignSettings.model_validate({"timeOut": falsy}).timeout == 0


def test_what_is_no_block_is_refused():
    with pytest.raises(ValueError, match="dictionary"):
        CopySettings.model_validate(5)


@pytest.mark.parametrize("model", [LocalSettings, SlurmSettings])
def test_a_script_that_cannot_be_read_is_told(model: type[LocalSettings | SlurmSettings], tmp_path: Path):
    elsewhere = f"/{300 * 'x'}/script.sh"
    for path in (str(tmp_path), str(tmp_path / "script.sh"), elsewhere):
        (found,) = model.model_validate({"templateFile": path}).mistakes("submitter")
        assert (found.key, found.elsewhere) == ("templateFile", path == elsewhere)
        assert f"there is no file {path} that can be read" in found.problem


def test_a_program_that_cannot_be_looked_for_is_told():
    program = f"/{300 * 'x'}/pilot"
    (found,) = LocalSettings(command=(program,)).mistakes("submitter")
    assert found.problem == f"{program} is not found, so workers would fail"


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (CopySettings, "destination"),
        (CopyStagerSettings, "srcBasePath"),
        (RseSettings, "basePath"),
        (SharedFileSettings, "allowedOutputPaths"),
    ],
)
def test_a_path_that_depends_on_where_the_service_was_started_is_refused(model: type[PluginSettings], key: str):
    block: dict[str, object] = {"destination": "/data", "accessPoint": "/a/${workerID}"}
    value = ["data"] if key == "allowedOutputPaths" else "data"
    with pytest.raises(ValueError, match="data is not absolute; write the whole path"):
        model.model_validate({**block, key: value})
