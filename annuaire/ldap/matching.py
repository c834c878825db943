"""Matching rules (RFC 4517 §4.2, RFC 4530) over prepared strings: each turns a value into its normal form.

Two values match when their normal forms are equal; for an ordering rule the forms sort as the values do. None
instead of a form means that the value is not valid for the rule, hence Undefined, never an error.
Rules that compare certificates and CRLs by their contents (RFC 4523) are absent: filters with them are
Undefined. Names and object identifiers need a schema: `Rules` is bound to one, `rule` alone knows none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from fractions import Fraction
from functools import cache
from typing import Protocol

from annuaire.errors import Malformed
from annuaire.ldap import dn, preparation, syntaxes

Normalise = Callable[[bytes], bytes | None]
# A part of a substring assertion, whether it is the initial one, whether it is the final one.
NormalisePart = Callable[[bytes, bool, bool], bytes | None]

valid = syntaxes.valid


class Kind(Enum):
    EQUALITY = "equality"
    ORDERING = "ordering"
    SUBSTRINGS = "substrings"


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    oid: str
    name: str
    # Of the assertion; what attributes it suits is said by the attribute types that name it.
    syntax: str
    kind: Kind
    normalise: Normalise
    # Substring rules only: parts are prepared otherwise than whole values (RFC 4518 §2.6.1).
    normalise_part: NormalisePart | None = None


class Names(dn.Naming, Protocol):
    """What name-comparing rules need of a schema."""

    def __hash__(self) -> int: ...

    def identifier(self, text: str) -> str | None:
        """The numeric OID of a name in any case, or of itself; None for a name that is not known."""
        ...


class Matched(Protocol):
    """An attribute type with its rules resolved."""

    @property
    def syntax(self) -> str: ...
    @property
    def equality_rule(self) -> Rule | None: ...
    @property
    def ordering_rule(self) -> Rule | None: ...
    @property
    def substrings_rule(self) -> Rule | None: ...


def equality(attribute: Matched) -> Rule | None:
    return attribute.equality_rule


def ordering(attribute: Matched) -> Rule | None:
    return attribute.ordering_rule


def substrings(attribute: Matched) -> Rule | None:
    return attribute.substrings_rule


# --- Normal forms ----------------------------------------------------------------------------------------


def _prepared(prepare: Callable[[str], str | None]) -> Normalise:
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


def _prepared_or_empty(prepare: Callable[[str], str | None]) -> Normalise:
    def normalise(value: bytes) -> bytes | None:
        try:
            prepared = prepare(value.decode())
        except UnicodeDecodeError:
            return None
        return None if prepared is None else prepared.encode()

    return normalise


def _ascii(normalise: Normalise) -> Normalise:
    return lambda value: normalise(value) if value.isascii() else None


case_ignore = _prepared(preparation.case_ignore)
case_exact = _prepared(preparation.case_exact)
_case_ignore_ia5 = _ascii(_prepared_or_empty(preparation.case_ignore))
_case_exact_ia5 = _ascii(_prepared_or_empty(preparation.case_exact))
_numeric = _prepared(preparation.numeric)
_telephone = _prepared(preparation.telephone)


def _octets(value: bytes) -> bytes | None:
    return value


def _boolean(value: bytes) -> bytes | None:
    # The ABNF of RFC 4517 §3.3.3 ignores case; values are stored in capitals only, as OpenLDAP insists.
    upper = value.upper()
    return upper if upper in (b"TRUE", b"FALSE") else None


def _integer(value: bytes) -> bytes | None:
    # Leading zeros are not in the syntax but are typed in filters.
    if not value.removeprefix(b"-").isdigit():
        return None
    digits = value.removeprefix(b"-").lstrip(b"0")
    return b"-" + digits if digits and value.startswith(b"-") else digits or b"0"


_COMPLEMENT = bytes.maketrans(b"0123456789", b"9876543210")
_LENGTH_BYTES = 8


def _integer_order(value: bytes) -> bytes | None:
    """Sortable for any size: a sign, the number of digits, the digits; complemented below zero."""
    canonical = _integer(value)
    if canonical is None:
        return None
    if canonical.startswith(b"-"):
        digits = canonical[1:]
        return b"0" + (2**64 - 1 - len(digits)).to_bytes(_LENGTH_BYTES) + digits.translate(_COMPLEMENT)
    return b"1" + len(canonical).to_bytes(_LENGTH_BYTES) + canonical


def _time(value: bytes) -> bytes | None:
    """In UTC with all its digits: 20240101T10.5+0100 is 20240101093000Z."""
    order = _time_order(value)
    return None if order is None else order + b"Z"


def _time_order(value: bytes) -> bytes | None:
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


def _uuid(value: bytes) -> bytes | None:
    return value.lower() if _UUID(value) else None


def _bit_string(value: bytes) -> bytes | None:
    return value if _BIT_STRING(value) else None


_line = _prepared_or_empty(preparation.case_ignore)


def _case_ignore_list(value: bytes) -> bytes | None:
    """Line by line; a dollar sign inside a line is written \\24."""
    lines = [_line(line) for line in value.split(b"$")]
    if None in lines or not value:
        return None
    return b"$".join(line for line in lines if line is not None) or b" "


_UNIQUE_IDENTIFIER = re.compile(rb"#('[01]*'B)\Z")


class _NoSchema:
    """Types compared by the name they are given, values without case."""

    def naming(self, attribute: str) -> tuple[str, Callable[[str], bytes]]:
        return attribute.lower(), text_or_itself(case_ignore)

    def identifier(self, text: str) -> str | None:
        return text.lower()


def text_or_itself(normalise: Normalise) -> Callable[[str], bytes]:
    """For identity, which every value must have: what a rule refuses stands for itself without case."""

    def prepare(text: str) -> bytes:
        value = text.encode()
        prepared = normalise(value)
        return value.lower() if prepared is None else prepared

    return prepare


def _name(names: Names) -> Normalise:
    def normalise(value: bytes) -> bytes | None:
        try:
            return dn.key(dn.parse(value.decode()), names)
        except (UnicodeDecodeError, Malformed):
            return None

    return normalise


def _name_and_identifier(names: Names) -> Normalise:
    name = _name(names)

    def normalise(value: bytes) -> bytes | None:
        found = _UNIQUE_IDENTIFIER.search(value)
        if found is None:
            return name(value)
        key = name(value[: found.start()])
        return None if key is None else key + b"\x02" + found[1]

    return normalise


def _identifier(names: Names) -> Normalise:
    valid_identifier = syntaxes.KNOWN[syntaxes.OID].valid

    def normalise(value: bytes) -> bytes | None:
        # RFC 4517 §4.2.26: Undefined when a name is not recognised.
        found = names.identifier(value.decode()) if valid_identifier(value) else None
        return None if found is None else found.encode()

    return normalise


_FIRST_WORD = re.compile(rb"\(\s*([^\s()']+)")


def _first_component(normalise: Normalise) -> Normalise:
    """Of a description `( 2.5.4.3 NAME …`, its identifier; the assertion is the identifier alone."""

    def first(value: bytes) -> bytes | None:
        found = _FIRST_WORD.match(value)
        return normalise(found[1] if found else value)

    return first


# --- Parts of substring assertions -----------------------------------------------------------------------


def _spaced(normalise: Normalise) -> tuple[Normalise, NormalisePart]:
    def value_form(value: bytes) -> bytes | None:
        prepared = normalise(value)
        return None if prepared is None else preparation.spaced_value(prepared.decode()).encode()

    def part_form(part: bytes, initial: bool, final: bool) -> bytes | None:
        prepared = normalise(part)
        if prepared is None:
            return None
        return preparation.spaced_part(part.decode(), prepared.decode(), initial, final).encode()

    return value_form, part_form


def _unspaced(normalise: Normalise) -> tuple[Normalise, NormalisePart]:
    return normalise, lambda part, initial, final: normalise(part)


def substring_assertion(text: bytes) -> tuple[bytes | None, tuple[bytes, ...], bytes | None] | None:
    """The parts in `initial*any*final`, as an extensible match gives them (RFC 4517 §3.3.30)."""
    parts = [_unescaped(part) for part in text.split(b"*")]
    if len(parts) < 2 or not any(parts):
        return None
    return parts[0] or None, tuple(part for part in parts[1:-1] if part), parts[-1] or None


_ESCAPED_SIGN = re.compile(rb"\\(2[aA]|5[cC])")


def _unescaped(part: bytes) -> bytes:
    return _ESCAPED_SIGN.sub(lambda found: b"*" if found[1].lower() == b"2a" else b"\\", part)


# --- The table -------------------------------------------------------------------------------------------

_S = syntaxes
_LIST_SYNTAX = _S.POSTAL_ADDRESS
_PARTS = _S.SUBSTRING_ASSERTION

# OID, name, assertion syntax, normal form.
_EQUALITY: tuple[tuple[str, str, str, Normalise], ...] = (
    ("2.5.13.2", "caseIgnoreMatch", _S.DIRECTORY_STRING, case_ignore),
    ("2.5.13.5", "caseExactMatch", _S.DIRECTORY_STRING, case_exact),
    ("1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match", _S.IA5_STRING, _case_exact_ia5),
    ("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match", _S.IA5_STRING, _case_ignore_ia5),
    ("2.5.13.8", "numericStringMatch", _S.NUMERIC_STRING, _numeric),
    ("2.5.13.11", "caseIgnoreListMatch", _LIST_SYNTAX, _case_ignore_list),
    ("2.5.13.13", "booleanMatch", _S.BOOLEAN, _boolean),
    ("2.5.13.14", "integerMatch", _S.INTEGER, _integer),
    ("2.5.13.16", "bitStringMatch", _S.BIT_STRING, _bit_string),
    ("2.5.13.17", "octetStringMatch", _S.OCTET_STRING, _octets),
    ("2.5.13.20", "telephoneNumberMatch", _S.TELEPHONE_NUMBER, _telephone),
    ("2.5.13.27", "generalizedTimeMatch", _S.GENERALIZED_TIME, _time),
    ("2.5.13.29", "integerFirstComponentMatch", _S.INTEGER, _first_component(_integer)),
    ("1.3.6.1.1.16.2", "uuidMatch", _S.UUID, _uuid),
    ("1.3.6.1.4.1.4203.666.11.2.2", "CSNMatch", _S.CSN, _octets),
)
_ORDERING: tuple[tuple[str, str, str, Normalise], ...] = (
    ("2.5.13.3", "caseIgnoreOrderingMatch", _S.DIRECTORY_STRING, case_ignore),
    ("2.5.13.6", "caseExactOrderingMatch", _S.DIRECTORY_STRING, case_exact),
    ("2.5.13.9", "numericStringOrderingMatch", _S.NUMERIC_STRING, _numeric),
    ("2.5.13.15", "integerOrderingMatch", _S.INTEGER, _integer_order),
    ("2.5.13.18", "octetStringOrderingMatch", _S.OCTET_STRING, _octets),
    ("2.5.13.28", "generalizedTimeOrderingMatch", _S.GENERALIZED_TIME, _time_order),
    ("1.3.6.1.1.16.3", "uuidOrderingMatch", _S.UUID, _uuid),
    ("1.3.6.1.4.1.4203.666.11.2.3", "CSNOrderingMatch", _S.CSN, _octets),
)
_SUBSTRINGS: tuple[tuple[str, str, tuple[Normalise, NormalisePart]], ...] = (
    ("2.5.13.4", "caseIgnoreSubstringsMatch", _spaced(case_ignore)),
    ("2.5.13.7", "caseExactSubstringsMatch", _spaced(case_exact)),
    ("1.3.6.1.4.1.1466.109.114.3", "caseIgnoreIA5SubstringsMatch", _spaced(_case_ignore_ia5)),
    ("1.3.6.1.4.1.4203.1.2.1", "caseExactIA5SubstringsMatch", _spaced(_case_exact_ia5)),
    ("2.5.13.10", "numericStringSubstringsMatch", _unspaced(_numeric)),
    ("2.5.13.12", "caseIgnoreListSubstringsMatch", _spaced(case_ignore)),
    ("2.5.13.19", "octetStringSubstringsMatch", _unspaced(_octets)),
    ("2.5.13.21", "telephoneNumberSubstringsMatch", _unspaced(_telephone)),
)
# Sorting by an attribute whose type names no ordering rule (most: RFC 4519 gives `name` none): clients ask
# for it by `cn` alone, and RFC 2891 leaves the choice to the server.
_SORTED_BY = {
    "caseIgnoreMatch": "caseIgnoreOrderingMatch",
    "caseIgnoreIA5Match": "caseIgnoreOrderingMatch",
    "caseIgnoreListMatch": "caseIgnoreOrderingMatch",
    "caseExactMatch": "caseExactOrderingMatch",
    "caseExactIA5Match": "caseExactOrderingMatch",
    "numericStringMatch": "numericStringOrderingMatch",
    # An equality rule's forms sort by themselves where they are digits and signs only.
    "telephoneNumberMatch": "telephoneNumberMatch",
    "integerMatch": "integerOrderingMatch",
    "octetStringMatch": "octetStringOrderingMatch",
    "generalizedTimeMatch": "generalizedTimeOrderingMatch",
    "uuidMatch": "uuidOrderingMatch",
}


_TEXT = frozenset(
    ("caseIgnoreMatch", "caseExactMatch", "caseIgnoreIA5Match", "caseExactIA5Match", "caseIgnoreListMatch")
)


def is_text(rule: Rule) -> bool:
    """Whether an equality rule compares words."""
    return rule.name in _TEXT


# Syntaxes of words and numbers in words: a rule of one may be asked for on another (RFC 4517 §4.1).
_WORDS = frozenset(
    (
        *(syntaxes.DIRECTORY_STRING, syntaxes.IA5_STRING, syntaxes.PRINTABLE_STRING, syntaxes.COUNTRY_STRING),
        *(syntaxes.NUMERIC_STRING, syntaxes.TELEPHONE_NUMBER, syntaxes.POSTAL_ADDRESS),
    )
)


def suits(rule: Rule, attribute: Matched) -> bool:
    """Whether a rule may be asked for on an attribute that does not name it."""
    if rule in (attribute.equality_rule, attribute.ordering_rule, attribute.substrings_rule):
        return True
    if rule.kind is Kind.SUBSTRINGS:
        return attribute.syntax in _WORDS
    return (
        rule.syntax in (attribute.syntax, syntaxes.OCTET_STRING) or {rule.syntax, attribute.syntax} <= _WORDS
    )


class Rules:
    """Every rule, those that compare names and identifiers bound to a schema."""

    def __init__(self, names: Names) -> None:
        identifier = _identifier(names)
        bound = (
            ("2.5.13.0", "objectIdentifierMatch", _S.OID, identifier),
            ("2.5.13.1", "distinguishedNameMatch", _S.DISTINGUISHED_NAME, _name(names)),
            ("2.5.13.23", "uniqueMemberMatch", _S.NAME_AND_OPTIONAL_UID, _name_and_identifier(names)),
            ("2.5.13.30", "objectIdentifierFirstComponentMatch", _S.OID, _first_component(identifier)),
        )
        self.all: tuple[Rule, ...] = (
            *(
                Rule(oid, name, syntax, Kind.EQUALITY, form)
                for oid, name, syntax, form in (*bound, *_EQUALITY)
            ),
            *(Rule(oid, name, of, Kind.ORDERING, form) for oid, name, of, form in _ORDERING),
            *(
                Rule(oid, name, _S.SUBSTRING_ASSERTION, Kind.SUBSTRINGS, *forms)
                for oid, name, forms in _SUBSTRINGS
            ),
        )
        self._by_name = {key: rule for rule in self.all for key in (rule.oid, rule.name.lower())}

    def rule(self, name_or_oid: str) -> Rule | None:
        return self._by_name.get(name_or_oid.lower())

    def sorting(self, attribute: Matched) -> Rule | None:
        """The ordering rule, else that which goes with the equality rule; None when values have no order."""
        if attribute.ordering_rule is not None:
            return attribute.ordering_rule
        if attribute.equality_rule is None:
            return None
        companion = _SORTED_BY.get(attribute.equality_rule.name)
        return self.rule(companion) if companion else None


@cache
def _unbound() -> Rules:
    return Rules(_NoSchema())


def rule(name_or_oid: str) -> Rule | None:
    """A rule that knows no schema: names and object identifiers are compared as written, without case."""
    return _unbound().rule(name_or_oid)
