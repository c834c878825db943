"""Decodes the body of a SearchRequest (RFC 4511 §4.5.1), the message that a directory lives on.

Each step tries the usual form by index (short lengths, one piece in a substring filter) and leaves every
other form to `ber`; both read the same values. The filter is read without recursion.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import ber
from annuaire.ldap.controls import CONTROLS_MAX
from annuaire.ldap.filters import (
    DEPTH_MAX,
    And,
    Approximate,
    Equality,
    Extensible,
    Filter,
    GreaterOrEqual,
    LessOrEqual,
    Not,
    Or,
    Present,
    Substrings,
)
from annuaire.ldap.messages import BASE, SUBORDINATES, SearchRequest

# Thunderbird asks for the certificates of all recipients in one OR: a clause for each of them.
FILTER_NODES_MAX = 4096
# Tools that ask for every attribute of a schema stay below.
SELECTION_MAX = 1024


class Bounds(NamedTuple):
    """What one request may hold (`[limits]`): each costs memory and work before anybody is known."""

    depth: int = DEPTH_MAX  # nesting of the filter
    parts: int = FILTER_NODES_MAX  # of the filter
    attributes: int = SELECTION_MAX  # asked for
    controls: int = CONTROLS_MAX


USUAL = Bounds()

# What is remembered makes frequent pieces free; bounds on count and size, so that strangers cannot fill the
# memory with it.
_REMEMBERED_MAX = 512
_SELECTION_REMEMBERED_MAX = 512
_PARAMETERS_REMEMBERED_MAX = 32

# What lies between base and filter (scope to typesOnly) is the same in all requests of a client: the octets
# as sent, when in their shortest form, and what they say.
_parameters: dict[bytes, tuple[int, int, int, int, bool]] = {}
# Likewise the list of wanted attributes, whole.
_selections: dict[bytes, tuple[bytes, ...]] = {}


def decode(frame: bytes, start: int, end: int, bounds: Bounds = USUAL) -> SearchRequest:
    """The request whose body lies there; IndexError means that it is truncated."""
    size = frame[start + 1]
    if frame[start] == 0x04 and size < 0x80:
        start += 2
        stop = start + size
    else:
        start, stop = ber.expect(frame, start, end, ber.OCTET_STRING)
    base = frame[start:stop]

    # 0A 01 scope 0A 01 deref 02 n size 02 n time 01 01 typesOnly, when each length is short
    try:
        position = stop + 9 + frame[stop + 7]
        position += 4 + frame[position]
        parameters = _parameters.get(frame[stop:position])
    except IndexError:
        parameters = None
    if parameters is None:
        parameters, position = _read_parameters(frame, stop, end)
    scope, deref, size_limit, time_limit, types_only = parameters

    condition, position = _filter(frame, position, end, bounds.depth, bounds.parts)

    attributes = _selections.get(frame[position:end])
    if attributes is None:
        attributes = _selection(frame, position, end, bounds.attributes)
    return SearchRequest(base, scope, deref, size_limit, time_limit, types_only, condition, attributes)


def _read_parameters(frame: bytes, begin: int, limit: int) -> tuple[tuple[int, int, int, int, bool], int]:
    scope, position = ber.read_number(frame, begin, limit, BASE, SUBORDINATES, "scope", ber.ENUMERATED)
    deref, position = ber.read_number(frame, position, limit, 0, 3, "derefAliases", ber.ENUMERATED)
    size_limit, position = ber.read_number(frame, position, limit, 0, ber.INTEGER_MAX, "sizeLimit")
    time_limit, position = ber.read_number(frame, position, limit, 0, ber.INTEGER_MAX, "timeLimit")
    types_only, position = ber.read_boolean(frame, position, limit)
    parameters = (scope, deref, size_limit, time_limit, types_only)
    raw = frame[begin:position]
    if len(raw) <= _PARAMETERS_REMEMBERED_MAX:
        _remember(_parameters, raw, parameters)
    return parameters, position


def _selection(frame: bytes, position: int, limit: int, most: int) -> tuple[bytes, ...]:
    start, end = ber.expect(frame, position, limit, ber.SEQUENCE)
    attributes = tuple(ber.read_strings(frame, start, end, most, "attributes asked for"))
    if end != limit:
        ber.ignore_rest(frame, end, limit)
    elif limit - position <= _SELECTION_REMEMBERED_MAX:
        _remember(_selections, frame[position:limit], attributes)
    return attributes


def _remember(cache: dict[bytes, Any], raw: bytes, value: Any) -> None:
    if len(cache) >= _REMEMBERED_MAX:
        cache.clear()
    cache[raw] = value


def decode_filter(value: bytes, depth_max: int, parts_max: int = FILTER_NODES_MAX) -> Filter:
    """A filter by itself, as the values of some controls have it (RFC 4528 §3). Malformed."""
    if not value:
        raise ber.BadContent("control without the filter it needs")
    try:
        found, end = _filter(value, 0, len(value), depth_max, parts_max)
    except (IndexError, UnicodeDecodeError) as error:
        raise ber.BadContent("filter that cannot be decoded", str(error)) from None
    if end != len(value):
        raise ber.BadContent("octets after a filter")
    return found


def _filter(frame: bytes, position: int, limit: int, depth_max: int, parts_max: int) -> tuple[Filter, int]:
    """The filter that begins there, and where it ends; iterative, so that no depth can exhaust the stack."""
    names = ber.names
    # Each set or negation that is still open: its tag, and the parts and limit of what encloses it.
    open_sets: list[tuple[int, list[Filter], int]] = []
    parts: list[Filter] = []
    budget = parts_max
    while True:
        tag = frame[position]
        size = frame[position + 1]
        if size < 0x80:
            start = position + 2
            position = start + size
        elif size == 0x81:
            start = position + 3
            position = start + frame[start - 1]
        else:
            tag, start, position = ber.read(frame, position, limit)
        if position > limit:
            raise Malformed("filter longer than what encloses it", f"{position} > {limit}")
        budget -= 1
        if budget < 0:
            raise ber.BadContent(f"filter of more than {parts_max} parts")
        if tag == 0xA4:
            # 04 n description 30 m (80|81|82) k value, each length short and exact: the usual single piece
            stop = start + 2 + frame[start + 1]
            piece = stop + 4
            if (
                piece < position < start + 0x80
                and frame[stop + 3] == position - piece
                and frame[stop + 1] == position - stop - 2
                and frame[stop] == 0x30
                and frame[start] == 0x04
            ):
                name = names[frame[start + 2 : stop]]
                tag = frame[stop + 2]
                if tag == 0x81:
                    parts.append(Substrings(name, None, (frame[piece:position],), None))
                elif tag == 0x80:
                    parts.append(Substrings(name, frame[piece:position], (), None))
                elif tag == 0x82:
                    parts.append(Substrings(name, None, (), frame[piece:position]))
                else:
                    raise ber.BadContent("unknown kind of substring", f"tag {tag:#04x}")
            else:
                parts.append(_substrings(frame, start, position))
        elif tag == 0xA3:
            stop = start + 2 + frame[start + 1]
            piece = stop + 2
            if (
                piece <= position < start + 0x80
                and frame[stop + 1] == position - piece
                and frame[stop] == 0x04
                and frame[start] == 0x04
            ):
                parts.append(Equality(names[frame[start + 2 : stop]], frame[piece:position]))
            else:
                parts.append(Equality(*ber.read_assertion(frame, start, position)))
        elif tag == 0xA0 or tag == 0xA1 or tag == 0xA2:
            if len(open_sets) >= depth_max:
                raise ber.BadContent(f"filter nested more than {depth_max} deep")
            open_sets.append((tag, parts, limit))
            parts = []
            limit = position
            position = start
        elif tag == 0x87:
            parts.append(Present(names[frame[start:position]]))
        else:
            parts.append(_rare_item(tag, frame, start, position))
        while open_sets and position == limit:
            tag, outer, limit = open_sets.pop()
            if tag == 0xA1:
                outer.append(Or(parts))
            elif tag == 0xA0:
                outer.append(And(parts))
            elif len(parts) == 1:
                outer.append(Not(parts[0]))
            else:
                raise Malformed("negation of other than one filter", f"{len(parts)} parts")
            parts = outer
        if not open_sets:
            return parts[0], position


def _substrings(frame: bytes, start: int, end: int) -> Filter:
    name_start, name_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    position, stop = ber.expect(frame, name_end, end, ber.SEQUENCE)
    ber.ignore_rest(frame, stop, end)
    name = ber.names[frame[name_start:name_end]]
    if position == stop:
        raise ber.BadContent("substring filter without any piece")
    initial: bytes | None = None
    final: bytes | None = None
    between: list[bytes] = []
    first = True
    while position < stop:
        tag, piece_start, position = ber.read(frame, position, stop)
        piece = frame[piece_start:position]
        if tag == 0x81:
            if len(between) >= FILTER_NODES_MAX:
                raise ber.BadContent(f"substring filter of more than {FILTER_NODES_MAX} pieces")
            between.append(piece)
        elif tag == 0x80 and first:
            initial = piece
        elif tag == 0x82 and position == stop:
            final = piece
        else:
            raise ber.BadContent("substring out of place or of unknown kind", f"tag {tag:#04x}")
        first = False
    # An empty piece asks nothing, as in the text form (`filters.parse`).
    kept = tuple(piece for piece in between if piece)
    if initial or kept or final:
        return Substrings(name, initial or None, kept, final or None)
    return Present(name)


def _rare_item(tag: int, frame: bytes, start: int, end: int) -> Filter:
    if tag == 0xA5:
        return GreaterOrEqual(*ber.read_assertion(frame, start, end))
    if tag == 0xA6:
        return LessOrEqual(*ber.read_assertion(frame, start, end))
    if tag == 0xA8:
        return Approximate(*ber.read_assertion(frame, start, end))
    if tag == 0xA9:
        return _extensible(frame, start, end)
    raise ber.BadContent("unknown kind of filter", f"tag {tag:#04x}")


def _extensible(frame: bytes, start: int, end: int) -> Extensible:
    rule, position = ber.read_optional(frame, start, end, 0x81)
    attribute, position = ber.read_optional(frame, position, end, 0x82)
    value_start, position = ber.expect(frame, position, end, 0x83)
    value = frame[value_start:position]
    dn_attributes = False
    if position < end and frame[position] == 0x84:
        dn_attributes, position = ber.read_boolean(frame, position, end, 0x84)
    ber.ignore_rest(frame, position, end)
    if rule is None and attribute is None:
        raise ber.BadContent("extensible match without rule and attribute")
    return Extensible(
        rule.decode() if rule is not None else None,
        ber.names[attribute] if attribute is not None else None,
        value,
        dn_attributes,
    )
