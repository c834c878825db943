"""What a national file says, in blocks of rows ready to be compared with the store, whatever its format.

A row is one record of the store: whom it describes, its key among the records of that holder, its address in lower
case ("" for none), and the line of text that is kept of it (domain/mailbox.py).

# Note [A key tells rows apart, whatever their order]
The key of a row begins with its address and goes on with what makes it another attachment (structure, service,
profession, savoir-faire), so that a corrected label changes a record and does not replace it. Two different rows may
still have the same key: then the first of them, in the order of their texts, keeps it, and the others add a digest of
their text. So the keys of a file do not depend on the order of its lines. That is why a file is read twice: first to
know which rows may have a twin, then to give out all others at once, and these at the end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from annuaire.domain import reliability
from annuaire.domain.mailbox import SEPARATOR

# line number, holder, key, address in lower case, text
Row = tuple[int, str, str, str, str]

# Octets of a line. The longest real ones have about 600.
LINE_MAX = 16_384

# Octets, so that an index can hold holder and key together: PostgreSQL's take 2,700. A real address has 254 at
# most; what is longer than this is none, and cannot be kept.
ADDRESS_MAX = 320
KEY_MAX = 1200
_OCTETS = 4  # of a character, at most

# Kinds of warnings beside those of reliability.
REPEATED = "ligne-repetee"
CONTROLS = "caractere-de-controle"
WITHOUT_ADDRESS = "sans-adresse"

WARNINGS: dict[str, str] = reliability.WARNINGS | {
    REPEATED: "la même ligne se trouve plusieurs fois dans le fichier",
    CONTROLS: "un caractère de contrôle a été remplacé par une espace",
    WITHOUT_ADDRESS: "l'entrée n'a pas d'adresse : elle est passée",
}

_ROWS = 5000
_DIGEST = 8  # octets

# The controls of ASCII and of ISO 6429, and the separators of lines and paragraphs of Unicode.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Unreadable(NamedTuple):
    """A line that says nothing that can be used, and why; `text` is empty when the line is too long."""

    line: int
    reason: str
    text: bytes


class Block(NamedTuple):
    """A part of a file."""

    rows: list[Row]
    unreadable: list[Unreadable]
    warnings: int
    warned: Counter[str]  # the same warnings by kind
    size: int  # octets of the input, as it lies there, that this part stands for


def clean(field: str) -> tuple[str, bool]:
    """A field as it may be kept, and whether controls had to be replaced."""
    if field.isprintable():
        return field.strip(), False
    plain, count = _CONTROLS.subn(" ", field)
    return plain.strip(), count > 0


def fit(key: str) -> str:
    """A key that every database can index; a longer one is its address and a digest."""
    if len(key) <= KEY_MAX // _OCTETS or len(key.encode()) <= KEY_MAX:
        return key
    return f"{key.partition(SEPARATOR)[0]}{SEPARATOR}{digest(key)}"


def is_too_long(address: str) -> bool:
    return len(address) > ADDRESS_MAX // _OCTETS and len(address.encode()) > ADDRESS_MAX


def digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_DIGEST).hexdigest()


def made(rows: list[Row], unreadable: list[Unreadable], warned: Counter[str], size: int) -> Block:
    unreadable.sort()
    return Block(rows, unreadable, warned.total(), warned, size)


class Twins:
    """Rows that may have a twin, until all rows are known: Note [A key tells rows apart, whatever their order]."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], dict[str, Row]] = {}
        self._repeated = 0

    def hold(self, row: Row) -> None:
        _, holder, key, _, text = row
        same = self._held.setdefault((holder, key), {})
        if text in same:
            self._repeated += 1
        else:
            same[text] = row

    def blocks(self) -> Iterator[Block]:
        """All that was held, each row under its own key."""
        warned: Counter[str] = Counter()
        if self._repeated:
            warned[REPEATED] = self._repeated
        rows: list[Row] = []
        for row in self._keyed():
            rows.append(row)
            if len(rows) == _ROWS:
                yield made(rows, [], warned, 0)
                rows, warned = [], Counter()
        if rows or warned:
            yield made(rows, [], warned, 0)

    def _keyed(self) -> Iterable[Row]:
        for (holder, key), same in self._held.items():
            for place, text in enumerate(sorted(same)):
                line, _, _, address, _ = same[text]
                yield line, holder, f"{key}{SEPARATOR}{digest(text)}" if place else key, address, text


def met_again(marks: Iterable[int]) -> frozenset[int]:
    """The marks that occur more than once: hashes of what rows with equal keys have in common."""
    once: set[int] = set()
    again: set[int] = set()
    for mark in marks:
        if mark in once:
            again.add(mark)
        else:
            once.add(mark)
    return frozenset(again)
