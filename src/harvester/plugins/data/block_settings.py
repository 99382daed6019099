"""What the settings of all our plugins have in common."""

from collections.abc import Mapping

from pydantic import model_validator

from harvester.plugins.api import PluginSettings


class BlockSettings(PluginSettings):
    """Settings in which a key with `null` or an empty text is as good as none: existing configurations have them."""

    @model_validator(mode="before")
    @classmethod
    def _without_empty_keys(cls, block: object) -> object:
        if not isinstance(block, Mapping):
            return block
        return {key: value for key, value in block.items() if value is not None and value != ""}
