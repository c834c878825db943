"""Matching rules (RFC 4517 §4.2, RFC 4530) over prepared strings: each turns a value into its normal form.

Two values match when their normal forms are equal; for an ordering rule the forms sort as the values do. None
instead of a form means that the value is not valid for the rule, hence Undefined, never an error.
Rules that compare certificates and CRLs by their contents (RFC 4523) are absent: filters with them are
Undefined. Names and object identifiers need a schema: `Rules` is bound to one, `rule` alone knows none.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Protocol

from annuaire.ldap import normal_forms, syntaxes
from annuaire.ldap.normal_forms import Names as Names
from annuaire.ldap.normal_forms import Normalise as Normalise
from annuaire.ldap.normal_forms import NormalisePart as NormalisePart

case_ignore = normal_forms.case_ignore

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
_F = normal_forms
_LIST_SYNTAX = _S.POSTAL_ADDRESS

# OID, name, assertion syntax, normal form.
_EQUALITY: tuple[tuple[str, str, str, Normalise], ...] = (
    ("2.5.13.2", "caseIgnoreMatch", _S.DIRECTORY_STRING, _F.case_ignore),
    ("2.5.13.5", "caseExactMatch", _S.DIRECTORY_STRING, _F.case_exact),
    ("1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match", _S.IA5_STRING, _F.case_exact_ia5),
    ("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match", _S.IA5_STRING, _F.case_ignore_ia5),
    ("2.5.13.8", "numericStringMatch", _S.NUMERIC_STRING, _F.numeric),
    ("2.5.13.11", "caseIgnoreListMatch", _LIST_SYNTAX, _F.case_ignore_list),
    ("2.5.13.13", "booleanMatch", _S.BOOLEAN, _F.boolean),
    ("2.5.13.14", "integerMatch", _S.INTEGER, _F.integer),
    ("2.5.13.16", "bitStringMatch", _S.BIT_STRING, _F.bit_string),
    ("2.5.13.17", "octetStringMatch", _S.OCTET_STRING, _F.octets),
    ("2.5.13.20", "telephoneNumberMatch", _S.TELEPHONE_NUMBER, _F.telephone),
    ("2.5.13.27", "generalizedTimeMatch", _S.GENERALIZED_TIME, _F.time),
    ("2.5.13.29", "integerFirstComponentMatch", _S.INTEGER, _F.first_component(_F.integer)),
    ("1.3.6.1.1.16.2", "uuidMatch", _S.UUID, _F.uuid),
    ("1.3.6.1.4.1.4203.666.11.2.2", "CSNMatch", _S.CSN, _F.octets),
)
_ORDERING: tuple[tuple[str, str, str, Normalise], ...] = (
    ("2.5.13.3", "caseIgnoreOrderingMatch", _S.DIRECTORY_STRING, _F.case_ignore),
    ("2.5.13.6", "caseExactOrderingMatch", _S.DIRECTORY_STRING, _F.case_exact),
    ("2.5.13.9", "numericStringOrderingMatch", _S.NUMERIC_STRING, _F.numeric),
    ("2.5.13.15", "integerOrderingMatch", _S.INTEGER, _F.integer_order),
    ("2.5.13.18", "octetStringOrderingMatch", _S.OCTET_STRING, _F.octets),
    ("2.5.13.28", "generalizedTimeOrderingMatch", _S.GENERALIZED_TIME, _F.time_order),
    ("1.3.6.1.1.16.3", "uuidOrderingMatch", _S.UUID, _F.uuid),
    ("1.3.6.1.4.1.4203.666.11.2.3", "CSNOrderingMatch", _S.CSN, _F.octets),
)
_SUBSTRINGS: tuple[tuple[str, str, tuple[Normalise, NormalisePart]], ...] = (
    ("2.5.13.4", "caseIgnoreSubstringsMatch", _F.spaced(_F.case_ignore)),
    ("2.5.13.7", "caseExactSubstringsMatch", _F.spaced(_F.case_exact)),
    ("1.3.6.1.4.1.1466.109.114.3", "caseIgnoreIA5SubstringsMatch", _F.spaced(_F.case_ignore_ia5)),
    ("1.3.6.1.4.1.4203.1.2.1", "caseExactIA5SubstringsMatch", _F.spaced(_F.case_exact_ia5)),
    ("2.5.13.10", "numericStringSubstringsMatch", _F.unspaced(_F.numeric)),
    ("2.5.13.12", "caseIgnoreListSubstringsMatch", _F.spaced(_F.case_ignore)),
    ("2.5.13.19", "octetStringSubstringsMatch", _F.unspaced(_F.octets)),
    ("2.5.13.21", "telephoneNumberSubstringsMatch", _F.unspaced(_F.telephone)),
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
        identifier = _F.object_identifier(names)
        bound = (
            ("2.5.13.0", "objectIdentifierMatch", _S.OID, identifier),
            ("2.5.13.1", "distinguishedNameMatch", _S.DISTINGUISHED_NAME, _F.distinguished_name(names)),
            ("2.5.13.23", "uniqueMemberMatch", _S.NAME_AND_OPTIONAL_UID, _F.name_and_identifier(names)),
            ("2.5.13.30", "objectIdentifierFirstComponentMatch", _S.OID, _F.first_component(identifier)),
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
