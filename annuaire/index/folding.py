"""Folding: the form in which typed text and directory values meet in filters, `find` and sort keys.

Names, towns and organizations are compared without case, accents, hyphens, apostrophes or repeated spaces;
identifiers without case. Everything else follows the schema's own rule (RFC 4517). Folding says nothing about
DNs, duplicate values, delete by value or compare: those use `annuaire.ldap.matching`.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache

from annuaire.ldap import matching
from annuaire.ldap.schema import AttributeType

# The letters that neither NFKD nor case folding takes apart. The dotless i is the lower case of I without its mark.
_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ı": "i"}
_LETTERS.update({letter.upper(): plain for letter, plain in _LETTERS.items() if letter != "ı"})
_SPACES = "-'’‘ʼ‐‑‒–—―−\t\n\r\v\f\u0085"  # NFKD makes the others spaces
# Control characters are removed: 0 to 3 are the marks of the n-gram texts (see ngrams.py).
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)))
_TABLE = str.maketrans(
    {**_CONTROLS, **{ord(k): v for k, v in _LETTERS.items()}, **dict.fromkeys(map(ord, _SPACES), " ")}
)
# The same of ASCII octets, which takes a quarter of the time: a build folds millions of values.
_ASCII_SPACES = "".join([c for c in _SPACES if c.isascii()]).encode()
_ASCII_TABLE = bytes([0x20 if code in _ASCII_SPACES else code for code in bytes(range(256)).lower()])
_ASCII_CONTROLS = bytes([code for code in _CONTROLS if code < 128 and code not in _ASCII_SPACES])
# Each turn may make what the next one folds (a ligature in a compatibility form); then nothing moves any more.
_TURNS_MAX = 4

# Attributes that hold an identifier although their syntax is Directory String: case is all that is folded.
IDENTIFIERS = frozenset(
    {
        "uid",
        "identifiantpp",
        "identifiantpm",
        "typeidentifiantpp",
        "typeidentifiantpm",
        "typebal",
        "profession",
        "apicryptetat",
        "maillocaladdress",
        "mailroutingaddress",
    }
)
_NAME_RULES = frozenset({"caseIgnoreMatch", "caseIgnoreListMatch"})
_ADDRESS_RULES = frozenset({"caseIgnoreIA5Match"})

Fold = Callable[[bytes], str | None]


@lru_cache(maxsize=65536)
def _fold_word(text: str) -> str:
    for _ in range(_TURNS_MAX):
        # Case folding, not lower case: the form of a letter must not depend on its neighbours (final sigma).
        decomposed = unicodedata.normalize("NFKD", text.translate(_TABLE).casefold())
        folded = "".join(c for c in decomposed if not _is_unseen(c))
        if folded == text:
            break
        text = folded
    return text


def _is_unseen(c: str) -> bool:
    """Marks, and what is only an instruction to the renderer: soft hyphens, joiners, directions."""
    return unicodedata.combining(c) != 0 or unicodedata.category(c) == "Cf"


def fold_name(text: str) -> str:
    """The folded form of a name: idempotent, without outer or repeated spaces."""
    if text.isascii():
        return _fold_ascii(text.encode())
    folded = " ".join([_fold_word(word) for word in text.split(" ")])
    return " ".join(folded.split())


def _fold_ascii(value: bytes) -> str:
    return " ".join(value.translate(_ASCII_TABLE, _ASCII_CONTROLS).decode("ascii").split())


def fold_case(text: str) -> str:
    """The folded form of an identifier: case, outer spaces and what cannot be seen only."""
    if text.isascii() and text.isprintable():
        return text.lower().strip(" ")
    for _ in range(_TURNS_MAX):
        seen = "".join(c for c in text.translate(_CONTROLS) if unicodedata.category(c) != "Cf")
        folded = unicodedata.normalize("NFKC", seen.casefold())
        if folded == text:
            break
        text = folded
    return text.strip()


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def name(value: bytes) -> str | None:
    """The folded form of a value that is a name."""
    if value.isascii():
        return _fold_ascii(value)
    text = _text(value)
    return None if text is None else fold_name(text)


def _case(value: bytes) -> str | None:
    text = _text(value)
    return None if text is None else fold_case(text)


def _by_rule(normalise: Callable[[bytes], bytes | None]) -> Fold:
    def fold(value: bytes) -> str | None:
        # Latin-1 gives every octet one code point, so any normal form can stand in a text index.
        normal = normalise(value)
        return None if normal is None else normal.decode("latin-1")

    return fold


# The marks of the n-gram texts, of which the normal form of an octet string may be full.
_MARKS = {mark: mark + 256 for mark in range(4)}


def _without_marks(fold: Fold) -> Fold:
    def marked(value: bytes) -> str | None:
        folded = fold(value)
        return None if folded is None else folded.translate(_MARKS)

    return marked


def is_by_case(attribute: AttributeType) -> bool:
    """Whether values of this type are folded as identifiers and addresses are, for equality or for substrings."""
    return _case in (equality(attribute), substrings(attribute))


@lru_cache(maxsize=1024)
def equality(attribute: AttributeType) -> Fold | None:
    """How values of this type are compared for equality; None when the type has no equality rule."""
    rule = matching.equality(attribute)
    if rule is None:
        return None
    if attribute.key in IDENTIFIERS or rule.name in _ADDRESS_RULES:
        return _case
    if rule.name in _NAME_RULES:
        return name
    return _by_rule(rule.normalise)


@lru_cache(maxsize=1024)
def substrings(attribute: AttributeType) -> Fold | None:
    """How values of this type are compared for substrings; None when the type has no substrings rule.

    Addresses are folded as names here: a typed hyphen, apostrophe or accent then never hides an address, and the
    union text of an entry needs one form only. Equality of an address stays case-only.
    """
    rule = matching.substrings(attribute)
    if rule is None:
        return None
    if attribute.key in IDENTIFIERS:
        return _case
    if rule.name.startswith("caseIgnore"):
        return name
    return _without_marks(_by_rule(rule.normalise))


def ordering(
    attribute: AttributeType, rules: matching.Rules, named: matching.Rule | None = None
) -> Fold | None:
    """The form in which values of this type are put in order, by a rule if one is named; None: they have none.

    Most types name no ordering rule (RFC 4519 gives `cn` none) and clients sort and bound by them all the same.
    """
    if named is not None and (named.kind is matching.Kind.SUBSTRINGS or not matching.suits(named, attribute)):
        return None
    fold = equality(attribute)
    if (fold is name or fold is _case) and (named is None or named.name.startswith("caseIgnore")):
        return fold
    rule = named or rules.sorting(attribute)
    return None if rule is None else _by_rule(rule.normalise)


# In folded ASCII text, everything but letters and digits divides words.
_DIVIDERS = bytes([code if chr(code).isalnum() else 0x20 for code in range(128)] + [0x20] * 128)


def words(folded: str) -> list[str]:
    """The words of a folded text: runs of letters and digits, as best-first and `~=` see them."""
    if folded.isascii():
        return folded.encode().translate(_DIVIDERS).decode("ascii").split()
    return "".join([c if c.isalnum() else " " for c in folded]).split()
