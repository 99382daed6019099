from pathlib import Path

import pytest

from harvester.plugins.data.copying import CopySettings
from harvester.plugins.local.settings import LocalSettings


@pytest.mark.parametrize("empty", [None, ""])
def test_a_key_without_a_value_is_as_good_as_none(empty: object):
    block = {"destination": empty, "basePath": "/data", "srcBasePath": empty, "maxAttempts": empty}
    assert CopySettings.model_validate(block) == CopySettings(destination=Path("/data"))
    assert LocalSettings.model_validate({"killGrace": empty, "cores": empty}) == LocalSettings()


def test_what_is_no_block_is_refused():
    with pytest.raises(ValueError, match="dictionary"):
        CopySettings.model_validate(5)
