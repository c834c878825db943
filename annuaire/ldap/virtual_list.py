"""Virtual list views (draft-ietf-ldapext-ldapv3-vlv-09): the window of a sorted list that an address book shows.

Outlook scrolls by offset, and by what is typed (greaterThanOrEqual); Roundcube pages by offset. What a list holds and
where a value lies in it is the index's business.
"""

from __future__ import annotations

from typing import NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import ber
from annuaire.ldap.controls import VLV_REQUEST, VLV_RESPONSE
from annuaire.ldap.messages import Control

_BY_OFFSET, _AT_LEAST, _CONTEXT = 0xA0, 0x81, ber.OCTET_STRING


class View(NamedTuple):
    """Asked: so many entries around a target, which is the `value` or, without one, an offset."""

    before: int
    after: int
    offset: int = 0
    content: int = 0  # how long the client takes the list to be; 0: it has no idea
    value: bytes | None = None
    context: bytes = b""


def decode(value: bytes | None) -> View:
    """The value of the request control; Malformed."""
    if not value:
        raise ber.BadContent("control without the value it needs")
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after a control's value")
    before, position = ber.read_number(value, start, end, 0, ber.INTEGER_MAX, "beforeCount")
    after, position = ber.read_number(value, position, end, 0, ber.INTEGER_MAX, "afterCount")
    asserted, position = ber.read_optional(value, position, end, _AT_LEAST)
    offset = content = 0
    if asserted is None:
        start, stop = ber.expect(value, position, end, _BY_OFFSET)
        offset, start = ber.read_number(value, start, stop, 0, ber.INTEGER_MAX, "offset")
        content, start = ber.read_number(value, start, stop, 0, ber.INTEGER_MAX, "contentCount")
        ber.ignore_rest(value, start, stop)
        position = stop
    context, position = ber.read_optional(value, position, end, _CONTEXT)
    ber.ignore_rest(value, position, end)
    return View(before, after, offset, content, asserted, context or b"")


def request(view: View, critical: bool = False) -> Control:
    """The control that a client sends."""
    if view.value is None:
        target = ber.sequence((ber.integer(view.offset), ber.integer(view.content)), _BY_OFFSET)
    else:
        target = ber.octets(view.value, _AT_LEAST)
    parts = [ber.integer(view.before), ber.integer(view.after), target]
    if view.context:
        parts.append(ber.octets(view.context))
    return Control(VLV_REQUEST, critical, ber.sequence(parts))


def response(position: int, count: int, code: int, context: bytes = b"") -> Control:
    """Where the target lies in a list of so many, counted from 1."""
    parts = [ber.integer(position), ber.integer(count), ber.integer(code, ber.ENUMERATED)]
    if context:
        parts.append(ber.octets(context))
    return Control(VLV_RESPONSE, False, ber.sequence(parts))


def place(offset: int, count: int, length: int) -> int | None:
    """Where an offset of a client's list of `count` lies in ours of `length`, from 1; None: outside of it.

    §6.2: the first stays the first and the last the last, whatever the client takes the length to be; what lies
    between is scaled.
    """
    if offset == 0 or (count and offset > count):
        return None
    if offset == 1 or not length:
        return min(offset, length) if offset == 1 else None
    if not count:
        return offset if offset <= length else None
    if offset == count:
        return length
    return max(1, length * offset // count)
