"""Normal forms of values for the matching rules of RFC 4517: two values match when their forms are equal.

Forms named `…_order` sort as the values do. None instead of a form: not a value for the rule, hence Undefined.
All are linear, none raises, whatever the bytes.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Protocol

from annuaire.errors import Malformed
from annuaire.ldap import dn, preparation, syntaxes

Normalise = Callable[[bytes], bytes | None]
# A part of a substring assertion, whether it is the initial one, whether it is the final one.
NormalisePart = Callable[[bytes, bool, bool], bytes | None]


class Names(dn.Naming, Protocol):
    """What name-comparing rules need of a schema."""

    def __hash__(self) -> int: ...

    def identifier(self, text: str) -> str | None:
        """The numeric OID of a name in any case, or of itself; None for a name that is not known."""
        ...


def prepared(prepare: Callable[[str], str | None]) -> Normalise:
    """For syntaxes of at least one character: blanks alone are a value, equal to any other blanks."""

    def normalise(value: bytes) -> bytes | None:
        try:
            prepared = prepare(value.decode())
        except UnicodeDecodeError:
            return None
        if prepared:
            return prepared.encode()
        return None if prepared is None or not value else b" "

    return normalise


def prepared_or_empty(prepare: Callable[[str], str | None]) -> Normalise:
    def normalise(value: bytes) -> bytes | None:
        try:
            prepared = prepare(value.decode())
        except UnicodeDecodeError:
            return None
        return None if prepared is None else prepared.encode()

    return normalise


def ascii_only(normalise: Normalise) -> Normalise:
    return lambda value: normalise(value) if value.isascii() else None


case_ignore = prepared(preparation.case_ignore)
case_exact = prepared(preparation.case_exact)
case_ignore_ia5 = ascii_only(prepared_or_empty(preparation.case_ignore))
case_exact_ia5 = ascii_only(prepared_or_empty(preparation.case_exact))
numeric = prepared(preparation.numeric)
telephone = prepared(preparation.telephone)


def octets(value: bytes) -> bytes | None:
    return value


def boolean(value: bytes) -> bytes | None:
    # The ABNF of RFC 4517 §3.3.3 ignores case; values are stored in capitals only, as OpenLDAP insists.
    upper = value.upper()
    return upper if upper in (b"TRUE", b"FALSE") else None


def integer(value: bytes) -> bytes | None:
    # Leading zeros are not in the syntax but are typed in filters.
    if not value.removeprefix(b"-").isdigit():
        return None
    digits = value.removeprefix(b"-").lstrip(b"0")
    return b"-" + digits if digits and value.startswith(b"-") else digits or b"0"


_COMPLEMENT = bytes.maketrans(b"0123456789", b"9876543210")
_LENGTH_BYTES = 8


def integer_order(value: bytes) -> bytes | None:
    """Sortable for any size: a sign, the number of digits, the digits; complemented below zero."""
    canonical = integer(value)
    if canonical is None:
        return None
    if canonical.startswith(b"-"):
        digits = canonical[1:]
        return b"0" + (2**64 - 1 - len(digits)).to_bytes(_LENGTH_BYTES) + digits.translate(_COMPLEMENT)
    return b"1" + len(canonical).to_bytes(_LENGTH_BYTES) + canonical


def time(value: bytes) -> bytes | None:
    """In UTC with all its digits: 2024010110.5+0100 is 20240101093000Z."""
    order = time_order(value)
    return None if order is None else order + b"Z"


def time_order(value: bytes) -> bytes | None:
    parts = syntaxes.time(value)
    if parts is None:
        return None
    if len(value) == _PLAIN_TIME and parts.second not in (None, 60) and parts.year:
        return value[:-1]
    seconds = Fraction((parts.minute or 0) * 60 + (parts.second or 0))
    if parts.fraction:
        unit = 3600 if parts.minute is None else 60 if parts.second is None else 1
        seconds += unit * Fraction(int(parts.fraction), 10 ** len(parts.fraction))
    if parts.offset != b"Z":
        minutes = int(parts.offset[1:3]) * 60 + int(parts.offset[3:5] or 0)
        seconds += -60 * minutes if parts.offset.startswith(b"+") else 60 * minutes
    whole, rest = divmod(seconds, 1)
    try:
        # A leap second is the first of the next minute, as in OpenLDAP's comparison of normal forms.
        moment = datetime(parts.year, parts.month, parts.day, parts.hour, tzinfo=UTC)
        moment += timedelta(seconds=int(whole))
    except (OverflowError, ValueError):
        return None
    text = b"%04d%02d%02d%02d%02d%02d" % moment.utctimetuple()[:6]
    if rest:
        # Units of 60 and 3600 divide exactly in decimal: at most the digits given and none is lost.
        digits = str(int(rest * 10**_FRACTION_DIGITS)).zfill(_FRACTION_DIGITS).rstrip("0")
        text += b"." + digits.encode() if digits else b""
    return text


_FRACTION_DIGITS = 20
_PLAIN_TIME = len("20240229235959Z")
_UUID = syntaxes.KNOWN[syntaxes.UUID].valid
_BIT_STRING = syntaxes.KNOWN[syntaxes.BIT_STRING].valid


def uuid(value: bytes) -> bytes | None:
    return value.lower() if _UUID(value) else None


def bit_string(value: bytes) -> bytes | None:
    return value if _BIT_STRING(value) else None


_line = prepared_or_empty(preparation.case_ignore)


def case_ignore_list(value: bytes) -> bytes | None:
    """Line by line; a dollar sign inside a line is written \\24."""
    lines = [_line(line) for line in value.split(b"$")]
    if None in lines or not value:
        return None
    return b"$".join(line for line in lines if line is not None) or b" "


_UNIQUE_IDENTIFIER = re.compile(rb"#('[01]*'B)\Z")


def distinguished_name(names: Names) -> Normalise:
    def normalise(value: bytes) -> bytes | None:
        try:
            return dn.key(dn.parse(value.decode()), names)
        except (UnicodeDecodeError, Malformed):
            return None

    return normalise


def name_and_identifier(names: Names) -> Normalise:
    name = distinguished_name(names)

    def normalise(value: bytes) -> bytes | None:
        found = _UNIQUE_IDENTIFIER.search(value)
        if found is None:
            return name(value)
        key = name(value[: found.start()])
        return None if key is None else key + b"\x02" + found[1]

    return normalise


def object_identifier(names: Names) -> Normalise:
    valid_identifier = syntaxes.KNOWN[syntaxes.OID].valid

    def normalise(value: bytes) -> bytes | None:
        # RFC 4517 §4.2.26: Undefined when a name is not recognised.
        found = names.identifier(value.decode()) if valid_identifier(value) else None
        return None if found is None else found.encode()

    return normalise


_FIRST_WORD = re.compile(rb"\(\s*([^\s()']+)")


def first_component(normalise: Normalise) -> Normalise:
    """Of a description `( 2.5.4.3 NAME …`, its identifier; the assertion is the identifier alone."""

    def first(value: bytes) -> bytes | None:
        found = _FIRST_WORD.match(value)
        return normalise(found[1] if found else value)

    return first


# --- Parts of substring assertions -----------------------------------------------------------------------


def spaced(normalise: Normalise) -> tuple[Normalise, NormalisePart]:
    def value_form(value: bytes) -> bytes | None:
        prepared = normalise(value)
        return None if prepared is None else preparation.spaced_value(prepared.decode()).encode()

    def part_form(part: bytes, initial: bool, final: bool) -> bytes | None:
        prepared = normalise(part)
        if prepared is None:
            return None
        return preparation.spaced_part(part.decode(), prepared.decode(), initial, final).encode()

    return value_form, part_form


def unspaced(normalise: Normalise) -> tuple[Normalise, NormalisePart]:
    return normalise, lambda part, initial, final: normalise(part)
