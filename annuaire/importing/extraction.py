"""Reads the national list of mailboxes, `Extraction_Correspondance_MSSante_*.txt` or its ZIP (domain reference §1).

Only the form is judged here: a line with another number of columns or that is no text is unreadable, and whatever
else stands in a row is kept as it is; whether a row is reliable is `domain.reliability`'s to say. A field loses the
blanks around it and control characters; a missing national identification is made of type and number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

from annuaire.domain import identifiers, reliability
from annuaire.domain.mailbox import PERSONAL, SEPARATOR, TYPES, Mailbox
from annuaire.importing import archive, block, headers, tabular
from annuaire.importing.block import Block as Block
from annuaire.importing.block import Row, Twins
from annuaire.importing.block import Unreadable as Unreadable
from annuaire.importing.tabular import Lines, Table

ZIP, EXTRACTION, ACTIVITIES, LDIF = "zip", headers.EXTRACTION, headers.ACTIVITIES, "ldif"

_at = Mailbox._fields.index
TYPE_BAL, ADDRESS, NATIONAL_PP = _at("type_bal"), _at("address"), _at("national_pp")
PROFESSION, SAVOIR_FAIRE = _at("profession"), _at("savoir_faire")

NO_HOLDER = "la ligne n'a ni adresse ni identifiant national"
LONG_ADDRESS = f"l'adresse a plus de {block.ADDRESS_MAX} octets"


def read(stream: BinaryIO, name: str = "") -> Iterator[Block]:
    """The rows of a list, in blocks; `stream` can be positioned, for it is read twice.

    Malformed when it is no such list, at once, or an archive that breaks off, where it does.
    """
    table = Table(stream, headers.EXTRACTION, name)
    reader = _Reader(table, block.met_again(_addresses(table)))
    for lines in table.lines():
        yield reader.block(lines)
    yield from reader.twins.blocks()


def key(address: str, structure: str, service: str, profession: str, savoir_faire: str) -> str:
    """The key of a row, its address in lower case: Note [A key tells rows apart, whatever their order]."""
    return block.fit(f"{address}|{structure}|{service}|{profession}|{savoir_faire}")


def recognise(head: bytes) -> str | None:
    """What a file is by its first octets: an extraction or activities, plain or as a ZIP, another ZIP, LDIF, or None.

    A few kilobytes are enough; a ZIP is recognised by its first file.
    """
    if archive.is_archive(head):
        name, text = archive.first_file(head)
        if "ps_libreacces" in name.lower():
            return ACTIVITIES
        if "extraction_correspondance" in name.lower().replace("-", "_"):
            return EXTRACTION
        return _recognised(text) or ZIP
    return _recognised(head)


def _recognised(head: bytes) -> str | None:
    plain = head.removeprefix(tabular.BOM)
    line = plain.partition(b"\n")[0].decode("utf-8", "replace")
    for file in (EXTRACTION, ACTIVITIES):
        if headers.resembles(line, file):
            return file
    for text in plain.splitlines():
        if text and not text.startswith((b"#", b" ")):
            return LDIF if text[:8].lower().startswith((b"dn:", b"version:")) else None
    return None


def _addresses(table: Table) -> Iterator[int]:
    """A mark for each line, the same for lines of the same address."""
    place = table.layout.places[ADDRESS]
    for lines in table.lines():
        for text in lines.texts:
            fields = text.split(SEPARATOR, place + 1)
            if len(fields) > place:
                address = fields[place]
                yield hash((address.strip() if address.isprintable() else block.clean(address)[0]).lower())


class _Reader:
    """Makes rows of lines, under one layout."""

    def __init__(self, table: Table, several: frozenset[int]) -> None:
        self.twins = Twins()
        self._layout = table.layout
        self._several = several

    def block(self, lines: Lines) -> Block:
        """Note [One loop]: half a million lines take as long as what is done for each, so it stands in one place."""
        warned: Counter[str] = Counter()
        unreadable = lines.unreadable
        rows: list[Row] = []
        places, width, in_order = self._layout
        several = self._several
        plain = lines.plain
        for number, text in enumerate(lines.texts, lines.first):
            if not text:
                continue
            fields = text.split(SEPARATOR)
            if len(fields) != width:
                if not text.strip():
                    continue
                if len(fields) != width + 1 or fields[width].strip():
                    reason = f"{len(fields)} colonnes au lieu de {width}"
                    unreadable.append(Unreadable(number, reason, text.encode()))
                    continue
                del fields[width]
                text = text.rpartition(SEPARATOR)[0]
            if not in_order:
                fields = [fields[place] for place in places]
                text = SEPARATOR.join(fields)
            if (
                " |" in text
                or "| " in text
                or text[0] == " "
                or text[-1] == " "
                or not (plain or text.isprintable())
            ):
                cleaned = [block.clean(field) for field in fields]
                fields = [field for field, _ in cleaned]
                text = SEPARATOR.join(fields)
                if any(replaced for _, replaced in cleaned):
                    warned[block.CONTROLS] += 1
            kind, address, type_pp, identifier, national, type_structure, structure, service = fields[:8]
            if kind not in TYPES or (identifier and not national):
                kind = fields[TYPE_BAL] = kind.upper()
                national = fields[NATIONAL_PP] = identifiers.national(type_pp, identifier, national)
                text = SEPARATOR.join(fields)
            if type_pp == identifiers.RPPS and not identifiers.luhn(national[1:]):
                warned[reliability.wrong_person_digit(type_pp, national)] += 1
            if structure:
                wrong = _wrong_digit(type_structure, structure)
                if wrong:
                    warned[wrong] += 1
            address = address.lower()
            known = kind == PERSONAL and identifiers.can_identify(national)
            if not (known or address) or block.is_too_long(address):
                reason = LONG_ADDRESS if address else NO_HOLDER
                unreadable.append(Unreadable(number, reason, text.encode()))
                continue
            own = key(address, structure, service, fields[PROFESSION], fields[SAVOIR_FAIRE])
            holder = identifiers.one_spelling(national) if known else address
            row = number, holder, own, address, text
            if hash(address) in several:
                self.twins.hold(row)
            else:
                rows.append(row)
        del warned[""]
        return block.made(rows, unreadable, warned, lines.size)


@lru_cache(65_536)
def _wrong_digit(kind: str, structure: str) -> str:
    return reliability.wrong_structure_digit(kind, structure)
