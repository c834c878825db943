"""Page cookies (RFC 2696): sealed, of one length, a place in the audience's own order.

Any worker can open one that another sealed: the key lies in the state. What a cookie says is bound to the search
that it was given for; a forged, foreign or altered one opens nothing. Its length tells nothing.
"""

import os
import struct
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
# A place is the beginning of a sort key: entries that share so long a name and DN are told apart by entryUUID.
PLACE_MAX = 200
_PLAIN = struct.Struct(f"<16sIH{PLACE_MAX}s16s")


class Place(NamedTuple):
    """Where the next page begins."""

    sent: int  # entries of the pages before: sizeLimit counts the whole paged search
    key: bytes  # sort key of the last entry sent, cut
    uuid: bytes  # of that entry


class Seal:
    """Seals and opens cookies with the key of this directory."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, search: bytes, place: Place) -> bytes:
        """search: 16 octets that tell this search from another, the audience included."""
        nonce = os.urandom(_NONCE)
        key = place.key[:PLACE_MAX]
        plain = _PLAIN.pack(search, place.sent, len(key), key, place.uuid)
        return nonce + self._cipher.encrypt(nonce, plain, None)

    def open(self, search: bytes, cookie: bytes) -> Place | None:
        """The place, or None when the cookie is not one of ours for this search."""
        try:
            plain = self._cipher.decrypt(cookie[:_NONCE], cookie[_NONCE:], None)
            owner, sent, length, key, uuid = _PLAIN.unpack(plain)
        except (InvalidTag, ValueError, struct.error):
            return None
        return Place(sent, key[:length], uuid) if owner == search else None
