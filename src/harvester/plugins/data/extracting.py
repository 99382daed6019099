"""Finds what a job needs besides its inputs: a script, a sandbox, a container image (plugins reference §4.15)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pydantic import Field, JsonValue

from harvester.core.masking import masked
from harvester.plugins.api import AuxiliaryInput, Extracted, Extractor, Failed, PluginSettings
from harvester.plugins.tools.names import is_plain_name

_SOURCE: Final = re.compile(r"(?:^|\s)--sourceURL[ =](\S+)")
_USERS_SANDBOX: Final = re.compile(r"(?:^|\s)-a (\S+)")
_OTHER_SANDBOX: Final = re.compile(r"(?:^|\s)-i (\S+)")
_QUOTES: Final = "'\""


class ExtractorSettings(PluginSettings):
    """Settings of the extractor.

    Attributes:
        container_prefix: protocol of container images that are named without one, such as `docker://`.
    """

    container_prefix: str = Field(default="", alias="containerPrefix")


class AuxiliaryExtractor(Extractor[ExtractorSettings]):
    """See the module."""

    Settings = ExtractorSettings

    def extract(self, jobs: Sequence[Mapping[str, JsonValue]]) -> Sequence[Extracted | Failed]:
        """Told by `transformation`, `jobPars` and `container_name` of each job."""
        return [self._extract(params) for params in jobs]

    def _extract(self, params: Mapping[str, JsonValue]) -> Extracted | Failed:
        more: dict[str, JsonValue] = {}
        if source := _source_of(params):
            more["sourceURL"] = source
        if image := self._image_of(params):
            more["container_name"] = image
        urls = list(dict.fromkeys([*_scripts_of(params, source), *([image] if image else [])]))
        inputs = [AuxiliaryInput(url.rstrip("/").rpartition("/")[2], url) for url in urls]
        if bad := [each.url for each in inputs if not is_plain_name(each.lfn)]:
            return Failed(masked(f"it needs {bad[0][:200]!r}, which is no URL of a file"))
        return Extracted(inputs, more)

    def _image_of(self, params: Mapping[str, JsonValue]) -> str:
        name = _text(params, "container_name")
        prefix = self.settings.container_prefix
        return name if not name or name.startswith(prefix) else f"{prefix}{name}"


def _text(params: Mapping[str, JsonValue], key: str) -> str:
    value = params.get(key)
    return value if isinstance(value, str) and value != "NULL" else ""


def _source_of(params: Mapping[str, JsonValue]) -> str:
    found = _SOURCE.search(_text(params, "jobPars"))
    return found[1].strip(_QUOTES) if found else ""


def _scripts_of(params: Mapping[str, JsonValue], source: str) -> Iterator[str]:
    transformation = _text(params, "transformation")
    if transformation.startswith(("http://", "https://")):
        yield transformation
    pattern = _USERS_SANDBOX if _text(params, "prodSourceLabel") == "user" else _OTHER_SANDBOX
    sandbox = pattern.search(_text(params, "jobPars"))
    if source and sandbox:
        yield f"{source}/cache/{sandbox[1].strip(_QUOTES)}"
