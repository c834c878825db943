"""Cuts the bytes of a connection into LDAPMessages (RFC 4511 §5.1), and knows nothing of what is in them.

-> any bytes, cut anywhere     <- whole messages, in order, or the refusal of what cannot be one
Security: nobody has said who they are yet. The first octets decide: what is not a SEQUENCE, has an indefinite
length or announces more than the limit is refused before any of it is kept.
"""

from __future__ import annotations

from annuaire.errors import Malformed
from annuaire.ldap import ber

# Above what a client sends in good faith before and after it is known: the largest are writes with photos,
# certificates and members. slapd stops anonymous clients at 256 KiB and bound ones at 4 MiB
# (sockbuf_max_incoming, sockbuf_max_incoming_auth).
MESSAGE_MAX = 4 * 1024 * 1024


class FramingError(Malformed):
    """The connection's bytes are no LDAP any more; `frames` are the whole messages that came before."""

    def __init__(self, public: str, reason: str, frames: list[bytes]) -> None:
        super().__init__(public, reason)
        self.frames = frames


class Framer:
    """Keeps the unfinished message of one connection; `limit` may be moved, as when the client binds."""

    __slots__ = ("_broken", "_buffer", "_wanted", "limit")

    def __init__(self, limit: int = MESSAGE_MAX) -> None:
        self.limit = limit
        self._buffer = bytearray()
        self._wanted = 0  # octets the buffer must hold before it is worth looking at again
        self._broken = False

    @property
    def pending(self) -> int:
        """How many octets of an unfinished message wait: none of them may outlive StartTLS."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what arrived; the messages that are now whole. After a refusal nothing is taken any more."""
        if not self._buffer:
            # Nearly always the whole of one small message and nothing else: handed on as it is.
            size = len(data)
            if (
                2 < size < 130
                and size <= self.limit
                and data[0] == 0x30
                and data[1] == size - 2
                and not self._broken
            ):
                return [data]
            return self._cut(data)
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._wanted and not self._broken:
            return []
        self._buffer = bytearray()
        return self._cut(bytes(buffer))

    def _cut(self, data: bytes) -> list[bytes]:
        frames: list[bytes] = []
        position, size = 0, len(data)
        if self._broken:
            raise FramingError("broken framing", "more data after a refusal", frames)
        while position < size:
            wanted = self._size(data, position, size, frames)
            if wanted > size - position:
                self._wanted = wanted
                self._buffer += data[position:] if position else data
                return frames
            frames.append(data[position : position + wanted])  # the whole of data is no copy in CPython
            position += wanted
        return frames

    def _size(self, data: bytes, position: int, size: int, frames: list[bytes]) -> int:
        """The size of the message that begins there, or at least what is needed to know it."""
        if data[position] != ber.SEQUENCE:
            raise self._refusal("not an LDAP message", f"first octet {data[position]:#04x}", frames)
        if position + 1 == size:
            return 2
        first = data[position + 1]
        if first < 0x80:
            wanted = 2 + first
        else:
            count = first & 0x7F
            if count == 0:
                raise self._refusal("indefinite length", "length octet 0x80", frames)
            if count > ber.LENGTH_OCTETS_MAX:
                raise self._refusal("length of too many octets", f"length octet {first:#04x}", frames)
            start = position + 2 + count
            if start > size:
                return 2 + count
            wanted = 2 + count + int.from_bytes(data[position + 2 : start], "big")
        if wanted > self.limit:
            raise self._refusal("message too large", f"{wanted} octets, the limit is {self.limit}", frames)
        return wanted

    def _refusal(self, public: str, reason: str, frames: list[bytes]) -> FramingError:
        self._broken = True
        return FramingError(public, reason, frames)
