"""The PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): who a proxy says that it speaks for.

-> the first bytes of a connection, cut anywhere
<- the client's address and what came behind the header; Malformed when it cannot be one
Security: read only from `[listen] proxies`, for anybody could write one. What cannot become a header is refused at its
first wrong octet, and no more is kept than the longest one.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from annuaire.errors import Malformed

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V1 = b"PROXY "
# §2.1: 107 octets hold the longest line.
_V1_MAX = 107
# §2.2: 216 octets of addresses at most; what stands behind them are TLVs, some hundreds of octets.
_V2_MAX = 4096
_V1_LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) (\d{1,5}) (\d{1,5})")
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21


class Client(NamedTuple):
    """An address and a port; neither when the proxy speaks for itself or does not know."""

    address: str = ""
    port: int = 0


class Header:
    """Takes a connection's first bytes until the header is whole."""

    __slots__ = ("_buffer", "rest")

    def __init__(self) -> None:
        self._buffer = b""
        self.rest = b""  # what came behind the header

    def feed(self, data: bytes) -> Client | None:
        """The client once all of the header is there."""
        self._buffer += data
        known = self._buffer
        if known[:6] == _V1[: len(known)]:
            return self._first(known)
        if known[:12] == SIGNATURE[: len(known)]:
            return self._second(known)
        raise Malformed("no PROXY header", f"begins with {known[:12].hex()}")

    def _first(self, known: bytes) -> Client | None:
        end = known.find(b"\r\n", 0, _V1_MAX)
        if end < 0:
            if len(known) >= _V1_MAX:
                raise Malformed("a PROXY line that does not end")
            return None
        self.rest = known[end + 2 :]
        line = known[:end]
        if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
            return Client()
        found = _V1_LINE.fullmatch(line)
        if found is None:
            raise Malformed("a PROXY line out of form")
        family, source, destination = found[1], found[2].decode(), found[3].decode()
        try:
            addresses = [ipaddress.ip_address(one) for one in (source, destination)]
        except ValueError:
            raise Malformed("a PROXY line without addresses") from None
        ports = int(found[4]), int(found[5])
        if max(ports) > 65535 or any(one.version != int(family) for one in addresses):
            raise Malformed("a PROXY line with wrong addresses or ports")
        return Client(str(addresses[0]), ports[0])

    def _second(self, known: bytes) -> Client | None:
        if len(known) < 16:
            return None
        command, family, size = known[12], known[13], int.from_bytes(known[14:16], "big")
        if command not in (_LOCAL, _PROXY) or size > _V2_MAX:
            raise Malformed("a PROXY header out of form", f"command {command:#04x}, {size} octets")
        if len(known) < 16 + size:
            return None
        self.rest = known[16 + size :]
        # §2.2: LOCAL is the proxy's own health check; other families than TCP name nobody that we could count.
        length = {_TCP4: 4, _TCP6: 16}.get(family, 0)
        if command == _LOCAL or not length:
            return Client()
        if size < 2 * length + 4:
            raise Malformed("a PROXY header too short for its addresses")
        source = ipaddress.ip_address(known[16 : 16 + length])
        port = known[16 + 2 * length : 18 + 2 * length]
        return Client(str(source), int.from_bytes(port, "big"))
