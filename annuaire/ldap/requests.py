"""Decodes one LDAPMessage of a client (RFC 4511 §4) into values, and refuses what is not one.

Note [Two ways to be malformed]: RFC 4511 §4.1.1 ends the session when the message id or the operation's tag
cannot be read or when lengths and structure are wrong: plain `Malformed`. A sound structure with impossible
contents (an enumeration out of range, text that is not UTF-8, a limit exceeded) is answered protocolError and
the session goes on: `BadRequest`, which says to what message and with which response.
Security: everything is read before anybody is known. Each length is checked against what encloses it, nothing
recurses, every count has a limit, and the caches hold few and small things.
"""

from __future__ import annotations

from typing import Any

from annuaire.errors import Malformed
from annuaire.ldap import ber
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
from annuaire.ldap.messages import (
    AbandonRequest,
    AddRequest,
    BindMethod,
    BindRequest,
    CompareRequest,
    Control,
    DeleteRequest,
    ExtendedRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    Operation,
    OtherMethod,
    Sasl,
    SearchRequest,
    Simple,
    UnbindRequest,
)

# Thunderbird asks for the certificates of all recipients in one OR: a clause for each of them.
FILTER_NODES_MAX = 4096
# Clients send one to three; the work for each may be large (389 Directory Server's CVE-2026-9064).
CONTROLS_MAX = 16
# Attributes asked for, or of one added entry: tools that copy a schema's whole list stay below.
ATTRIBUTES_MAX = 1024
# A long list of changes is what a tool that synchronises groups sends.
CHANGES_MAX = 10_000
# About as many DNs as a message at the default size limit holds; empty values would be far more.
VALUES_MAX = 100_000
# The largest message id, size and time limit (RFC 4511 §4.1.1).
INTEGER_MAX = 2**31 - 1

# The caches below make frequent pieces of a search free; a bound on count and size keeps strangers from
# filling the memory through them.
_REMEMBERED_MAX = 512
_SELECTION_REMEMBERED_MAX = 512
_PARAMETERS_REMEMBERED_MAX = 32

BIND, UNBIND, SEARCH, MODIFY, ADD = 0x60, 0x42, 0x63, 0x66, 0x68
DELETE, MODIFY_DN, COMPARE, ABANDON, EXTENDED = 0x4A, 0x6C, 0x6E, 0x50, 0x77
_CONTROLS = 0xA0

# The response that belongs to each request; none to those that are never answered.
RESPONSE_TAGS: dict[int, int | None] = {
    BIND: 0x61,
    UNBIND: None,
    SEARCH: 0x65,
    MODIFY: 0x67,
    ADD: 0x69,
    DELETE: 0x6B,
    MODIFY_DN: 0x6D,
    COMPARE: 0x6F,
    ABANDON: None,
    EXTENDED: 0x78,
}


class BadRequest(Malformed):
    """A request that can be answered, with protocolError, but not understood."""

    def __init__(self, public: str, reason: str = "") -> None:
        super().__init__(public, reason)
        self.message_id = 0
        self.response_tag: int | None = None


def decode(frame: bytes, depth_max: int = DEPTH_MAX) -> Message:
    """The message in a frame; see Note [Two ways to be malformed] for what is raised otherwise."""
    try:
        # Lengths up to 255 by index, the others by `ber.read`: this runs for every request.
        size = frame[1]
        if size < 0x80:
            position = 2
            limit = 2 + size
        elif size == 0x81:
            position = 3
            limit = 3 + frame[2]
        else:
            _, position, limit = ber.read(frame, 0, len(frame))
        size = frame[position + 1]
        if frame[0] != 0x30 or limit != len(frame) or frame[position] != 0x02 or not 1 <= size <= 4:
            raise Malformed("not an LDAP message", f"begins with {frame[:8].hex()}, {len(frame)} octets")
        start = position + 2
        position = start + size
        message_id = frame[start] if size == 1 else int.from_bytes(frame[start:position], "big")
        if frame[start] >= 0x80:
            raise Malformed("negative message id")

        tag = frame[position]
        size = frame[position + 1]
        if size < 0x80:
            start = position + 2
            end = start + size
        elif size == 0x81:
            start = position + 3
            end = start + frame[position + 2]
        else:
            tag, start, end = ber.read(frame, position, limit)
    except IndexError:
        raise Malformed("truncated message", f"{len(frame)} octets") from None
    if end > limit:
        raise Malformed("operation longer than its message", f"{end} > {limit}")
    try:
        if tag == SEARCH:
            operation: Operation = _search(frame, start, end, depth_max)
        else:
            operation = _rare(tag, frame, start, end)
        controls = _controls(frame, end, limit) if end < limit else ()
    except (BadRequest, UnicodeDecodeError) as error:
        bad = error if isinstance(error, BadRequest) else BadRequest("text that is not UTF-8", str(error))
        bad.message_id = message_id
        bad.response_tag = RESPONSE_TAGS[tag]
        raise bad from error.__cause__
    except IndexError:
        raise Malformed("truncated request", f"operation {tag:#04x} of {len(frame)} octets") from None
    return Message(message_id, operation, controls)


# ---------------------------------------------------------------- search

# What lies between base and filter (scope to typesOnly) is the same in all requests of a client: the octets
# as sent, when in their shortest form, and what they say.
_parameters: dict[bytes, tuple[int, int, int, int, bool]] = {}
# Likewise the list of wanted attributes, whole.
_selections: dict[bytes, tuple[bytes, ...]] = {}


def _search(frame: bytes, start: int, end: int, depth_max: int) -> SearchRequest:
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

    condition, position = _filter(frame, position, end, depth_max)

    attributes = _selections.get(frame[position:end])
    if attributes is None:
        attributes = _selection(frame, position, end)
    return SearchRequest(base, scope, deref, size_limit, time_limit, types_only, condition, attributes)


def _read_parameters(frame: bytes, begin: int, limit: int) -> tuple[tuple[int, int, int, int, bool], int]:
    scope, position = _number(frame, begin, limit, 0, 2, "scope", ber.ENUMERATED)
    deref, position = _number(frame, position, limit, 0, 3, "derefAliases", ber.ENUMERATED)
    size_limit, position = _number(frame, position, limit, 0, INTEGER_MAX, "sizeLimit")
    time_limit, position = _number(frame, position, limit, 0, INTEGER_MAX, "timeLimit")
    types_only, position = _boolean(frame, position, limit)
    parameters = (scope, deref, size_limit, time_limit, types_only)
    raw = frame[begin:position]
    if len(raw) <= _PARAMETERS_REMEMBERED_MAX:
        _remember(_parameters, raw, parameters)
    return parameters, position


def _selection(frame: bytes, position: int, limit: int) -> tuple[bytes, ...]:
    start, end = ber.expect(frame, position, limit, ber.SEQUENCE)
    attributes = tuple(_strings(frame, start, end, ATTRIBUTES_MAX, "attributes asked for"))
    if end != limit:
        _ignore_rest(frame, end, limit)
    elif limit - position <= _SELECTION_REMEMBERED_MAX:
        _remember(_selections, frame[position:limit], attributes)
    return attributes


def _remember(cache: dict[bytes, Any], raw: bytes, value: Any) -> None:
    if len(cache) >= _REMEMBERED_MAX:
        cache.clear()
    cache[raw] = value


def _filter(frame: bytes, position: int, limit: int, depth_max: int) -> tuple[Filter, int]:
    """The filter that begins there, and where it ends; iterative, so that no depth can exhaust the stack."""
    names = ber.names
    # Each set or negation that is still open: its tag, and the parts and limit of what encloses it.
    open_sets: list[tuple[int, list[Filter], int]] = []
    parts: list[Filter] = []
    budget = FILTER_NODES_MAX
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
            raise BadRequest(f"filter of more than {FILTER_NODES_MAX} parts")
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
                    raise BadRequest("unknown kind of substring", f"tag {tag:#04x}")
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
                parts.append(Equality(*_assertion(frame, start, position)))
        elif tag == 0xA0 or tag == 0xA1 or tag == 0xA2:
            if len(open_sets) >= depth_max:
                raise BadRequest(f"filter nested more than {depth_max} deep")
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
    _ignore_rest(frame, stop, end)
    name = ber.names[frame[name_start:name_end]]
    if position == stop:
        raise BadRequest("substring filter without any piece")
    initial: bytes | None = None
    final: bytes | None = None
    between: list[bytes] = []
    first = True
    while position < stop:
        tag, piece_start, position = ber.read(frame, position, stop)
        piece = frame[piece_start:position]
        if tag == 0x81:
            if len(between) >= FILTER_NODES_MAX:
                raise BadRequest(f"substring filter of more than {FILTER_NODES_MAX} pieces")
            between.append(piece)
        elif tag == 0x80 and first:
            initial = piece
        elif tag == 0x82 and position == stop:
            final = piece
        else:
            raise BadRequest("substring out of place or of unknown kind", f"tag {tag:#04x}")
        first = False
    # An empty piece asks nothing, as in the text form (`filters.parse`).
    kept = tuple(piece for piece in between if piece)
    if initial or kept or final:
        return Substrings(name, initial or None, kept, final or None)
    return Present(name)


def _assertion(frame: bytes, start: int, end: int) -> tuple[str, bytes]:
    name_start, name_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    value_start, value_end = ber.expect(frame, name_end, end, ber.OCTET_STRING)
    _ignore_rest(frame, value_end, end)
    return ber.names[frame[name_start:name_end]], frame[value_start:value_end]


def _rare_item(tag: int, frame: bytes, start: int, end: int) -> Filter:
    if tag == 0xA5:
        return GreaterOrEqual(*_assertion(frame, start, end))
    if tag == 0xA6:
        return LessOrEqual(*_assertion(frame, start, end))
    if tag == 0xA8:
        return Approximate(*_assertion(frame, start, end))
    if tag == 0xA9:
        return _extensible(frame, start, end)
    raise BadRequest("unknown kind of filter", f"tag {tag:#04x}")


def _extensible(frame: bytes, start: int, end: int) -> Extensible:
    rule, position = _optional(frame, start, end, 0x81)
    attribute, position = _optional(frame, position, end, 0x82)
    value_start, position = ber.expect(frame, position, end, 0x83)
    value = frame[value_start:position]
    dn_attributes = False
    if position < end and frame[position] == 0x84:
        dn_attributes, position = _boolean(frame, position, end, 0x84)
    _ignore_rest(frame, position, end)
    if rule is None and attribute is None:
        raise BadRequest("extensible match without rule and attribute")
    return Extensible(
        rule.decode() if rule is not None else None,
        ber.names[attribute] if attribute is not None else None,
        value,
        dn_attributes,
    )


# ---------------------------------------------------------------- the other operations


def _rare(tag: int, frame: bytes, start: int, end: int) -> Operation:
    if tag == BIND:
        return _bind(frame, start, end)
    if tag == UNBIND:
        if start != end:
            raise Malformed("unbind with a content")
        return UnbindRequest()
    if tag == ABANDON:
        return AbandonRequest(_integer(frame, start, end, 0, INTEGER_MAX, "message id"))
    if tag == DELETE:
        return DeleteRequest(frame[start:end])
    if tag == MODIFY:
        return _modify(frame, start, end)
    if tag == ADD:
        return _add(frame, start, end)
    if tag == MODIFY_DN:
        return _modify_dn(frame, start, end)
    if tag == COMPARE:
        dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
        ava_start, ava_end = ber.expect(frame, dn_end, end, ber.SEQUENCE)
        _ignore_rest(frame, ava_end, end)
        return CompareRequest(frame[dn_start:dn_end], *_assertion(frame, ava_start, ava_end))
    if tag == EXTENDED:
        oid_start, oid_end = ber.expect(frame, start, end, 0x80)
        value, position = _optional(frame, oid_end, end, 0x81)
        _ignore_rest(frame, position, end)
        return ExtendedRequest(frame[oid_start:oid_end].decode(), value)
    raise Malformed("not a request", f"operation {tag:#04x}")


def _bind(frame: bytes, start: int, end: int) -> BindRequest:
    version, position = _number(frame, start, end, 1, 127, "version")
    name_start, position = ber.expect(frame, position, end, ber.OCTET_STRING)
    name = frame[name_start:position]
    tag, method_start, method_end = ber.read(frame, position, end)
    _ignore_rest(frame, method_end, end)
    method: BindMethod
    if tag == 0x80:
        method = Simple(frame[method_start:method_end])
    elif tag == 0xA3:
        mechanism_start, position = ber.expect(frame, method_start, method_end, ber.OCTET_STRING)
        mechanism = frame[mechanism_start:position].decode()
        credentials, position = _optional(frame, position, method_end, ber.OCTET_STRING)
        _ignore_rest(frame, position, method_end)
        method = Sasl(mechanism, credentials)
    else:
        method = OtherMethod(tag)
    return BindRequest(version, name, method)


def _add(frame: bytes, start: int, end: int) -> AddRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    position, stop = ber.expect(frame, dn_end, end, ber.SEQUENCE)
    _ignore_rest(frame, stop, end)
    attributes: list[tuple[str, list[bytes]]] = []
    allowed = VALUES_MAX
    while position < stop:
        name, values, position = _attribute(frame, position, stop, allowed)
        attributes.append((name, values))
        allowed -= len(values)
        if len(attributes) > ATTRIBUTES_MAX:
            raise BadRequest(f"more than {ATTRIBUTES_MAX} attributes")
    return AddRequest(frame[dn_start:dn_end], attributes)


def _modify(frame: bytes, start: int, end: int) -> ModifyRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    position, stop = ber.expect(frame, dn_end, end, ber.SEQUENCE)
    _ignore_rest(frame, stop, end)
    changes: list[tuple[int, str, list[bytes]]] = []
    allowed = VALUES_MAX
    while position < stop:
        change_start, change_end = ber.expect(frame, position, stop, ber.SEQUENCE)
        kind, position = _number(frame, change_start, change_end, 0, 3, "kind of change", ber.ENUMERATED)
        name, values, position = _attribute(frame, position, change_end, allowed)
        _ignore_rest(frame, position, change_end)
        position = change_end
        changes.append((kind, name, values))
        allowed -= len(values)
        if len(changes) > CHANGES_MAX:
            raise BadRequest(f"more than {CHANGES_MAX} changes")
    return ModifyRequest(frame[dn_start:dn_end], changes)


def _attribute(frame: bytes, position: int, limit: int, allowed: int) -> tuple[str, list[bytes], int]:
    start, end = ber.expect(frame, position, limit, ber.SEQUENCE)
    name_start, name_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    values_start, values_end = ber.expect(frame, name_end, end, ber.SET)
    _ignore_rest(frame, values_end, end)
    values = _strings(frame, values_start, values_end, allowed, "values")
    return ber.names[frame[name_start:name_end]], values, end


def _modify_dn(frame: bytes, start: int, end: int) -> ModifyDnRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    rdn_start, rdn_end = ber.expect(frame, dn_end, end, ber.OCTET_STRING)
    delete_old_rdn, position = _boolean(frame, rdn_end, end)
    new_superior, position = _optional(frame, position, end, 0x80)
    _ignore_rest(frame, position, end)
    return ModifyDnRequest(frame[dn_start:dn_end], frame[rdn_start:rdn_end], delete_old_rdn, new_superior)


# ---------------------------------------------------------------- controls


def _controls(frame: bytes, position: int, limit: int) -> tuple[Control, ...]:
    if frame[position] != _CONTROLS:
        _ignore_rest(frame, position, limit)
        return ()
    position, stop = ber.expect(frame, position, limit, _CONTROLS)
    if stop < limit and frame[stop] == _CONTROLS:
        raise Malformed("two lists of controls")  # one of them could be critical
    _ignore_rest(frame, stop, limit)
    controls: list[Control] = []
    while position < stop:
        start, end = ber.expect(frame, position, stop, ber.SEQUENCE)
        oid_start, position = ber.expect(frame, start, end, ber.OCTET_STRING)
        oid = frame[oid_start:position].decode()
        critical = False
        if position < end and frame[position] == ber.BOOLEAN:
            critical, position = _boolean(frame, position, end)
        value, position = _optional(frame, position, end, ber.OCTET_STRING)
        _ignore_rest(frame, position, end)
        position = end
        controls.append(Control(oid, critical, value))
        if len(controls) > CONTROLS_MAX:
            raise BadRequest(f"more than {CONTROLS_MAX} controls")
    return tuple(controls)


# ---------------------------------------------------------------- pieces


def _integer(frame: bytes, start: int, end: int, least: int, most: int, what: str) -> int:
    if not 1 <= end - start <= 4:
        raise BadRequest(f"{what} out of range", f"integer of {end - start} octets")
    number = int.from_bytes(frame[start:end], "big", signed=True)
    if not least <= number <= most:
        raise BadRequest(f"{what} out of range", str(number))
    return number


def _number(
    frame: bytes, position: int, limit: int, least: int, most: int, what: str, tag: int = ber.INTEGER
) -> tuple[int, int]:
    start, end = ber.expect(frame, position, limit, tag)
    return _integer(frame, start, end, least, most, what), end


def _boolean(frame: bytes, position: int, limit: int, tag: int = ber.BOOLEAN) -> tuple[bool, int]:
    start, end = ber.expect(frame, position, limit, tag)
    if end - start != 1:
        raise BadRequest("boolean of other than one octet", f"{end - start} octets")
    return frame[start] != 0, end


def _optional(frame: bytes, position: int, limit: int, tag: int) -> tuple[bytes | None, int]:
    if position == limit or frame[position] != tag:
        return None, position
    start, end = ber.expect(frame, position, limit, tag)
    return frame[start:end], end


def _strings(frame: bytes, position: int, limit: int, most: int, what: str) -> list[bytes]:
    strings: list[bytes] = []
    while position < limit:
        size = frame[position + 1]
        if frame[position] == 0x04 and size < 0x80 and position + 2 + size <= limit:
            start = position + 2
            position = start + size
        else:
            start, position = ber.expect(frame, position, limit, ber.OCTET_STRING)
        if len(strings) >= most:
            raise BadRequest(f"too many {what}")
        strings.append(frame[start:position])
    return strings


def _ignore_rest(frame: bytes, position: int, limit: int) -> None:
    """Pass over what a later revision may have added (RFC 4511 §4: extensibility), if it is well formed."""
    while position < limit:
        tag, _, position = ber.read(frame, position, limit)
        if tag & 0xC0 != 0x80:
            raise Malformed("octets after the last known element", f"tag {tag:#04x}")
