"""Networks of clients and what is known of each: the longest prefix that holds an address decides."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Generic, TypeVar

from annuaire.domain import audience as audiences
from annuaire.domain.audience import NOBODY, Audience
from annuaire.errors import Malformed

Known = TypeVar("Known")
# Where `[audience] networks` and `[listen] proxies` mean whoever comes through a unix socket.
UNIX = "unix"


class Networks(Generic[Known]):
    """Finds what is known of an address; one look-up for each length of prefix that is in use."""

    __slots__ = ("_by_length", "_unix")

    def __init__(self, pairs: Iterable[tuple[str, Known]]) -> None:
        found: dict[tuple[int, int], dict[int, Known]] = {}
        self._unix: Known | None = None
        for text, known in pairs:
            if text == UNIX:
                self._unix = known
                continue
            network = parse(text)
            shift = network.max_prefixlen - network.prefixlen
            found.setdefault((network.version, shift), {})[int(network.network_address) >> shift] = known
        self._by_length = sorted(found.items(), key=lambda item: item[0][1])

    def __bool__(self) -> bool:
        return bool(self._by_length) or self._unix is not None

    def find(self, address: str) -> Known | None:
        """address: as a socket tells it, zone included; anything else comes through a unix socket."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return self._unix
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped  # a socket that takes both kinds tells IPv4 so
        number = int(parsed)
        for (version, shift), known in self._by_length:
            if version == parsed.version and number >> shift in known:
                return known[number >> shift]
        return None


def parse(text: str) -> IPv4Network | IPv6Network:
    """`10.1.0.0/16`, `2001:db8::/32` or one address; bits behind the prefix are a mistake of whoever wrote them."""
    try:
        network = ip_network(text)
    except ValueError as error:
        raise Malformed(f"{text}: not a network such as 10.1.0.0/16 ({error})") from None
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise Malformed(f"{text}: write IPv4 networks as such")
    return network


def audiences_of(lines: Iterable[str]) -> Networks[Audience]:
    """`[audience] networks`: each `NETWORK AUDIENCE`."""
    pairs = []
    for line in lines:
        words = line.split()
        if len(words) != 2:
            raise Malformed(f"{line}: a network and an audience expected")
        seen_as = NOBODY if words[1] == "none" else audiences.parse(words[1])
        if seen_as is None or seen_as is Audience.ADMIN:
            raise Malformed(f"{line}: {words[1]} is no audience that a network can have")
        pairs.append((words[0], seen_as))
    return Networks(pairs)
