"""Controls (RFC 4511 §4.1.11): their list on a message, their OIDs, and the values of those served here.

Knows paged results (RFC 2696) and server-side sort (RFC 2891); what a server does with them is elsewhere.
A control's value that cannot be decoded is `Malformed`: the operation answers protocolError (RFC 2696 §3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import ber
from annuaire.ldap.messages import Control

PAGED_RESULTS = "1.2.840.113556.1.4.319"  # RFC 2696
SORT_REQUEST = "1.2.840.113556.1.4.473"  # RFC 2891
SORT_RESPONSE = "1.2.840.113556.1.4.474"
VLV_REQUEST = "2.16.840.1.113730.3.4.9"  # draft-ietf-ldapext-ldapv3-vlv
VLV_RESPONSE = "2.16.840.1.113730.3.4.10"
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"  # RFC 3296; on each search of JNDI
SUBENTRIES = "1.3.6.1.4.1.4203.1.10.1"  # RFC 3672
DOMAIN_SCOPE = "1.2.840.113556.1.4.1339"  # [MS-ADTS] 3.1.1.3.4.1.4: no referrals
ASSERTION = "1.3.6.1.1.12"  # RFC 4528
PRE_READ = "1.3.6.1.1.13.1"  # RFC 4527
POST_READ = "1.3.6.1.1.13.2"
TREE_DELETE = "1.2.840.113556.1.4.805"  # draft-armijo-ldap-treedelete
NO_OPERATION = "1.3.6.1.4.1.4203.1.10.2"  # draft-zeilenga-ldap-noop
NO_OPERATION_OPENLDAP = "1.3.6.1.4.1.4203.666.5.2"  # the same, as OpenLDAP's tools and server number it
TRANSACTION = "1.3.6.1.1.21.2"  # RFC 5805
RELAX = "1.3.6.1.4.1.4203.666.5.12"  # draft-zeilenga-ldap-relax
PROXIED_AUTHORIZATION = "2.16.840.1.113730.3.4.18"  # RFC 4370
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 draft-behera-ldap-password-policy
MATCHED_VALUES = "1.2.826.0.1.3344810.2.3"  # RFC 3876
SYNC_REQUEST = "1.3.6.1.4.1.4203.1.9.1.1"  # RFC 4533
SYNC_STATE = "1.3.6.1.4.1.4203.1.9.1.2"
SYNC_DONE = "1.3.6.1.4.1.4203.1.9.1.3"

# Clients send one to three; the work for each may be large (389 Directory Server's CVE-2026-9064).
CONTROLS_MAX = 16
# Address books sort by one or two attributes; each key costs a pass over the whole answer.
SORT_KEYS_MAX = 10

_CONTROLS = 0xA0


def decode_controls(data: bytes, position: int, limit: int, most: int = CONTROLS_MAX) -> tuple[Control, ...]:
    """What follows the operation in its envelope; Perl's Net::LDAP sends an empty list, JNDI bare OIDs."""
    if position == limit:
        return ()
    if data[position] != _CONTROLS:
        ber.ignore_rest(data, position, limit)
        return ()
    position, stop = ber.expect(data, position, limit, _CONTROLS)
    if stop < limit and data[stop] == _CONTROLS:
        raise Malformed("two lists of controls")  # not to be ignored: a critical one may be in it
    ber.ignore_rest(data, stop, limit)
    controls: list[Control] = []
    while position < stop:
        if len(controls) == most:
            raise ber.BadContent(f"more than {most} controls")
        start, end = ber.expect(data, position, stop, ber.SEQUENCE)
        oid_start, position = ber.expect(data, start, end, ber.OCTET_STRING)
        oid = data[oid_start:position].decode()
        critical = False
        if position < end and data[position] == ber.BOOLEAN:
            critical, position = ber.read_boolean(data, position, end)
        value, position = ber.read_optional(data, position, end, ber.OCTET_STRING)
        ber.ignore_rest(data, position, end)
        position = end
        controls.append(Control(oid, critical, value))
    return tuple(controls)


def encode_controls(controls: Iterable[Control]) -> bytes:
    """The list with its `[0]` tag, for the end of a message; nothing when there are none."""
    encoded: list[bytes] = []
    for control in controls:
        parts = [ber.octets(control.oid.encode())]
        if control.critical:
            parts.append(ber.boolean(True))
        if control.value is not None:
            parts.append(ber.octets(control.value))
        encoded.append(ber.sequence(parts))
    return ber.sequence(encoded, _CONTROLS) if encoded else b""


# ---------------------------------------------------------------- paged results


class PagedResults(NamedTuple):
    """Asked: how many entries, and after what. Told: an estimate or 0, and the next place or nothing."""

    size: int
    cookie: bytes


def decode_paged_results(value: bytes | None) -> PagedResults:
    """The value of the control, of a request or a response alike."""
    value, start, end = _sequence(value)
    size, position = ber.read_number(value, start, end, 0, ber.INTEGER_MAX, "page size")
    start, position = ber.expect(value, position, end, ber.OCTET_STRING)
    ber.ignore_rest(value, position, end)
    return PagedResults(size, value[start:position])


def paged_results(size: int, cookie: bytes, critical: bool = False) -> Control:
    """The control itself; in a response `size` is the estimated total, 0 when it is not told."""
    value = ber.sequence((ber.integer(size), ber.octets(cookie)))
    return Control(PAGED_RESULTS, critical, value)


# ---------------------------------------------------------------- sort


class SortKey(NamedTuple):
    """One key of a sort; without a rule the attribute's own ordering is meant."""

    attribute: str
    rule: str | None = None
    reverse: bool = False


def decode_sort_request(value: bytes | None) -> tuple[SortKey, ...]:
    """The keys, first one first."""
    value, position, limit = _sequence(value)
    keys: list[SortKey] = []
    try:
        while position < limit:
            if len(keys) == SORT_KEYS_MAX:
                raise ber.BadContent(f"more than {SORT_KEYS_MAX} sort keys")
            start, end = ber.expect(value, position, limit, ber.SEQUENCE)
            start, stop = ber.expect(value, start, end, ber.OCTET_STRING)
            rule, position = ber.read_optional(value, stop, end, 0x80)
            reverse = False
            if position < end and value[position] == 0x81:
                reverse, position = ber.read_boolean(value, position, end, 0x81)
            ber.ignore_rest(value, position, end)
            position = end
            keys.append(
                SortKey(value[start:stop].decode(), rule.decode() if rule is not None else None, reverse)
            )
    except UnicodeDecodeError as error:
        raise ber.BadContent("sort key that is not UTF-8", str(error)) from None
    if not keys:
        raise ber.BadContent("sort without any key")
    return tuple(keys)


def sort_request(keys: Iterable[SortKey], critical: bool = False) -> Control:
    """The control that a client sends."""
    encoded: list[bytes] = []
    for key in keys:
        parts = [ber.octets(key.attribute.encode())]
        if key.rule is not None:
            parts.append(ber.octets(key.rule.encode(), 0x80))
        if key.reverse:
            parts.append(ber.boolean(True, 0x81))
        encoded.append(ber.sequence(parts))
    return Control(SORT_REQUEST, critical, ber.sequence(encoded))


def sort_response(code: int, attribute: str | None = None) -> Control:
    """Whether the entries are sorted, and the key for which they are not."""
    parts = [ber.integer(code, ber.ENUMERATED)]
    if attribute is not None:
        parts.append(ber.octets(attribute.encode(), 0x80))
    return Control(SORT_RESPONSE, False, ber.sequence(parts))


def _sequence(value: bytes | None) -> tuple[bytes, int, int]:
    """The value of a control, and where the SEQUENCE that must be the whole of it begins and ends."""
    if value is None:
        raise ber.BadContent("control without the value it needs")
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    if end != len(value):
        raise Malformed("octets after a control's value")
    return value, start, end
