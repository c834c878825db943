"""Decodes one LDAPMessage of a client (RFC 4511 §4) into values, and refuses what is not one.

Note [Two ways to be malformed]: RFC 4511 §4.1.1 ends the session when the message id or the operation's tag
cannot be read or when lengths and structure are wrong: plain `Malformed`. A sound structure with impossible
contents (an enumeration out of range, text that is not UTF-8, a limit exceeded) is answered protocolError and
the session goes on: `BadRequest`, which says to what message and with which response.
Security: everything is read before anybody is known. Each length is checked against what encloses it, nothing
recurses, every count has a limit, and the caches hold few and small things.
"""

from __future__ import annotations

from annuaire.errors import Malformed
from annuaire.ldap import ber, controls, responses, search_requests
from annuaire.ldap.messages import (
    AbandonRequest,
    AddRequest,
    BindMethod,
    BindRequest,
    CompareRequest,
    DeleteRequest,
    ExtendedRequest,
    Message,
    ModifyDnRequest,
    ModifyRequest,
    Operation,
    OtherMethod,
    Sasl,
    Simple,
    UnbindRequest,
)
from annuaire.ldap.search_requests import USUAL, Bounds

# Attributes of one added entry: the widest classes have some hundreds.
ATTRIBUTES_MAX = 1024
# A long list of changes is what a tool that synchronises groups sends.
CHANGES_MAX = 10_000
# About as many DNs as a message at the default size limit holds; empty values would be far more.
VALUES_MAX = 100_000

BIND, UNBIND, SEARCH, MODIFY, ADD = 0x60, 0x42, 0x63, 0x66, 0x68
DELETE, MODIFY_DN, COMPARE, ABANDON, EXTENDED = 0x4A, 0x6C, 0x6E, 0x50, 0x77

# The response that belongs to each request; none to those that are never answered.
RESPONSE_TAGS: dict[int, int | None] = {
    BIND: responses.BIND_RESPONSE,
    UNBIND: None,
    SEARCH: responses.SEARCH_DONE,
    MODIFY: responses.MODIFY_RESPONSE,
    ADD: responses.ADD_RESPONSE,
    DELETE: responses.DELETE_RESPONSE,
    MODIFY_DN: responses.MODIFY_DN_RESPONSE,
    COMPARE: responses.COMPARE_RESPONSE,
    ABANDON: None,
    EXTENDED: responses.EXTENDED_RESPONSE,
}


class BadRequest(Malformed):
    """A request that can be answered, with protocolError, but not understood."""

    def __init__(self, public: str, reason: str, message_id: int, response_tag: int | None) -> None:
        super().__init__(public, reason)
        self.message_id = message_id
        self.response_tag = response_tag


def decode(frame: bytes, bounds: Bounds = USUAL) -> Message:
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
        if frame[0] != 0x30 or limit != len(frame) or frame[position] != 0x02:
            raise Malformed("not an LDAP message", f"begins with {frame[:8].hex()}, {len(frame)} octets")
        start = position + 2
        position = start + frame[position + 1]
        if position - start >= 0x80:
            _, start, position = ber.read(frame, start - 2, limit)
        size = position - start
        message_id = frame[start] if size == 1 else int.from_bytes(frame[start:position], "big")
        if not 1 <= size <= 4 or frame[start] >= 0x80:
            raise Malformed("message id out of range", frame[start:position][:8].hex())

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
            operation: Operation = search_requests.decode(frame, start, end, bounds)
        else:
            operation = _rare(tag, frame, start, end)
        control_list = controls.decode_controls(frame, end, limit, bounds.controls) if end < limit else ()
    except ber.BadContent as error:
        raise BadRequest(error.public, error.reason, message_id, RESPONSE_TAGS[tag]) from None
    except UnicodeDecodeError as error:
        raise BadRequest("text that is not UTF-8", str(error), message_id, RESPONSE_TAGS[tag]) from None
    except IndexError:
        raise Malformed("truncated request", f"operation {tag:#04x} of {len(frame)} octets") from None
    return Message(message_id, operation, control_list)


# ---------------------------------------------------------------- the other operations


def _rare(tag: int, frame: bytes, start: int, end: int) -> Operation:
    if tag == BIND:
        return _bind(frame, start, end)
    if tag == UNBIND:
        if start != end:
            raise Malformed("unbind with a content")
        return UnbindRequest()
    if tag == ABANDON:
        return AbandonRequest(ber.number(frame, start, end, 0, ber.INTEGER_MAX, "message id"))
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
        ber.ignore_rest(frame, ava_end, end)
        return CompareRequest(frame[dn_start:dn_end], *ber.read_assertion(frame, ava_start, ava_end))
    if tag == EXTENDED:
        oid_start, oid_end = ber.expect(frame, start, end, 0x80)
        value, position = ber.read_optional(frame, oid_end, end, 0x81)
        ber.ignore_rest(frame, position, end)
        return ExtendedRequest(frame[oid_start:oid_end].decode(), value)
    raise Malformed("not a request", f"operation {tag:#04x}")


def _bind(frame: bytes, start: int, end: int) -> BindRequest:
    version, position = ber.read_number(frame, start, end, 1, 127, "version")
    name_start, position = ber.expect(frame, position, end, ber.OCTET_STRING)
    name = frame[name_start:position]
    tag, method_start, method_end = ber.read(frame, position, end)
    ber.ignore_rest(frame, method_end, end)
    method: BindMethod
    if tag == 0x80:
        method = Simple(frame[method_start:method_end])
    elif tag == 0xA3:
        mechanism_start, position = ber.expect(frame, method_start, method_end, ber.OCTET_STRING)
        mechanism = frame[mechanism_start:position].decode()
        credentials, position = ber.read_optional(frame, position, method_end, ber.OCTET_STRING)
        ber.ignore_rest(frame, position, method_end)
        method = Sasl(mechanism, credentials)
    else:
        method = OtherMethod(tag)
    return BindRequest(version, name, method)


def _add(frame: bytes, start: int, end: int) -> AddRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    position, stop = ber.expect(frame, dn_end, end, ber.SEQUENCE)
    ber.ignore_rest(frame, stop, end)
    attributes: list[tuple[str, list[bytes]]] = []
    allowed = VALUES_MAX
    while position < stop:
        name, values, position = _attribute(frame, position, stop, allowed)
        attributes.append((name, values))
        allowed -= len(values)
        if len(attributes) > ATTRIBUTES_MAX:
            raise ber.BadContent(f"more than {ATTRIBUTES_MAX} attributes")
    return AddRequest(frame[dn_start:dn_end], attributes)


def _modify(frame: bytes, start: int, end: int) -> ModifyRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    position, stop = ber.expect(frame, dn_end, end, ber.SEQUENCE)
    ber.ignore_rest(frame, stop, end)
    changes: list[tuple[int, str, list[bytes]]] = []
    allowed = VALUES_MAX
    while position < stop:
        change_start, change_end = ber.expect(frame, position, stop, ber.SEQUENCE)
        kind, position = ber.read_number(
            frame, change_start, change_end, 0, 3, "kind of change", ber.ENUMERATED
        )
        name, values, position = _attribute(frame, position, change_end, allowed)
        ber.ignore_rest(frame, position, change_end)
        position = change_end
        changes.append((kind, name, values))
        allowed -= len(values)
        if len(changes) > CHANGES_MAX:
            raise ber.BadContent(f"more than {CHANGES_MAX} changes")
    return ModifyRequest(frame[dn_start:dn_end], changes)


def _attribute(frame: bytes, position: int, limit: int, allowed: int) -> tuple[str, list[bytes], int]:
    start, end = ber.expect(frame, position, limit, ber.SEQUENCE)
    name_start, name_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    values_start, values_end = ber.expect(frame, name_end, end, ber.SET)
    ber.ignore_rest(frame, values_end, end)
    values = ber.read_strings(frame, values_start, values_end, allowed, "values")
    return ber.names[frame[name_start:name_end]], values, end


def _modify_dn(frame: bytes, start: int, end: int) -> ModifyDnRequest:
    dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
    rdn_start, rdn_end = ber.expect(frame, dn_end, end, ber.OCTET_STRING)
    delete_old_rdn, position = ber.read_boolean(frame, rdn_end, end)
    new_superior, position = ber.read_optional(frame, position, end, 0x80)
    ber.ignore_rest(frame, position, end)
    return ModifyDnRequest(frame[dn_start:dn_end], frame[rdn_start:rdn_end], delete_old_rdn, new_superior)
