"""The Basic Encoding Rules as LDAP restricts them (RFC 4511 §5.1, X.690): definite lengths, one-octet tags.

Writes the shortest form; reads any definite form of at most four length octets, because Microsoft's clients
write `30 84 00 00 xx xx`. An entry's attributes are kept everywhere in the one form made here: concatenated
PartialAttribute SEQUENCEs (RFC 4511 §4.1.7) without an outer tag, encoded once, at write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from annuaire.errors import Malformed

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

# A length is refused beyond four octets: 4 GiB is far above any message, and the sum stays a small integer.
LENGTH_OCTETS_MAX = 4

# How many attribute descriptions are remembered, and the longest: a schema has some hundreds, and what a
# hostile client invents must not fill the memory.
NAMES_MAX = 4096
NAME_REMEMBERED_MAX = 64


def length(size: int) -> bytes:
    """Encode a length in the shortest definite form."""
    if size < 0x80:
        return _SHORT_LENGTHS[size]
    if size < 0x100:
        return bytes((0x81, size))
    if size < 0x10000:
        return bytes((0x82, size >> 8, size & 0xFF))
    octets = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return bytes((0x80 | len(octets),)) + octets


_SHORT_LENGTHS = tuple(bytes((size,)) for size in range(0x80))


def tlv(tag: int, body: bytes) -> bytes:
    """Wrap a body in its tag and length."""
    return bytes((tag,)) + length(len(body)) + body


def integer(n: int, tag: int = INTEGER) -> bytes:
    """Encode a signed integer (also an enumeration, with its tag) in the fewest octets."""
    size = (n.bit_length() if n >= 0 else (n + 1).bit_length()) // 8 + 1
    return bytes((tag, size)) + n.to_bytes(size, "big", signed=True)


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """Encode a boolean; RFC 4511 §5.1 wants TRUE to be FF."""
    return bytes((tag, 1, 0xFF if value else 0))


def octets(value: bytes, tag: int = OCTET_STRING) -> bytes:
    """Encode an octet string."""
    return tlv(tag, value)


def sequence(parts: Iterable[bytes], tag: int = SEQUENCE) -> bytes:
    """Encode a SEQUENCE of parts that are already encoded."""
    return tlv(tag, b"".join(parts))


def read(data: bytes, position: int, limit: int) -> tuple[int, int, int]:
    """Read one header: its tag, where its body starts and ends; all of it must lie before limit."""
    start = position + 2
    if start > limit:
        raise Malformed("truncated element", f"at octet {position} of {limit}")
    tag = data[position]
    if tag & 0x1F == 0x1F:
        raise Malformed("tag of more than one octet", f"at octet {position}")
    size = data[position + 1]
    if size >= 0x80:
        count = size & 0x7F
        if count == 0:
            raise Malformed("indefinite length", f"at octet {position}")
        if count > LENGTH_OCTETS_MAX:
            raise Malformed("length of too many octets", f"at octet {position}")
        if start + count > limit:
            raise Malformed("truncated length", f"at octet {position}")
        size = int.from_bytes(data[start : start + count], "big")
        start += count
    end = start + size
    if end > limit:
        raise Malformed("element longer than what encloses it", f"at octet {position}: {end} > {limit}")
    return tag, start, end


def expect(data: bytes, position: int, limit: int, tag: int) -> tuple[int, int]:
    """Read one header that must have that tag: where its body starts and ends."""
    found, start, end = read(data, position, limit)
    if found != tag:
        raise Malformed("unexpected element", f"tag {found:#04x} instead of {tag:#04x} at octet {position}")
    return start, end


def read_integer(data: bytes, start: int, end: int) -> int:
    """The signed integer whose body lies there; LDAP has none above 31 bits (RFC 4511 §4.1.1 maxInt)."""
    if not 1 <= end - start <= 4:
        raise Malformed("integer out of range", f"{end - start} octets")
    return int.from_bytes(data[start:end], "big", signed=True)


# ---------------------------------------------------------------- attributes of an entry


@lru_cache(maxsize=NAMES_MAX)
def _description(name: str) -> bytes:
    return octets(name.encode())


def encode_attributes(attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """Encode every attribute, in the mapping's order, as concatenated PartialAttributes."""
    whole: list[bytes] = []
    for name, values in attributes.items():
        description = _description(name)
        parts: list[bytes] = []
        for value in values:
            parts += (b"\x04", length(len(value)), value)
        body = b"".join(parts)
        head = length(len(body))
        whole += (
            b"\x30",
            length(len(description) + 1 + len(head) + len(body)),
            description,
            b"\x31",
            head,
            body,
        )
    return b"".join(whole)


class _Names(dict[bytes, str]):
    """Attribute descriptions as text, the same object each time for the usual ones: `names[raw]`.

    Raises UnicodeDecodeError: the caller knows whose octets they were.
    """

    def __missing__(self, raw: bytes) -> str:
        text = raw.decode()
        if len(raw) <= NAME_REMEMBERED_MAX:
            if len(self) >= NAMES_MAX:
                self.clear()
            self[raw] = text
        return text


names = _Names()


def decode_attributes(data: bytes) -> dict[str, list[bytes]]:
    """The exact inverse of `encode_attributes`."""
    attributes: dict[str, list[bytes]] = {}
    for description, start, end in _attributes(data):
        if description in attributes:
            raise Malformed("attribute present twice", description)
        values: list[bytes] = []
        while start < end:
            value_start, value_end = expect(data, start, end, OCTET_STRING)
            values.append(data[value_start:value_end])
            start = value_end
        attributes[description] = values
    return attributes


def iterate_attributes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(description, start, end) of each whole PartialAttribute inside data."""
    position = 0
    for description, _, end in _attributes(data):
        yield description, position, end
        position = end


def _attributes(data: bytes) -> Iterator[tuple[str, int, int]]:
    position, size = 0, len(data)
    while position < size:
        start, end = expect(data, position, size, SEQUENCE)
        name_start, name_end = expect(data, start, end, OCTET_STRING)
        values_start, values_end = expect(data, name_end, end, SET)
        if values_end != end:
            raise Malformed("octets after the values of an attribute", f"at octet {values_end}")
        yield names[data[name_start:name_end]], values_start, end
        position = end
