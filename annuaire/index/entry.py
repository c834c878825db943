"""What the index is given of an entry, and what it stores beside the ready answer.

The record of an entry is the length of its details (u32), its details, and its answer: a SearchResultEntry
(RFC 4511 §4.5.2, tag 0x64) with every user attribute, ready to send. `details`, little-endian:

    shape u32 | user attributes u16 | all attributes u16 | length of the DN key u16 | length of the sort key u16
    entryUUID, 16 octets
    offsets u32 × (user + 1), inside the answer: attribute i is answer[offset i : offset i+1]
    offsets u32 × (all - user + 1), inside the operational block
    DN key | sort key | operational block (PartialAttributes, ready to send)

The descriptions of the attributes, in order, are the entry's *shape*: thousands of entries share one, so what a
selection keeps of a shape is decided once.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_HEAD = struct.Struct("<IHHHH16s")


class IndexEntry(NamedTuple):
    """One stored entry as the index takes it: attributes in the form of `ber.encode_attributes`."""

    dn: str
    key: bytes  # the DN's normal form, `annuaire.ldap.dn.key`
    attributes: bytes
    operational: dict[str, list[bytes]]
    uuid: bytes  # 16 octets
    audiences: int  # bits of `annuaire.domain.audience.Audience`
    passwords: bytes | None  # the values of userPassword as PartialAttributes, or none
    facts: tuple[tuple[bytes, bytes], ...] = ()  # names and values, see facts.py; in no answer
    # What `ber.decode_places` says of the attributes, where it is at hand.
    decoded: tuple[Mapping[str, Sequence[bytes]], list[int]] | None = None


class Details(NamedTuple):
    """The decoded details of one entry."""

    shape: int
    user: int
    offsets: tuple[int, ...]
    operational_offsets: tuple[int, ...]
    uuid: bytes
    key: bytes
    sort_key: bytes
    operational: bytes


def encode_details(
    offsets: list[int],
    operational_offsets: list[int],
    uuid: bytes,
    key: bytes,
    sort_key: bytes,
    operational: bytes,
    shape: int = 0,
) -> bytes:
    user, others = len(offsets) - 1, len(operational_offsets) - 1
    head = _HEAD.pack(shape, user, user + others, len(key), len(sort_key), uuid)
    table = struct.pack(f"<{user + others + 2}I", *offsets, *operational_offsets)
    return b"".join((head, table, key, sort_key, operational))


_LENGTH = struct.Struct("<I")
_PAIR = struct.Struct("<II")
length_of = _LENGTH.unpack_from


def record(details: bytes, answer: bytes) -> bytes:
    return b"".join((_LENGTH.pack(len(details)), details, answer))


def answer_of(whole: bytes) -> bytes:
    """The ready answer of a record."""
    return whole[4 + length_of(whole)[0] :]


def details_of(whole: bytes) -> bytes:
    return whole[4 : 4 + length_of(whole)[0]]


def with_shape(details: bytes, shape: int) -> bytes:
    return shape.to_bytes(4, "little") + details[4:]


def offsets_reader(user: int) -> struct.Struct:
    """Reads the offsets of the user attributes of a shape that has so many, from a record at `OFFSETS`."""
    return struct.Struct(f"<{user + 1}I")


OFFSETS = _LENGTH.size + _HEAD.size


def key_of(details: bytes) -> bytes:
    _, _, total, key_length, _, _ = _HEAD.unpack_from(details)
    start = _HEAD.size + 4 * (total + 2)
    return details[start : start + key_length]


def uuid_of(details: bytes) -> bytes:
    return details[_HEAD.size - 16 : _HEAD.size]


def sort_key_of(details: bytes) -> bytes:
    """The position of an entry in the order (cn, DN): see `sort_key`."""
    _, _, total, key_length, sort_length, _ = _HEAD.unpack_from(details)
    start = _HEAD.size + 4 * (total + 2) + key_length
    return details[start : start + sort_length]


def attribute_of(whole: bytes, place: int) -> bytes:
    """One attribute of a record, by its place in the shape: a PartialAttribute."""
    size = length_of(whole)[0]
    _, user, total, key_length, sort_length, _ = _HEAD.unpack_from(whole, _LENGTH.size)
    # The table has one offset more than there are user attributes, and than there are operational ones.
    at = OFFSETS + 4 * (place + (place >= user))
    start, end = _PAIR.unpack_from(whole, at)
    block = _LENGTH.size + size
    if place >= user:
        block = OFFSETS + 4 * (total + 2) + key_length + sort_length
    return whole[block + start : block + end]


def decode_details(details: bytes) -> Details:
    shape, user, total, key_length, sort_length, uuid = _HEAD.unpack_from(details)
    offsets = struct.unpack_from(f"<{total + 2}I", details, _HEAD.size)
    at = _HEAD.size + 4 * (total + 2)
    return Details(
        shape,
        user,
        offsets[: user + 1],
        offsets[user + 1 :],
        uuid,
        details[at : at + key_length],
        details[at + key_length : at + key_length + sort_length],
        details[at + key_length + sort_length :],
    )


# A name is compared up to here when entries are put in order; the DN decides beyond.
ORDERED_NAME_MAX = 160


# No folded name begins so: entries without a cn come last (RFC 2891 §2.2: an absent key is larger than any).
_NAMELESS = b"\xff"


def sort_key(folded_names: list[str], key: bytes) -> bytes:
    """The order (cn, DN): the least folded cn as RFC 2891 takes it of several values, then the DN's normal form."""
    if not folded_names:
        return _NAMELESS + b"\0" + key
    return ordered_name(min(folded_names)) + b"\0" + key


def ordered_name(folded: str) -> bytes:
    """What a sort key begins with when that is the name."""
    return folded[:ORDERED_NAME_MAX].encode("utf-8", "surrogatepass")
