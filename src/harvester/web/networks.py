"""Whether somebody is on this host, or in a network that the configuration names."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_REMEMBERED: Final = 10_000


class Networks:
    """This host, and networks that are named.

    Args:
        named: such as `10.1.0.0/16`.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._named = tuple(map(ip_network, named))
        self.holds = lru_cache(maxsize=_REMEMBERED)(self._look_up)
        """Whether an address, as the server of the application tells it, is one of them."""

    def _look_up(self, address: str) -> bool:
        if not address:  # it came through a socket of this host
            return True
        try:
            found = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return found.is_loopback or any(found in network for network in self._named)
