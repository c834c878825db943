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

# The largest integer of LDAP: message ids, size and time limits (RFC 4511 §4.1.1).
INTEGER_MAX = 2**31 - 1

# How many attribute descriptions are remembered, and the longest: a schema has some hundreds, and what a
# hostile client invents must not fill the memory.
NAMES_MAX = 4096
NAME_REMEMBERED_MAX = 64


class BadContent(Malformed):
    """Tags and lengths are right, and what they hold cannot be: the peer can be answered."""


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
    digits = size.to_bytes((size.bit_length() + 7) >> 3, "big")
    return bytes((0x80 | len(digits),)) + digits


# The lengths of nearly all that is ever encoded: an entry without photo is below one kilobyte.
LENGTHS = tuple(_length(size) for size in range(4096))


def length(size: int) -> bytes:
    """Encode a length in the shortest definite form."""
    return LENGTHS[size] if size < 4096 else _length(size)


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


def number(data: bytes, start: int, end: int, least: int, most: int, what: str) -> int:
    """The integer whose octets lie there; none of LDAP's has more than 31 bits."""
    if not 1 <= end - start <= 4:
        raise BadContent(f"{what} out of range", f"integer of {end - start} octets")
    value = int.from_bytes(data[start:end], "big", signed=True)
    if not least <= value <= most:
        raise BadContent(f"{what} out of range", str(value))
    return value


def read_number(
    data: bytes, position: int, limit: int, least: int, most: int, what: str, tag: int = INTEGER
) -> tuple[int, int]:
    """A whole integer or enumeration, and where it ends."""
    start, end = expect(data, position, limit, tag)
    return number(data, start, end, least, most, what), end


def read_boolean(data: bytes, position: int, limit: int, tag: int = BOOLEAN) -> tuple[bool, int]:
    """A whole boolean, true when not zero (as X.690 says: clients send 01 and FF), and where it ends."""
    start, end = expect(data, position, limit, tag)
    if end - start != 1:
        raise BadContent("boolean of other than one octet", f"{end - start} octets")
    return data[start] != 0, end


def read_optional(data: bytes, position: int, limit: int, tag: int) -> tuple[bytes | None, int]:
    """The body of an element that may be absent, and where it ends."""
    if position == limit or data[position] != tag:
        return None, position
    start, end = expect(data, position, limit, tag)
    return data[start:end], end


def read_strings(data: bytes, position: int, limit: int, most: int, what: str) -> list[bytes]:
    """Octet strings up to the limit, `most` of them."""
    strings: list[bytes] = []
    while position < limit:
        start = position + 2
        if start <= limit and (size := data[position + 1]) < 0x80 and data[position] == OCTET_STRING:
            position = start + size
            if position > limit:
                raise Malformed("element longer than what encloses it", f"{position} > {limit}")
        else:
            start, position = expect(data, position, limit, OCTET_STRING)
        if len(strings) >= most:
            raise BadContent(f"more than {most} {what}")
        strings.append(data[start:position])
    return strings


def read_assertion(data: bytes, start: int, end: int) -> tuple[str, bytes]:
    """The description and the value that are the whole of an AttributeValueAssertion (RFC 4511 §4.1.6)."""
    name_start, name_end = expect(data, start, end, OCTET_STRING)
    value_start, value_end = expect(data, name_end, end, OCTET_STRING)
    ignore_rest(data, value_end, end)
    return names[data[name_start:name_end]], data[value_start:value_end]


def ignore_rest(data: bytes, position: int, limit: int) -> None:
    """Pass over what a later revision may have added (RFC 4511 §4: extensibility), if it is well formed."""
    while position < limit:
        tag, _, position = read(data, position, limit)
        if tag & 0xC0 != 0x80:
            raise Malformed("octets after the last known element", f"tag {tag:#04x}")


# ---------------------------------------------------------------- attributes of an entry


@lru_cache(maxsize=NAMES_MAX)
def _description(name: str) -> bytes:
    return octets(name.encode())


@lru_cache(maxsize=NAMES_MAX)
def _heads(name: str) -> tuple[bytes, ...]:
    """What stands before the one value of an attribute, by the length of the value, while all lengths are short."""
    description = _description(name)
    longest = 0x7F - len(description) - 4
    return tuple(
        [
            b"\x30%c%b\x31%c\x04%c" % (len(description) + 4 + size, description, size + 2, size)
            for size in range(max(0, longest + 1))
        ]
    )


def encode_attributes(attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """Encode every attribute, in the mapping's order, as concatenated PartialAttributes."""
    return encode_places(attributes)[0]


def encode_places(attributes: Mapping[str, Sequence[bytes]]) -> tuple[bytes, list[int]]:
    """The same, and where each PartialAttribute begins."""
    whole: list[bytes] = []
    places: list[int] = []
    position = 0
    lengths, ready = LENGTHS, len(LENGTHS)
    for name, values in attributes.items():
        places.append(position)
        if len(values) == 1:  # most attributes of a person
            value, heads = values[0], _heads(name)
            size = len(value)
            if size < len(heads):
                head = heads[size]
                whole += head, value
                position += len(head) + size
                continue
        parts: list[bytes] = []
        for value in values:
            size = len(value)
            parts += b"\x04", lengths[size] if size < ready else _length(size), value
        body = b"".join(parts)
        size = len(body)
        head = lengths[size] if size < ready else _length(size)
        description = _description(name)
        size += len(description) + 1 + len(head)
        length = lengths[size] if size < ready else _length(size)
        whole += b"\x30", length, description, b"\x31", head, body
        position += 1 + len(length) + size
    return b"".join(whole), places


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
    return decode_places(data)[0]


def decode_places(data: bytes) -> tuple[dict[str, list[bytes]], list[int]]:
    """The attributes, and where each PartialAttribute begins; an index build runs it on every entry."""
    attributes: dict[str, list[bytes]] = {}
    places: list[int] = []
    position = 0
    size = len(data)
    try:
        while position < size:
            octets_wanted = data[position + 1]
            if octets_wanted < 0x80:
                start = position + 2
                end = start + octets_wanted
            elif octets_wanted == 0x81:
                start = position + 3
                end = start + data[position + 2]
            else:
                _, start, end = read(data, position, size)
            stop = start + 2 + data[start + 1]  # the end of the description, if that is a short one
            first = stop + 2
            if (
                first <= end < start + 0x80
                and data[stop + 1] == end - first
                and data[stop] == 0x31
                and data[start] == 0x04
                and data[position] == 0x30
                and end <= size
            ):
                name = names[data[start + 2 : stop]]
                stop = first + 2
                if stop <= end and data[first + 1] == end - stop and data[first] == 0x04:
                    attributes[name] = [data[stop:end]]  # one value: most attributes of a person
                else:
                    attributes[name] = _values(data, first, end)
            else:
                name_start, stop = expect(data, start, end, OCTET_STRING)
                first, last = expect(data, stop, end, SET)
                if last != end or end > size or data[position] != 0x30:
                    raise Malformed("not an encoded attribute", f"at octet {position} of {size}")
                attributes[names[data[name_start:stop]]] = _values(data, first, last)
            places.append(position)
            position = end
    except IndexError:
        raise Malformed("truncated attribute", f"at octet {position} of {size}") from None
    except UnicodeDecodeError as error:
        raise Malformed("attribute description that is not UTF-8", str(error)) from None
    if len(places) != len(attributes):
        raise Malformed("attribute present twice")
    return attributes, places


def _values(data: bytes, position: int, limit: int) -> list[bytes]:
    values: list[bytes] = []
    while position < limit:
        start = position + 2
        end = start + data[position + 1]
        if end - start >= 0x80 or end > limit or data[position] != 0x04:
            start, end = expect(data, position, limit, OCTET_STRING)
        values.append(data[start:end])
        position = end
    return values


def iterate_attributes(data: bytes) -> Iterator[tuple[str, int, int]]:
    """(description, start, end) of each whole PartialAttribute inside data; the values are not looked at."""
    position, size = 0, len(data)
    try:
        while position < size:
            start = position + 2
            end = start + data[position + 1]
            stop = start + 2 + data[start + 1]
            if (
                stop + 2 <= end < start + 0x80
                and data[stop + 1] == end - stop - 2
                and data[stop] == 0x31
                and data[start] == 0x04
                and data[position] == 0x30
                and end <= size
            ):
                start += 2
            else:
                start, end = expect(data, position, size, SEQUENCE)
                start, stop = expect(data, start, end, OCTET_STRING)
                if expect(data, stop, end, SET)[1] != end:
                    raise Malformed("not an encoded attribute", f"at octet {position} of {size}")
            yield names[data[start:stop]], position, end
            position = end
    except IndexError:
        raise Malformed("truncated attribute", f"at octet {position} of {size}") from None
    except UnicodeDecodeError as error:
        raise Malformed("attribute description that is not UTF-8", str(error)) from None
