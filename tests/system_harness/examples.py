"""The configurations of `docs/examples`, moved to the site of a test."""

import json
from collections.abc import Mapping
from configparser import RawConfigParser
from pathlib import Path
from typing import Final

from system_harness.site import Sections, Site

EXAMPLES: Final = Path(__file__).parents[2] / "docs" / "examples"
_OF_THE_SITE: Final = {
    "master": {"harvester_id", "uname", "gname"},
    "db": {"engine", "database_filename"},
    "pandacon": {"server_api_url_ssl", "auth_type", "ca_cert", "cert_file", "key_file"},
    "qconf": {"configFile"},
}
"""What an example says of the place where it runs."""


def adopt(site: Site, name: str, places: Mapping[str, str], more: Sections | None = None) -> None:
    """Configure the site as the example says.

    Args:
        site: where it runs.
        name: of the directory.
        places: paths and addresses of the example, and what they are here.
        more: keys that make a test quicker.
    """
    folder = EXAMPLES / name
    parser = RawConfigParser(strict=True, comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # keys keep their case
    parser.read_string(_moved((folder / "panda_harvester.cfg").read_text(), places))
    stated = {
        section: {
            key: value.replace("\n", "\n  ") for key, value in keys.items() if key not in _OF_THE_SITE.get(section, ())
        }
        for section, keys in parser.items()
        if section != "DEFAULT"
    }
    merged = {name: {**stated.get(name, {}), **(more or {}).get(name, {})} for name in {*stated, *(more or {})}}
    site.configure(json.loads(_moved((folder / "panda_queueconfig.json").read_text(), places)), merged)


def _moved(text: str, places: Mapping[str, str]) -> str:
    for there, here in places.items():
        text = text.replace(there, here)
    return text
