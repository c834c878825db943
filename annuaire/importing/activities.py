"""Reads PS_LibreAcces_Personne_activite, plain or in the ZIP of PS_LibreAcces (domain reference §2).

Two million lines, of which those of the people who are known already are kept, and of those the columns that the
directory shows. Names of columns vary between editions, and newer ones lack some (importing/headers.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO

from annuaire.domain import identifiers
from annuaire.domain.mailbox import SEPARATOR, Activity
from annuaire.importing import block, headers
from annuaire.importing.block import Block as Block
from annuaire.importing.block import Row, Twins
from annuaire.importing.block import Unreadable as Unreadable
from annuaire.importing.tabular import Lines, Table

MEMBER = "personne_activite"

_at = Activity._fields.index
NATIONAL_PP, FINESS, SIRET = _at("national_pp"), _at("finess"), _at("siret")
PROFESSION, SAVOIR_FAIRE, CODE_POSTAL = _at("profession"), _at("savoir_faire"), _at("code_postal")


def read(stream: BinaryIO, known: Callable[[str], bool], name: str = "") -> Iterator[Block]:
    """The activities of the people whose national identification is `known`; the stream is read twice.

    Their holder is the person, their address "". Malformed when the file is another one.
    """
    reader = _Reader(Table(stream, headers.ACTIVITIES, name, _is_wanted), known)
    several = block.met_again(reader.marks())
    twins = Twins()
    for lines in reader.table.lines():
        warned: Counter[str] = Counter()
        rows = []
        for row in reader.rows(lines, warned):
            if hash(row[1:3]) in several:
                twins.hold(row)
            else:
                rows.append(row)
        yield block.made(rows, lines.unreadable, warned, lines.size)
    yield from twins.blocks()


def _is_wanted(name: str) -> bool:
    return MEMBER in name.lower().replace("-", "_")


class _Reader:
    """Makes rows of lines, for the people who are known."""

    def __init__(self, table: Table, known: Callable[[str], bool]) -> None:
        self.table = table
        self._known = known

    def marks(self) -> Iterator[int]:
        """A mark for each row, the same for rows of the same key."""
        warned: Counter[str] = Counter()
        for lines in self.table.lines():
            for row in self.rows(lines, warned):
                yield hash(row[1:3])

    def rows(self, lines: Lines, warned: Counter[str]) -> Iterator[Row]:
        places, width, _ = self.table.layout
        who = places[NATIONAL_PP]
        known = self._known
        for number, text in enumerate(lines.texts, lines.first):
            if not text:
                continue
            fields = text.split(SEPARATOR, who + 1)
            # Most lines are of people without a mailbox: they are not looked at any further.
            if len(fields) > who + 1:
                national = identifiers.one_spelling(fields[who].strip())
                if not known(national) or not identifiers.can_identify(national):
                    continue
            fields = text.split(SEPARATOR)
            if len(fields) != width:
                if not text.strip():
                    continue
                if len(fields) != width + 1 or fields[width].strip():
                    reason = f"{len(fields)} colonnes au lieu de {width}"
                    lines.unreadable.append(Unreadable(number, reason, text.encode()))
                    continue
                fields[width] = ""
            else:
                fields.append("")
            # The last one is empty, and stands for the columns that are not there (their place is -1).
            cleaned = [block.clean(fields[place]) for place in places]
            kept = [field for field, _ in cleaned]
            if any(replaced for _, replaced in cleaned):
                warned[block.CONTROLS] += 1
            yield number, national, _key(kept), "", SEPARATOR.join(kept)


def _key(fields: list[str]) -> str:
    """Note [A key tells rows apart, whatever their order]: without an address, by place and profession."""
    where = fields[FINESS] or fields[SIRET]
    return block.fit(f"|{where}|{fields[CODE_POSTAL]}|{fields[PROFESSION]}|{fields[SAVOIR_FAIRE]}")
