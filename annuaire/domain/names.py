"""From the names of a person to the local part of an address: `prenom.nom`.

No official rule is known (domain reference §6); this one gives what the examples of the national agency show: without
accents, in lower case, words joined by hyphens, a dot between. Particles are words as others (`de-la-tour`). What it
makes is a dot-atom of RFC 5321 of at most 64 octets that begins and ends with a letter or a digit.
"""

from __future__ import annotations

import re
import unicodedata

# RFC 5321 §4.5.3.1.1
LOCAL_MAX = 64
# Of a given name, when both are too long, at least this much stays.
_GIVEN_KEPT = 20
# A name is short; what is longer than this is no name and need not be read.
_READ_MAX = 1000

# The letters that neither NFKD nor case folding takes apart. index/folding.py has such a table for what is typed;
# this one is apart because an address, once given, must not move when search is tuned (and domain imports no index).
_LETTERS = {"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t"}
_LETTERS.update({"ı": "i", "ŋ": "n", "ĸ": "k", "ə": "e", "ƒ": "f"})
_TABLE = str.maketrans(_LETTERS)
_BETWEEN_WORDS = re.compile(r"[^a-z0-9]+")
# What stands between several given names that are not one compound name.
_BETWEEN_NAMES = re.compile(r"[,;/]")
_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def local_part(given_name: str, surname: str) -> str:
    """`prenom.nom`, one of the two when the other leaves nothing, "" when neither leaves anything."""
    given, family = _given(given_name), word(_REMARK.sub(" ", surname[:_READ_MAX]))
    if given and family and len(given) + 1 + len(family) > LOCAL_MAX:
        given = shortened(given, max(_GIVEN_KEPT, LOCAL_MAX - 1 - len(family)))
        family = shortened(family, LOCAL_MAX - 1 - len(given))
    return shortened(f"{given}.{family}" if given and family else given or family, LOCAL_MAX)


def _given(text: str) -> str:
    """Of several given names the first that leaves something: the others are those of the civil register."""
    for name in _BETWEEN_NAMES.split(_REMARK.sub(" ", text[:_READ_MAX])):
        made = word(name)
        if made:
            return made
    return ""


def word(text: str) -> str:
    """Letters and digits of the Latin alphabet, in lower case, without marks; everything else between is a hyphen."""
    plain = text.casefold()
    if not plain.isascii():
        # Twice: what NFKD takes apart may be a capital or a letter of the table.
        for _ in range(2):
            plain = unicodedata.normalize("NFKD", plain).casefold().translate(_TABLE)
        plain = "".join([c for c in plain if not _is_unseen(c)])
    return _BETWEEN_WORDS.sub("-", plain).strip("-")


def _is_unseen(c: str) -> bool:
    """Marks, and instructions to the renderer: they divide no word."""
    return unicodedata.combining(c) != 0 or unicodedata.category(c) in ("Cf", "Mn", "Me")


def shortened(text: str, length: int) -> str:
    """At most so long, and not in the middle of a word unless the first word alone is longer."""
    if len(text) <= length:
        return text
    cut = text[:length]
    if text[length] not in "-.":
        whole = max(cut.rfind("-"), cut.rfind("."))
        if whole > 0:
            cut = cut[:whole]
    return cut.rstrip("-._")
