"""Secrets are planted wherever a configuration has some; a run with much trouble shows none of them to anybody."""

import pytest

from system_harness.config_server import ConfigServer
from system_harness.planting import Planted
from system_harness.site import Site

pytestmark = pytest.mark.system


def test_no_secret_is_ever_shown(site: Site):
    with ConfigServer() as pool:
        planted = Planted(site, pool)
        planted.run_with_trouble()
        planted.judge()
