"""National identifiers of people and structures: their forms, and the check digits that some have.

A wrong check digit is worth a warning and never a refusal: published samples have some (reference, RPPS).
"""

from __future__ import annotations

import re

ADELI, RPPS = "0", "8"  # TRE_G08
# What the national file calls `Identification nationale PP`: the digit of the type, then the identifier.
_LENGTHS = {RPPS: 12, ADELI: 10}
# The digit first: so no identification equals the key of an account without one, and none holds an @.
_IDENTIFIER = re.compile(r"[0-9][0-9A-Za-z./_-]{0,63}")


def national(kind: str, identifier: str, given: str = "") -> str:
    """The national identification of a person, from its column when there is one, else of type and identifier.

    An identifier that carries the digit of its type already is left as it is. "" when there is none.
    """
    if given:
        return given
    if not identifier or not kind:
        return ""
    if kind in _LENGTHS and len(identifier) == _LENGTHS[kind] and identifier.startswith(kind):
        return identifier
    return kind + identifier


def one_spelling(national_id: str) -> str:
    """An identification as records are tied by it: the names of entries tell no case, so two spellings are one person.

    Otherwise two people would share one name in the directory, and a change of one would be a change of the other.
    """
    return national_id.upper() if national_id.isascii() else national_id


def can_identify(national_id: str) -> bool:
    """Whether records may be tied to one person by it, whatever its type is."""
    return _IDENTIFIER.fullmatch(national_id) is not None


def is_well_formed(kind: str, national_id: str) -> bool:
    """Whether it can be an identification of that type; lengths are known for RPPS and ADELI alone."""
    if not can_identify(national_id):
        return False
    expected = _LENGTHS.get(kind)
    if expected is None:
        return True
    digits = kind == RPPS
    return (
        len(national_id) == expected
        and national_id.startswith(kind)
        and (not digits or national_id.isdigit())
    )


def has_right_check_digit(kind: str, national_id: str) -> bool:
    """Luhn over the eleven digits of an RPPS, without the digit of its type; others have no usable one."""
    return kind != RPPS or luhn(national_id[1:])


def luhn(digits: str) -> bool:
    """Whether a number ends with its Luhn digit (ISO/IEC 7812-1, annex B)."""
    if not (digits.isascii() and digits.isdigit()) or len(digits) > _DIGITS_MAX:
        return False
    rest, total = int(digits), 0
    while rest:
        rest, four = divmod(rest, 10_000)
        total += _LUHN[four]
    return total % 10 == 0


# No identifier has more; a text of a million digits must not become a number.
_DIGITS_MAX = 64


# The Luhn sums of all pairs of digits, the left one doubled, and of all groups of four: a national list has half a
# million numbers to be looked at.
_PAIRS = [units + (tens * 2 - 9 if tens > 4 else tens * 2) for tens in range(10) for units in range(10)]
_LUHN = bytes([left + right for left in _PAIRS for right in _PAIRS])


FINESS, SIREN, SIRET = "FINESS", "SIREN", "SIRET"
_STRUCTURE_KINDS = {"1": FINESS, "2": SIREN, "3": SIRET, "FINESS": FINESS, "SIREN": SIREN, "SIRET": SIRET}


def structure(kind: str, identifier: str) -> tuple[str, str]:
    """Type (in words where TRE_G07 is known) and identifier of a structure, without the prefix of its type.

    Sources give the type as a code or in words, and may prefix the identifier: a leading 1 at length 10, a leading
    3 at length 15 (domain reference §1; a 15 that begins with 4 is a practice and keeps it).
    """
    word = _STRUCTURE_KINDS.get(kind.upper(), kind)
    if len(identifier) == 10 and identifier.startswith("1") and word in (FINESS, ""):
        return word or FINESS, identifier[1:]
    if len(identifier) == 15 and identifier.startswith("3") and word in (SIRET, ""):
        return word or SIRET, identifier[1:]
    return word, identifier
