"""Distinguished names: text (RFC 4514, leniencies of RFC 2253), values, and the key that is identity.

Two texts name the same entry exactly when their keys are equal. Everything is linear in the length: a name
is the first thing a stranger may send.
"""

import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from annuaire.errors import Malformed

# OpenLDAP's own limit (SLAP_LDAPDN_MAXLEN). The longest real names are certificate subjects of a few hundred.
LENGTH_MAX = 8192


@dataclass(frozen=True, slots=True)
class Rdn:
    """Attribute types as given, values as text; a `#hex` value that holds no text stays `#hex`."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Dn:
    """Leaf first; no RDN at all is the empty name (the root DSE, or the anonymous identity)."""

    rdns: tuple[Rdn, ...]

    @property
    def rdn(self) -> Rdn:
        return self.rdns[0]

    @property
    def parent(self) -> "Dn":
        return Dn(self.rdns[1:])

    def __str__(self) -> str:
        return format(self)


class Naming(Protocol):
    """What a key needs of the schema: a type's primary name in lower case, its equality rule on text."""

    def __hash__(self) -> int: ...

    def naming(self, attribute: str) -> tuple[str, Callable[[str], bytes]]: ...


# --- Text to value ---------------------------------------------------------------------------------------

# `OID.2.5.4.3` and blanks around `=` come from RFC 2253; the underscore from directories that do not check.
_TYPE = re.compile(r" *(?:[oO][iI][dD]\.(?=[0-9]))?([A-Za-z0-9][A-Za-z0-9._-]*) *= *")
# What nearly every RDN looks like, matched whole.
_SIMPLE = re.compile(r'([A-Za-z][A-Za-z0-9-]*)=([^\\",;+<>\0# ](?:[^\\",;+<>\0]*[^\\",;+<>\0 ])?)(?=,|\Z)')
_PLAIN = re.compile(r'[^\\",;+<>\0]*')
_SPECIAL_AFTER_BACKSLASH = frozenset(' "#+,;<=>\\')
_HEX = re.compile(r"#(?:[0-9A-Fa-f]{2})*")
_QUOTED = re.compile(r'[^\\"\0]*')
_BLANKS = re.compile(r" *")

# Universal string types of BER whose contents are read as UTF-8: OCTET STRING, UTF8String, NumericString,
# PrintableString, IA5String, VisibleString.
_TEXT_TAGS = frozenset((0x04, 0x0C, 0x12, 0x13, 0x16, 0x1A))


def parse(text: str) -> Dn:
    if not text:
        return Dn(())
    if len(text) > LENGTH_MAX:
        raise Malformed(f"DN: longer than {LENGTH_MAX} characters")
    leaf, position = _rdn(text, 0)
    if position == len(text):
        return Dn((leaf,))
    if len(text) - position <= _REMEMBERED_LENGTH:
        try:
            return Dn((leaf, *_remembered_rdns(text[position + 1 :])))
        except Malformed:
            pass  # Said below with offsets in the whole text.
    return Dn((leaf, *_rdns(text, position + 1)))


# Entries are many and their parents few: an import meets the same end of name hundreds of thousands of times.
_REMEMBERED_LENGTH = 200
_REMEMBERED = 4096


@lru_cache(_REMEMBERED)
def _remembered_rdns(text: str) -> tuple[Rdn, ...]:
    return tuple(_rdns(text, 0))


def _rdns(text: str, position: int) -> list[Rdn]:
    rdns = []
    while True:
        rdn, position = _rdn(text, position)
        rdns.append(rdn)
        if position == len(text):
            return rdns
        position += 1


def _rdn(text: str, position: int) -> tuple[Rdn, int]:
    """One RDN, and where the separator after it (or the end) is."""
    simple = _SIMPLE.match(text, position)
    if simple is not None and simple[2].isascii():
        return Rdn(((simple[1], simple[2]),)), simple.end(2)
    pairs = []
    while True:
        found = _TYPE.match(text, position)
        if found is None:
            raise Malformed(f"DN: attribute type and '=' expected at offset {position}")
        value, position = _value(text, found.end())
        pairs.append((found[1], value))
        if not text.startswith("+", position):
            return Rdn(tuple(pairs)), position
        position += 1


def parse_rdn(text: str) -> Rdn:
    """One RDN, as ModifyDN's newrdn."""
    name = parse(text)
    if len(name.rdns) != 1:
        raise Malformed("RDN: exactly one relative name expected")
    return name.rdns[0]


def _value(text: str, start: int) -> tuple[str, int]:
    """The value that begins at `start`, and where the separator after it (or the end) is."""
    first = text[start : start + 1]
    if first == "#":
        return _hexadecimal(text, start)
    if first == '"':
        return _quoted(text, start)
    found = _PLAIN.match(text, start)
    assert found is not None
    position = found.end()
    if not text.startswith("\\", position):
        if not text.isascii():
            _unicode(found[0], start)
        return found[0].rstrip(" "), _separator(text, position)
    pieces = [found[0].encode("utf-8", "surrogatepass")]
    while text.startswith("\\", position):
        escaped, position = _escaped(text, position)
        found = _PLAIN.match(text, position)
        assert found is not None
        position = found.end()
        pieces.append(escaped)
        pieces.append(found[0].encode("utf-8", "surrogatepass"))
    # Only blanks that were not escaped are layout: those at the end of the last plain piece.
    pieces[-1] = pieces[-1].rstrip(b" ")
    return _decoded(b"".join(pieces), start), _separator(text, position)


def _quoted(text: str, start: int) -> tuple[str, int]:
    position = start + 1
    pieces = []
    while True:
        found = _QUOTED.match(text, position)
        assert found is not None
        pieces.append(found[0].encode("utf-8", "surrogatepass"))
        position = found.end()
        if not text.startswith("\\", position):
            break
        escaped, position = _escaped(text, position)
        pieces.append(escaped)
    if not text.startswith('"', position):
        raise Malformed(f"DN: closing quotation mark missing for the value at offset {start}")
    blanks = _BLANKS.match(text, position + 1)
    assert blanks is not None
    return _decoded(b"".join(pieces), start), _separator(text, blanks.end())


def _hexadecimal(text: str, start: int) -> tuple[str, int]:
    found = _HEX.match(text, start)
    assert found is not None
    blanks = _BLANKS.match(text, found.end())
    assert blanks is not None
    if found.end() == start + 1:
        raise Malformed(f"DN: hexadecimal pairs expected after '#' at offset {start}")
    return _text_of_hexadecimal(found[0]), _separator(text, blanks.end())


def _text_of_hexadecimal(value: str) -> str:
    """The text inside a BER string written as `#hex`; anything else stays `#hex` in lower case."""
    encoded = binascii.unhexlify(value[1:])
    # Short and long definite lengths; a value fits in LENGTH_MAX, so two length bytes are enough.
    if len(encoded) >= 2 and encoded[0] in _TEXT_TAGS:
        length, header = encoded[1], 2
        if length in (0x81, 0x82) and len(encoded) >= 2 + (length & 3):
            header = 2 + (length & 3)
            length = int.from_bytes(encoded[2:header])
        if length == len(encoded) - header:
            try:
                return encoded[header:].decode()
            except UnicodeDecodeError:
                pass
    return value.lower()


def _escaped(text: str, position: int) -> tuple[bytes, int]:
    following = text[position + 1 : position + 3]
    if following and following[0] in _SPECIAL_AFTER_BACKSLASH:
        return following[0].encode(), position + 2
    try:
        escaped = binascii.unhexlify(following)
    except ValueError:
        escaped = b""
    if not escaped:
        raise Malformed(f"DN: a special character or two digits expected after '\\' at offset {position}")
    return escaped, position + 3


def _decoded(value: bytes, start: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Malformed(f"DN: value at offset {start} is not UTF-8 text") from None


def _unicode(value: str, start: int) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Malformed(f"DN: value at offset {start} is not Unicode text") from None


def _separator(text: str, position: int) -> int:
    if position == len(text) or text[position] in ",;+":
        return position
    raise Malformed(f"DN: {text[position]!r} must be escaped, or ',' is missing, at offset {position}")


# --- Value to text ---------------------------------------------------------------------------------------

_ESCAPED_ALWAYS = re.compile(r'[\x00-\x1f\x7f"+,;<>\\]')
_ONLY_HEX = re.compile(r"#(?:[0-9a-f]{2})+")


def format(dn: Dn) -> str:  # noqa: A001 - read as dn.format(name)
    """RFC 4514 text; control characters are escaped too, so that a name is always one line."""
    return ",".join([format_rdn(rdn) for rdn in dn.rdns])


def format_rdn(rdn: Rdn) -> str:
    return "+".join([f"{attribute}={_format_value(value)}" for attribute, value in rdn.pairs])


def _format_value(value: str) -> str:
    if value[:1] == "#" and _ONLY_HEX.fullmatch(value) and _text_of_hexadecimal(value) == value:
        return value
    text = _ESCAPED_ALWAYS.sub(_escape, value)
    if text[:1] in (" ", "#") and text:
        text = "\\" + text
    if text[-1:] == " " and text != "\\ ":
        text = text[:-1] + "\\ "
    return text


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return "\\" + character if character >= " " and character != "\x7f" else f"\\{ord(character):02X}"


# --- Value to key ----------------------------------------------------------------------------------------
# Note [A key is a path from the root]
# RDNs root first, joined by NUL; pairs of one RDN sorted and joined by \x01. So the subtree of k is k itself
# and the range [k + NUL, k + \x01), the parent is what stands before the last NUL, and sorting keys puts
# parents before children. Bytes 00 to 02 and the backslash are escaped inside values.

_RESERVED = re.compile(rb"[\x00-\x02\\]")


def key(dn: Dn, schema: Naming) -> bytes:
    rdns = dn.rdns
    if not rdns:
        return b""
    leaf = rdn_key(rdns[0], schema)
    if len(rdns) == 1:
        return leaf
    # Leaves are many and parents few: only parents are remembered.
    return _path_key(rdns[1:], schema) + b"\x00" + leaf


@lru_cache(_REMEMBERED)
def _path_key(rdns: tuple[Rdn, ...], schema: Naming) -> bytes:
    return b"\x00".join([rdn_key(rdn, schema) for rdn in reversed(rdns)])


def rdn_key(rdn: Rdn, schema: Naming) -> bytes:
    pairs = rdn.pairs
    if len(pairs) == 1:
        return _pair_key(pairs[0], schema)
    return b"\x01".join(sorted({_pair_key(pair, schema) for pair in pairs}))


def _pair_key(pair: tuple[str, str], schema: Naming) -> bytes:
    name, prepare = schema.naming(pair[0])
    value = prepare(pair[1])
    if _RESERVED.search(value):
        value = _RESERVED.sub(_escape_reserved, value)
    return name.encode() + b"=" + value


def _escape_reserved(found: re.Match[bytes]) -> bytes:
    byte = found[0]
    return b"\\\\" if byte == b"\\" else b"\\%02x" % byte[0]


def parent_key(name: bytes) -> bytes:
    return name.rpartition(b"\x00")[0]


def is_within(name: bytes, base: bytes) -> bool:
    """Whether the key is the base's or stands below it."""
    return not base or name == base or name.startswith(base + b"\x00")
