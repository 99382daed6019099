"""For whom tokens are asked, and the files that they go to (panda-protocol §2.2, plugins reference §4.14).

The names of the files are an agreement with those who submit: the MD5 digest of the address of the computing element,
always with its port.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5
from typing import Final
from urllib.parse import urlsplit

from harvester.core.facts import ComputingElement

COMPUTE: Final = "compute.read compute.modify compute.create compute.cancel"
"""What a token for a computing element allows."""
_ARC: Final = "arc-ce"
_HTCONDOR: Final = "htcondor-ce"
_PORTS: Final = {_ARC: "443", _HTCONDOR: "9619"}
_GRIDFTP: Final = "2811"
"""The port of ARC's old interface; tokens are for the one that took its place."""
_ACTIVE: Final = "ACTIVE"
_SCHEME: Final = re.compile(r"^\w+://")


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody whom a token is shown to.

    Attributes:
        name: what people call it.
        audience: what the token says for whom it is.
        file_name: where it is kept.
        scope: what it allows, in the issuer's words; empty for whatever the client may do.
    """

    name: str
    audience: str
    file_name: str
    scope: str = ""


def of_audiences(audiences: Iterable[str]) -> list[Target]:
    """Anybody, by the audience of the token."""
    return [Target(each, each, _digest(each)) for each in dict.fromkeys(audiences)]


def of_server(url: str, file_name: str) -> list[Target]:
    """The PanDA server, whose audience is its address without a port."""
    address = urlsplit(url)
    audience = f"{address.scheme}://{address.hostname}"
    return [Target(audience, audience, file_name)]


def of_elements(elements: Iterable[ComputingElement]) -> list[Target]:
    """The computing elements that take tokens and are in service."""
    usable = (each for each in elements if each.state == _ACTIVE and each.flavour in _PORTS)
    return _distinct(_of_element(each.endpoint, each.flavour) for each in usable)


def of_endpoints(endpoints: Iterable[str]) -> list[Target]:
    """Computing elements by their addresses: those of ARC begin with `https://`."""
    return _distinct(_of_element(each, _ARC if each.startswith("https:") else _HTCONDOR) for each in endpoints)


def _of_element(endpoint: str, flavour: str) -> Target:
    host, _, port = _SCHEME.sub("", endpoint).partition("/")[0].partition(":")
    default = _PORTS[flavour]
    if not port or (flavour == _ARC and port == _GRIDFTP):
        port = default
    address = f"{host}:{port}"
    audience = address if flavour == _HTCONDOR else f"https://{host if port == default else address}"
    return Target(address, audience, _digest(address), COMPUTE)


def _distinct(targets: Iterable[Target]) -> list[Target]:
    return list({each.file_name: each for each in targets}.values())


def _digest(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
