"""Search filters as values (RFC 4511 §4.5.1.7) and as text (RFC 4515; `(&)` and `(|)` of RFC 4526).

Attribute descriptions stay as sent and values stay bytes: what they mean is decided in `evaluation`.
Everything here is iterative and linear: whoever asks chooses a filter's depth and length.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from annuaire.errors import Malformed

# Clients nest above 10 deep in normal use; without any limit a deep filter ends the process (CVE-2020-12243).
# What the server accepts on the wire is in its configuration.
DEPTH_MAX = 100

# A shape goes to the log: long enough to recognise a client's filter, short enough for one line.
SHAPE_MAX = 600
SHAPE_NAME_MAX = 64


@dataclass(slots=True)
class And:
    parts: "list[Filter]"


@dataclass(slots=True)
class Or:
    parts: "list[Filter]"


@dataclass(slots=True)
class Not:
    part: "Filter"


@dataclass(slots=True)
class Equality:
    attribute: str
    value: bytes


@dataclass(slots=True)
class Substrings:
    attribute: str
    initial: bytes | None
    any: tuple[bytes, ...]
    final: bytes | None


@dataclass(slots=True)
class GreaterOrEqual:
    attribute: str
    value: bytes


@dataclass(slots=True)
class LessOrEqual:
    attribute: str
    value: bytes


@dataclass(slots=True)
class Present:
    attribute: str


@dataclass(slots=True)
class Approximate:
    attribute: str
    value: bytes


@dataclass(slots=True)
class Extensible:
    rule: str | None
    attribute: str | None
    value: bytes
    dn_attributes: bool


Filter = (
    And | Or | Not | Equality | Substrings | GreaterOrEqual | LessOrEqual | Present | Approximate | Extensible
)

# Wider than RFC 4512 §2.5 (underscore, empty options): an odd name is an unknown attribute, hence
# Undefined, which is what the same name sent in BER gives.
_DESCRIPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._;-]*")
_BLANK = re.compile(r"[ \t\r\n]*")
_HEX_PAIR = re.compile(rb"[0-9A-Fa-f]{2}")


def parse(text: str, depth_max: int = DEPTH_MAX) -> Filter:
    """Read RFC 4515 text; also one item without parentheses, and blanks between parts, as libldap does."""
    start = _blank(text, 0)
    if start < len(text) and text[start] != "(":
        return _item(text, start, len(text))
    open_parts: list[And | Or | Not] = []
    position = start
    while True:
        if position >= len(text) or text[position] != "(":
            raise Malformed(f"filter: '(' expected at offset {position}")
        position = _blank(text, position + 1)
        mark = text[position : position + 1]
        complete: Filter | None = None
        if mark in ("&", "|", "!") and mark:
            if len(open_parts) >= depth_max:
                raise Malformed(f"filter: more than {depth_max} levels at offset {position}")
            # The part of a Not is put in place when it closes.
            open_parts.append(And([]) if mark == "&" else Or([]) if mark == "|" else Not(_EMPTY))
            position = _blank(text, position + 1)
        else:
            end = text.find(")", position)
            if end < 0:
                raise Malformed(f"filter: ')' missing after offset {position}")
            complete = _item(text, position, end)
            position = _blank(text, end + 1)
        while True:
            if complete is not None:
                if not open_parts:
                    if position != len(text):
                        raise Malformed(f"filter: text after its end at offset {position}")
                    return complete
                parent = open_parts[-1]
                if isinstance(parent, Not):
                    if parent.part is not _EMPTY:
                        raise Malformed(f"filter: '!' takes one part, another before offset {position}")
                    parent.part = complete
                else:
                    parent.parts.append(complete)
                complete = None
            if not (open_parts and text.startswith(")", position)):
                break
            complete = open_parts.pop()
            if isinstance(complete, Not) and complete.part is _EMPTY:
                raise Malformed(f"filter: '!' without a part at offset {position}")
            position = _blank(text, position + 1)


_EMPTY = And([])


def _blank(text: str, position: int) -> int:
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _item(text: str, start: int, end: int) -> Filter:
    equals = text.find("=", start, end)
    if equals < 0:
        raise Malformed(f"filter: '=' missing at offset {start}")
    mark = text[equals - 1] if equals > start else ""
    if mark == ":":
        return _extensible(text, start, equals, end)
    if mark in ("~", ">", "<") and mark:
        attribute = _description(text, start, equals - 1)
        value = _value(text, equals + 1, end)
        if mark == "~":
            return Approximate(attribute, value)
        return GreaterOrEqual(attribute, value) if mark == ">" else LessOrEqual(attribute, value)
    attribute = _description(text, start, equals)
    if text.find("*", equals + 1, end) < 0:
        return Equality(attribute, _value(text, equals + 1, end))
    pieces = []
    position = equals + 1
    while True:
        star = text.find("*", position, end)
        pieces.append(_value(text, position, end if star < 0 else star))
        if star < 0:
            break
        position = star + 1
    # `a=*b**c*` is sent by programs that join words with stars: an empty part between two asks nothing.
    between = tuple(piece for piece in pieces[1:-1] if piece)
    if not (pieces[0] or pieces[-1] or between):
        return Present(attribute)
    return Substrings(attribute, pieces[0] or None, between, pieces[-1] or None)


def _extensible(text: str, start: int, equals: int, end: int) -> Filter:
    left = text[start : equals - 1]
    attribute, *rest = left.split(":", 3)
    dn_attributes = bool(rest) and rest[0].lower() == "dn"
    if dn_attributes:
        rest = rest[1:]
    if len(rest) > 1 or not (attribute or rest):
        raise Malformed(f"filter: extensible match not understood at offset {start}")
    if attribute:
        attribute = _description(text, start, start + len(attribute))
    if rest and not _DESCRIPTION.fullmatch(rest[0]):
        raise Malformed(f"filter: matching rule not understood at offset {start}")
    value = _value(text, equals + 1, end)
    return Extensible(rest[0] if rest else None, attribute or None, value, dn_attributes)


def _description(text: str, start: int, end: int) -> str:
    description = text[start:end].strip(" ")
    if not _DESCRIPTION.fullmatch(description):
        raise Malformed(f"filter: attribute name expected at offset {start}")
    return description


def _value(text: str, start: int, end: int) -> bytes:
    raw = text[start:end]
    if "(" in raw or "\0" in raw or "*" in raw:
        raise Malformed(f"filter: unescaped '(', '*' or NUL in the value at offset {start}")
    try:
        encoded = raw.encode()
    except UnicodeEncodeError:
        raise Malformed(f"filter: value at offset {start} is not Unicode text") from None
    if b"\\" not in encoded:
        return encoded
    first, *escaped = encoded.split(b"\\")
    for piece in escaped:
        if not _HEX_PAIR.match(piece):
            raise Malformed(
                f"filter: '\\' not followed by two hexadecimal digits in the value at offset {start}"
            )
    return first + b"".join(bytes((int(piece[:2], 16),)) + piece[2:] for piece in escaped)


_SPECIAL = re.compile(r"[\x00-\x1f\x7f()*\\\udc80-\udcff]")


def _escape(match: re.Match[str]) -> str:
    return f"\\{ord(match.group()) & 0xFF:02x}"


def format_value(value: bytes) -> str:
    """Escape a value for a filter's text; bytes that are not UTF-8 become hexadecimal pairs."""
    return _SPECIAL.sub(_escape, value.decode("utf-8", "surrogateescape"))


def format(filter: Filter) -> str:  # noqa: A001, A002 - read as filters.format(filter)
    return "".join(_written(filter, format_value, str))


def shape(filter: Filter) -> str:  # noqa: A002
    """Text for a log: no value is told, names are cut and cleaned."""
    pieces: list[str] = []
    length = 0
    for piece in _written(filter, lambda value: "?", _plain_name):
        pieces.append(piece)
        length += len(piece)
        if length > SHAPE_MAX:
            return "".join(pieces)[:SHAPE_MAX] + "…"
    return "".join(pieces)


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._;-]")


def _plain_name(name: str) -> str:
    return _NOT_PLAIN.sub("_", name[:SHAPE_NAME_MAX])


def _written(filter: Filter, value: Callable[[bytes], str], name: Callable[[str], str]) -> Iterator[str]:  # noqa: A002
    waiting: list[Filter | str] = [filter]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, And | Or):
            yield "(&" if isinstance(part, And) else "(|"
            waiting.append(")")
            waiting.extend(reversed(part.parts))
        elif isinstance(part, Not):
            yield "(!"
            waiting.append(")")
            waiting.append(part.part)
        elif isinstance(part, Present):
            yield f"({name(part.attribute)}=*)"
        elif isinstance(part, Substrings):
            pieces = [part.initial or b"", *part.any, part.final or b""]
            yield f"({name(part.attribute)}={'*'.join(value(piece) if piece else '' for piece in pieces)})"
        elif isinstance(part, Extensible):
            rule = f":{name(part.rule)}" if part.rule else ""
            attribute = name(part.attribute) if part.attribute else ""
            yield f"({attribute}{':dn' if part.dn_attributes else ''}{rule}:={value(part.value)})"
        else:
            yield f"({name(part.attribute)}{_MARKS[type(part)]}{value(part.value)})"


_MARKS: dict[type, str] = {Equality: "=", GreaterOrEqual: ">=", LessOrEqual: "<=", Approximate: "~="}
