"""Which bytes are a value of a syntax (RFC 4517 §3.3, RFC 4523, RFC 4530).

A syntax that is not known here accepts anything: refusing would make every foreign schema unusable. Every
check is linear and none raises: hostile bytes are simply not a value.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import dn

PREFIX = "1.3.6.1.4.1.1466.115.121.1."
BIT_STRING = PREFIX + "6"
BOOLEAN = PREFIX + "7"
CERTIFICATE = PREFIX + "8"
COUNTRY_STRING = PREFIX + "11"
DISTINGUISHED_NAME = PREFIX + "12"
DIRECTORY_STRING = PREFIX + "15"
FACSIMILE = PREFIX + "22"
GENERALIZED_TIME = PREFIX + "24"
IA5_STRING = PREFIX + "26"
INTEGER = PREFIX + "27"
JPEG = PREFIX + "28"
NAME_AND_OPTIONAL_UID = PREFIX + "34"
NUMERIC_STRING = PREFIX + "36"
OID = PREFIX + "38"
OCTET_STRING = PREFIX + "40"
POSTAL_ADDRESS = PREFIX + "41"
PRINTABLE_STRING = PREFIX + "44"
TELEPHONE_NUMBER = PREFIX + "50"
UTC_TIME = PREFIX + "53"
SUBSTRING_ASSERTION = PREFIX + "58"
UUID = "1.3.6.1.1.16.1"
CSN = "1.3.6.1.4.1.4203.666.11.2.1"
# Those of text that people read, be it a name or a number.
WORDED = frozenset(
    {DIRECTORY_STRING, FACSIMILE, IA5_STRING, POSTAL_ADDRESS, PRINTABLE_STRING, TELEPHONE_NUMBER}
)


def _anything(value: bytes) -> bool:
    return True


def _utf8(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _directory_string(value: bytes) -> bool:
    return value != b"" and (value.isascii() or _utf8(value))


def _matching(pattern: bytes) -> Callable[[bytes], bool]:
    fullmatch = re.compile(pattern).fullmatch
    return lambda value: fullmatch(value) is not None


_PRINTABLE = rb"[A-Za-z0-9'()+,./:=? -]"
_KEYSTRING = rb"[A-Za-z][A-Za-z0-9-]*"
_NUMERIC_OID = rb"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+"
_UUID = rb"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"
_OFFSET = rb"(?:Z|[+-](?:[01]\d|2[0-3])(?:[0-5]\d)?)"

integer = _matching(rb"0|-?[1-9]\d*")
_time_form = re.compile(
    rb"(\d{4})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])"
    rb"(?:([0-5]\d)([0-5]\d|60)?)?(?:[.,](\d+))?(" + _OFFSET + rb")"
)


class Time(NamedTuple):
    """A GeneralizedTime taken apart; `fraction` is of the smallest unit given."""

    year: int
    month: int
    day: int
    hour: int
    minute: int | None
    second: int | None
    fraction: bytes
    offset: bytes


_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# No clock gives more than nanoseconds; a bound keeps the arithmetic on fractions small.
_FRACTION_MAX = 18


def time(value: bytes) -> Time | None:
    found = _time_form.fullmatch(value) if len(value) <= 64 else None
    if found is None:
        return None
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _DAYS[month - 1] or (month == 2 and day == 29 and not leap):
        return None
    fraction = found[7] or b""
    if len(fraction) > _FRACTION_MAX:
        return None
    minute = int(found[5]) if found[5] else None
    second = int(found[6]) if found[6] else None
    return Time(year, month, day, int(found[4]), minute, second, fraction, found[8])


def _distinguished_name(value: bytes) -> bool:
    try:
        dn.parse(value.decode())
    except (UnicodeDecodeError, Malformed):
        return False
    return True


_UNIQUE_IDENTIFIER = re.compile(rb"#'[01]*'B\Z")


def _name_and_optional_uid(value: bytes) -> bool:
    found = _UNIQUE_IDENTIFIER.search(value)
    return _distinguished_name(value[: found.start()] if found else value)


_POSTAL_ESCAPE = re.compile(rb"\\(?!24|5[Cc])")


def _postal_address(value: bytes) -> bool:
    return _directory_string(value) and not _POSTAL_ESCAPE.search(value)


def _der_sequence(value: bytes) -> bool:
    """One BER SEQUENCE that fills the value: what certificates, lists and pairs have in common."""
    if len(value) < 2 or value[0] != 0x30:
        return False
    length, header = value[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or len(value) < 2 + count:
            return False
        header = 2 + count
        length = int.from_bytes(value[2:header])
    return header + length == len(value)


class Syntax(NamedTuple):
    oid: str
    description: str
    valid: Callable[[bytes], bool]
    # Values that are not text; `;binary` is accepted on them, and clients must be given them as octets.
    octets: bool = False


# RFC 4517 §3.3.5.
_DELIVERY = rb"(?:any|mhs|physical|telex|teletex|g3fax|g4fax|ia5|videotex|telephone)"
_ia5 = bytes.isascii
_oid = _matching(_KEYSTRING + rb"|" + _NUMERIC_OID)
_printable = _matching(_PRINTABLE + rb"+")

_ALL = (
    Syntax(PREFIX + "3", "Attribute Type Description", _directory_string),
    Syntax(PREFIX + "4", "Audio", _anything, True),
    Syntax(PREFIX + "5", "Binary", _anything, True),
    Syntax(BIT_STRING, "Bit String", _matching(rb"'[01]*'B")),
    Syntax(BOOLEAN, "Boolean", _matching(rb"TRUE|FALSE")),
    Syntax(CERTIFICATE, "Certificate", _der_sequence, True),
    Syntax(PREFIX + "9", "Certificate List", _der_sequence, True),
    Syntax(PREFIX + "10", "Certificate Pair", _der_sequence, True),
    Syntax(COUNTRY_STRING, "Country String", _matching(_PRINTABLE + rb"{2}")),
    Syntax(DISTINGUISHED_NAME, "DN", _distinguished_name),
    Syntax(PREFIX + "14", "Delivery Method", _matching(_DELIVERY + rb"(?: *\$ *" + _DELIVERY + rb")*")),
    Syntax(DIRECTORY_STRING, "Directory String", _directory_string),
    Syntax(PREFIX + "16", "DIT Content Rule Description", _directory_string),
    Syntax(PREFIX + "17", "DIT Structure Rule Description", _directory_string),
    Syntax(PREFIX + "21", "Enhanced Guide", _directory_string),
    Syntax(FACSIMILE, "Facsimile Telephone Number", _matching(_PRINTABLE + rb"+(?:\$[A-Za-z0-9]+)*")),
    Syntax(PREFIX + "23", "Fax", _anything, True),
    Syntax(GENERALIZED_TIME, "Generalized Time", lambda value: time(value) is not None),
    Syntax(PREFIX + "25", "Guide", _directory_string),
    Syntax(IA5_STRING, "IA5 String", _ia5),
    Syntax(INTEGER, "Integer", integer),
    Syntax(JPEG, "JPEG", _anything, True),
    Syntax(PREFIX + "30", "Matching Rule Description", _directory_string),
    Syntax(PREFIX + "31", "Matching Rule Use Description", _directory_string),
    Syntax(NAME_AND_OPTIONAL_UID, "Name And Optional UID", _name_and_optional_uid),
    Syntax(PREFIX + "35", "Name Form Description", _directory_string),
    Syntax(NUMERIC_STRING, "Numeric String", _matching(rb"[0-9 ]+")),
    Syntax(PREFIX + "37", "Object Class Description", _directory_string),
    Syntax(OID, "OID", _oid),
    Syntax(PREFIX + "39", "Other Mailbox", _matching(_PRINTABLE + rb"+\$[\x00-\x7f]*")),
    Syntax(OCTET_STRING, "Octet String", _anything, True),
    Syntax(POSTAL_ADDRESS, "Postal Address", _postal_address),
    Syntax(PRINTABLE_STRING, "Printable String", _printable),
    Syntax(PREFIX + "45", "Subtree Specification", _utf8),
    Syntax(PREFIX + "49", "Supported Algorithm", _der_sequence, True),
    Syntax(TELEPHONE_NUMBER, "Telephone Number", _printable),
    Syntax(PREFIX + "51", "Teletex Terminal Identifier", _anything, True),
    Syntax(PREFIX + "52", "Telex Number", _matching(rb"(?:" + _PRINTABLE + rb"+\$){2}" + _PRINTABLE + rb"+")),
    Syntax(
        UTC_TIME,
        "UTC Time",
        _matching(
            rb"\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?"
            rb"(?:Z|[+-](?:[01]\d|2[0-3])[0-5]\d)?"
        ),
    ),
    Syntax(PREFIX + "54", "LDAP Syntax Description", _directory_string),
    Syntax(SUBSTRING_ASSERTION, "Substring Assertion", _utf8),
    Syntax(UUID, "UUID", _matching(_UUID)),
    Syntax(CSN, "CSN", _matching(rb"\d{14}\.\d{6}Z#[0-9a-f]{6}#[0-9a-f]{3}#[0-9a-f]{6}")),
)

KNOWN: Mapping[str, Syntax] = {syntax.oid: syntax for syntax in _ALL}


def valid(syntax_oid: str, value: bytes) -> bool:
    syntax = KNOWN.get(syntax_oid)
    return syntax is None or syntax.valid(value)


def validator(syntax_oid: str | None) -> Callable[[bytes], bool]:
    syntax = KNOWN.get(syntax_oid or "")
    return syntax.valid if syntax else _anything
