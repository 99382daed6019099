"""What the page on credentials says: its example works, and it names every setting."""

import re
from pathlib import Path

import pytest

from harvester.config.findings import Severity
from harvester.config.plugin_blocks import PluginBlock
from harvester.config.service import load_settings
from harvester.config.setups import credential_setups
from harvester.plugins.names import OURS, UPSTREAM, Role
from harvester.plugins.registry import known_settings, resolve

PAGE = (Path(__file__).parents[3] / "docs" / "credentials.md").read_text()
MANAGERS = sorted(OURS[Role.CREDENTIAL_MANAGER])


def test_the_example_keeps_what_it_says(tmp_path: Path):
    (example,) = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "panda_harvester.cfg"
    path.write_text(f"[master]\nharvester_id = test\n{example}")
    loaded = load_settings([path], {})
    assert [each for each in loaded.findings if each.severity is Severity.ERROR] == []
    assert loaded.settings is not None
    setups = credential_setups(loaded.settings.credmanager, loaded.settings.pandacon.cert_file, (), "test")
    assert [each.name for each in setups] == [
        "1: /var/harvester/x509up_production",
        "2: /var/harvester/x509up_pilot",
        "computing elements",
        "pilots",
    ]
    for each in setups:
        settings = resolve(Role.CREDENTIAL_MANAGER, each.block).Settings
        assert settings.model_validate(each.block.settings)


@pytest.mark.parametrize("name", MANAGERS)
def test_every_setting_of_every_manager_is_on_the_page(name: str):
    block = PluginBlock(plugin=name)
    fields = resolve(Role.CREDENTIAL_MANAGER, block).Settings.model_fields
    keys = {field.alias or name for name, field in fields.items()}
    assert keys <= known_settings(Role.CREDENTIAL_MANAGER.value, block)
    assert {key for key in keys if f"`{key}`" not in PAGE} == set()


def classes() -> list[str]:
    managers = (each for each in UPSTREAM.values() if each.roles == {Role.CREDENTIAL_MANAGER})
    return [each.name for each in managers if each.is_built]


@pytest.mark.parametrize("name", classes())
def test_every_manager_is_on_the_page_by_its_old_name(name: str):
    assert f"`{name}`" in PAGE
