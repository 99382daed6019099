from pathlib import Path

import pytest
from pydantic import Field

from harvester.plugins.api import PluginSettings
from harvester.plugins.data.copying import CopySettings
from harvester.plugins.dummy import DummySettings
from harvester.plugins.local.settings import LocalSettings


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
