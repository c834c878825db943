"""Encodes what the server answers (RFC 4511 §4) as whole LDAPMessages, and decodes them as a client would.

Entries are the hot part: their attributes come already encoded from the index (`ber.encode_attributes`) and
only a few header octets are made here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from annuaire.errors import Malformed
from annuaire.ldap import ber
from annuaire.ldap.controls import decode_controls
from annuaire.ldap.messages import Control

BIND_RESPONSE = 0x61
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
MODIFY_RESPONSE = 0x67
ADD_RESPONSE = 0x69
DELETE_RESPONSE = 0x6B
MODIFY_DN_RESPONSE = 0x6D
COMPARE_RESPONSE = 0x6F
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78
INTERMEDIATE_RESPONSE = 0x79

# RFC 4511 §4.4.1: the only unsolicited notification, always of message 0.
NOTICE_OF_DISCONNECTION = "1.3.6.1.4.1.1466.20036"


def message(message_id: int, operation: bytes, controls: bytes = b"") -> bytes:
    """Put an encoded operation, and controls made by `controls.encode_controls`, in its envelope."""
    number = _message_id(message_id)
    size = ber.length(len(number) + len(operation) + len(controls))
    return b"\x30%b%b%b%b" % (size, number, operation, controls)


# All the entries of a search carry the same one.
_message_id = lru_cache(maxsize=256)(ber.integer)


def entry(dn: bytes, attributes: bytes) -> bytes:
    """A SearchResultEntry without its envelope: it can be kept, and sent with any message id by `message`."""
    dn_length = ber.length(len(dn))
    attributes_length = ber.length(len(attributes))
    size = ber.length(2 + len(dn_length) + len(dn) + len(attributes_length) + len(attributes))
    return b"\x64%b\x04%b%b\x30%b%b" % (size, dn_length, dn, attributes_length, attributes)


def name_of(entry: bytes) -> bytes:
    """The DN in an encoded `entry`."""
    _, start, limit = ber.read(entry, 0, len(entry))
    _, start, end = ber.read(entry, start, limit)
    return entry[start:end]


def search_entry(message_id: int, dn: bytes, attributes: bytes, controls: bytes = b"") -> bytes:
    """A SearchResultEntry whose attributes are already encoded."""
    if controls or len(dn) + len(attributes) > _SMALL:
        return message(message_id, entry(dn, attributes), controls)
    # The same in one step: a search answers hundreds of them.
    lengths = ber.LENGTHS
    dn_length = lengths[len(dn)]
    attributes_length = lengths[len(attributes)]
    inner = 2 + len(dn_length) + len(dn) + len(attributes_length) + len(attributes)
    size = lengths[inner]
    number = _message_id(message_id)
    return b"\x30%b%b\x64%b\x04%b%b\x30%b%b" % (
        lengths[len(number) + 1 + len(size) + inner],
        number,
        size,
        dn_length,
        dn,
        attributes_length,
        attributes,
    )


# With its headers, an entry of that size is still within `ber.LENGTHS`.
_SMALL = len(ber.LENGTHS) - 32


def search_reference(message_id: int, uris: Iterable[str], controls: bytes = b"") -> bytes:
    """A SearchResultReference (§4.5.3): only where referrals are kept, for mail clients mishandle it."""
    return message(message_id, ber.sequence(_uris(uris), SEARCH_REFERENCE), controls)


def result(
    message_id: int,
    tag: int,
    code: int,
    matched: bytes = b"",
    text: str = "",
    referrals: Iterable[str] = (),
    controls: bytes = b"",
) -> bytes:
    """An LDAPResult (§4.1.9) as the response of that tag."""
    if matched or text or referrals:
        return message(message_id, ber.tlv(tag, _result(code, matched, text, referrals)), controls)
    return message(message_id, _bare_result(tag, code), controls)


@lru_cache(maxsize=256)
def _bare_result(tag: int, code: int) -> bytes:
    return ber.tlv(tag, _result(code, b"", "", ()))


def bind_response(
    message_id: int,
    code: int,
    matched: bytes = b"",
    text: str = "",
    sasl_credentials: bytes | None = None,
    controls: bytes = b"",
) -> bytes:
    """The answer to a bind (§4.2.2)."""
    body = _result(code, matched, text, ())
    if sasl_credentials is not None:
        body += ber.octets(sasl_credentials, 0x87)
    return message(message_id, ber.tlv(BIND_RESPONSE, body), controls)


def extended_response(
    message_id: int,
    code: int,
    matched: bytes = b"",
    text: str = "",
    oid: str | None = None,
    value: bytes | None = None,
    controls: bytes = b"",
) -> bytes:
    """The answer to an extended operation (§4.12)."""
    body = _result(code, matched, text, ())
    if oid is not None:
        body += ber.octets(oid.encode(), 0x8A)
    if value is not None:
        body += ber.octets(value, 0x8B)
    return message(message_id, ber.tlv(EXTENDED_RESPONSE, body), controls)


def intermediate_response(
    message_id: int, oid: str | None = None, value: bytes | None = None, controls: bytes = b""
) -> bytes:
    """What an operation says before it ends (§4.13), as the sync operation does (RFC 4533)."""
    body = b"" if oid is None else ber.octets(oid.encode(), 0x80)
    if value is not None:
        body += ber.octets(value, 0x81)
    return message(message_id, ber.tlv(INTERMEDIATE_RESPONSE, body), controls)


def notice_of_disconnection(code: int, text: str = "") -> bytes:
    """Said before the server closes by itself (§4.4.1)."""
    return extended_response(0, code, text=text, oid=NOTICE_OF_DISCONNECTION)


def _result(code: int, matched: bytes, text: str, referrals: Iterable[str]) -> bytes:
    body = ber.integer(code, ber.ENUMERATED) + ber.octets(matched) + ber.octets(text.encode())
    uris = _uris(referrals)
    return body + ber.sequence(uris, 0xA3) if uris else body


def _uris(uris: Iterable[str]) -> list[bytes]:
    return [ber.octets(uri.encode()) for uri in uris]


# ---------------------------------------------------------------- as a client reads them


@dataclass(slots=True)
class Entry:
    """An entry found; an attribute named twice would be a fault of the server, and is refused."""

    dn: bytes
    attributes: dict[str, list[bytes]]


@dataclass(slots=True)
class Reference:
    """Where else to search."""

    uris: list[bytes]


@dataclass(slots=True)
class Intermediate:
    """What an operation says before it ends."""

    oid: str | None
    value: bytes | None


@dataclass(slots=True)
class Result:
    """The end of an operation, with what only a bind or an extended operation adds."""

    tag: int
    code: int
    matched: bytes
    text: str
    referrals: list[bytes] = field(default_factory=list)
    sasl_credentials: bytes | None = None
    oid: str | None = None
    value: bytes | None = None


@dataclass(slots=True)
class Response:
    """A message of the server."""

    message_id: int
    operation: Entry | Reference | Intermediate | Result
    controls: tuple[Control, ...] = ()


def decode_response(frame: bytes) -> Response:
    """The answer in a frame; Malformed when a server could not have meant it."""
    start, limit = ber.expect(frame, 0, len(frame), ber.SEQUENCE)
    message_id, position = ber.read_number(frame, start, limit, 0, ber.INTEGER_MAX, "message id")
    tag, start, end = ber.read(frame, position, limit)
    if limit != len(frame):
        raise Malformed("octets after the message")
    operation: Entry | Reference | Intermediate | Result
    try:
        if tag == SEARCH_ENTRY:
            dn_start, dn_end = ber.expect(frame, start, end, ber.OCTET_STRING)
            start, stop = ber.expect(frame, dn_end, end, ber.SEQUENCE)
            ber.ignore_rest(frame, stop, end)
            operation = Entry(frame[dn_start:dn_end], ber.decode_attributes(frame[start:stop]))
        elif tag == SEARCH_REFERENCE:
            operation = Reference(ber.read_strings(frame, start, end, ber.INTEGER_MAX, "references"))
        elif tag == INTERMEDIATE_RESPONSE:
            oid, position = ber.read_optional(frame, start, end, 0x80)
            value, position = ber.read_optional(frame, position, end, 0x81)
            ber.ignore_rest(frame, position, end)
            operation = Intermediate(None if oid is None else oid.decode(), value)
        elif tag in _RESULTS:
            operation = _read_result(tag, frame, start, end)
        else:
            raise Malformed("not a response", f"operation {tag:#04x}")
        return Response(message_id, operation, decode_controls(frame, end, limit))
    except UnicodeDecodeError as error:
        raise Malformed("text that is not UTF-8", str(error)) from None


_RESULTS = frozenset(
    (
        BIND_RESPONSE,
        SEARCH_DONE,
        MODIFY_RESPONSE,
        ADD_RESPONSE,
        DELETE_RESPONSE,
        MODIFY_DN_RESPONSE,
        COMPARE_RESPONSE,
        EXTENDED_RESPONSE,
    )
)


def _read_result(tag: int, frame: bytes, start: int, end: int) -> Result:
    code, position = ber.read_number(frame, start, end, 0, ber.INTEGER_MAX, "result code", ber.ENUMERATED)
    start, position = ber.expect(frame, position, end, ber.OCTET_STRING)
    matched = frame[start:position]
    start, position = ber.expect(frame, position, end, ber.OCTET_STRING)
    result = Result(tag, code, matched, frame[start:position].decode())
    if position < end and frame[position] == 0xA3:
        start, position = ber.expect(frame, position, end, 0xA3)
        result.referrals = ber.read_strings(frame, start, position, ber.INTEGER_MAX, "references")
    if tag == BIND_RESPONSE:
        result.sasl_credentials, position = ber.read_optional(frame, position, end, 0x87)
    elif tag == EXTENDED_RESPONSE:
        oid, position = ber.read_optional(frame, position, end, 0x8A)
        result.oid = None if oid is None else oid.decode()
        result.value, position = ber.read_optional(frame, position, end, 0x8B)
    ber.ignore_rest(frame, position, end)
    return result
