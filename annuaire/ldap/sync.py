"""Content synchronization (RFC 4533) as octets: its request, its controls, its messages and its cookies.

A cookie is OpenLDAP's: `rid=NNN,csn=20261123101500.000000Z#000000#000#000000`. Its consumers take a CSN for a moment of
the provider, compare it as text and ignore what is not later than theirs. Here the moment is that of the last change
which the asking audience sees; in it are microseconds since 1970.
"""

from __future__ import annotations

import re
from calendar import timegm
from enum import IntEnum
from time import gmtime, strftime, strptime
from typing import NamedTuple

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import ber, responses
from annuaire.ldap.controls import SYNC_DONE, SYNC_REQUEST, SYNC_STATE, encode_controls
from annuaire.ldap.messages import Control

INFO = "1.3.6.1.4.1.4203.1.9.1.4"  # the Sync Info Message, an intermediate response

REFRESH_ONLY, REFRESH_AND_PERSIST = 1, 3
# slapd's own is below a hundred octets; one with the CSNs of many servers is no cookie of ours.
COOKIE_MAX = 4096

_NEW_COOKIE, _REFRESH_DELETE, _REFRESH_PRESENT = 0x80, 0xA1, 0xA2
_RID = re.compile(r"rid=(\d{1,3})(?:,|\Z)")
_CSN = re.compile(r"(?:[=;]|\A)(\d{14})\.(\d{6})Z#000000#000#000000(?=[,;]|\Z)")


class State(IntEnum):
    """What an entry of the answer is to the consumer (§2.3)."""

    PRESENT = 0
    ADD = 1
    MODIFY = 2
    DELETE = 3


class Request(NamedTuple):
    """The value of the control (§2.2)."""

    persist: bool
    cookie: bytes | None
    reload_hint: bool


class Asker(NamedTuple):
    """In whose name a consumer copies."""

    audience: Audience
    anonymous: bool  # the server's own limits hold
    passwords: bool  # the hashes of passwords are copied as well


class Cookie(NamedTuple):
    """Which replica of its own the consumer means, and the moment that it has reached, if it is one of ours."""

    replica: str
    moment: int | None

    def at(self, moment: int) -> bytes:
        """The cookie of this replica at a moment."""
        seconds, rest = divmod(moment, 1_000_000)
        stamp = strftime("%Y%m%d%H%M%S", gmtime(seconds))
        return f"rid={self.replica},csn={stamp}.{rest:06}Z#000000#000#000000".encode()


def decode_request(value: bytes | None) -> Request:
    """Malformed when it is no request."""
    if value is None:
        raise ber.BadContent("control without the value it needs")
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after a control's value")
    mode_start, position = ber.expect(value, start, end, ber.ENUMERATED)
    mode = ber.number(value, mode_start, position, 0, ber.INTEGER_MAX, "mode of synchronization")
    if mode not in (REFRESH_ONLY, REFRESH_AND_PERSIST):
        raise ber.BadContent("mode of synchronization that does not exist", str(mode))
    cookie, position = ber.read_optional(value, position, end, ber.OCTET_STRING)
    hint = False
    if position < end and value[position] == ber.BOOLEAN:
        hint, position = ber.read_boolean(value, position, end)
    ber.ignore_rest(value, position, end)
    if cookie is not None and len(cookie) > COOKIE_MAX:
        raise ber.BadContent("cookie of synchronization too long", f"{len(cookie)} octets")
    return Request(mode == REFRESH_AND_PERSIST, cookie, hint)


def request(persist: bool, cookie: bytes | None = None, reload_hint: bool = False) -> Control:
    """The control that a consumer sends; it is critical, for an answer without it would be no synchronization."""
    parts = [ber.integer(REFRESH_AND_PERSIST if persist else REFRESH_ONLY, ber.ENUMERATED)]
    if cookie is not None:
        parts.append(ber.octets(cookie))
    if reload_hint:
        parts.append(ber.boolean(True))
    return Control(SYNC_REQUEST, True, ber.sequence(parts))


def read_cookie(cookie: bytes | None) -> Cookie:
    """What a cookie says. One that is not understood is a moment that nobody knows: everything is then sent."""
    text = (cookie or b"").decode("latin-1")
    replica = _RID.search(text)
    found = _CSN.search(text)
    moment = None
    if found is not None:
        try:
            moment = timegm(strptime(found[1], "%Y%m%d%H%M%S")) * 1_000_000 + int(found[2])
        except ValueError:
            moment = None
    return Cookie("000" if replica is None else replica[1].rjust(3, "0"), moment)


# ---------------------------------------------------------------- what the provider says


def _state(state: State) -> bytes:
    """The controls of an entry up to its entryUUID, which comes last."""
    value = ber.sequence((ber.integer(state, ber.ENUMERATED), ber.octets(bytes(16))))
    return encode_controls([Control(SYNC_STATE, False, value)])[:-16]


_STATES = tuple(_state(state) for state in State)


def entry(message_id: int, operation: bytes, state: State, uuid: bytes) -> bytes:
    """A SearchResultEntry that was made by `responses.entry`, and what it is to the consumer."""
    return responses.message(message_id, operation, _STATES[state] + uuid)


def done(cookie: bytes, refresh_deletes: bool) -> bytes:
    """The controls of a SearchResultDone (§2.4)."""
    parts = [ber.octets(cookie)]
    if refresh_deletes:
        parts.append(ber.boolean(True))
    return encode_controls([Control(SYNC_DONE, False, ber.sequence(parts))])


def new_cookie(message_id: int, cookie: bytes) -> bytes:
    """All up to here is told (§2.5)."""
    return responses.intermediate_response(message_id, INFO, ber.octets(cookie, _NEW_COOKIE))


def refreshed(message_id: int, cookie: bytes, refresh_deletes: bool) -> bytes:
    """The end of the refresh stage when there is a persist stage behind it."""
    tag = _REFRESH_DELETE if refresh_deletes else _REFRESH_PRESENT
    return responses.intermediate_response(message_id, INFO, ber.sequence((ber.octets(cookie),), tag))
