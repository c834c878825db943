"""Reads mailboxes from LDIF with the attribute names of the national directory (domain reference §3).

So do upstream directories write them, and so does our own `export --as AUDIENCE`: of an exported view the same
mailboxes come back. An entry has one value for each thing, or several of some: the first address then goes with the
first organization, and so on, the last one standing for those that are missing, so that every value is kept. Entries
without an address are passed over; what has no column in the national list (telephone, certificate) is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

from annuaire.domain import identifiers, reliability
from annuaire.domain.mailbox import PERSONAL, SEPARATOR, STRUCTURAL, Mailbox
from annuaire.domain.mailbox import format as format_row
from annuaire.domain.mailbox import holder as holder_of
from annuaire.importing import block, extraction, ldif, records
from annuaire.importing.block import Block as Block
from annuaire.importing.block import Row, Twins
from annuaire.importing.block import Unreadable as Unreadable

# Attributes of which each value is one of as many attachments, and the field that it fills. A service that has no
# name of its own is told by its description.
_PAIRED = {
    "mail": "address",
    "profession": "profession",
    "title": "profession_libelle",
    "savoirfaire": "savoir_faire_libelle",
    "o": "raison_sociale",
    "ou": "service",
    "l": "l6",
    "postalcode": "code_postal",
    "street": "voie_libelle",
    "identifiantpm": "structure",
    "typeidentifiantpm": "type_structure",
}
_SINGLE = ("sn", "givenname", "identifiantpp", "typeidentifiantpp", "typebal", "uid", "description")
_NAMES = frozenset((*_PAIRED, *_SINGLE, "objectclass"))

# A code of TRE_R38 and its like, where others write the words.
_CODE = re.compile(r"[A-Z]{1,4}[0-9]{1,4}")
# Types that the length of an identifier tells, without the digit of the type and with it.
_KINDS = {11: identifiers.RPPS, 12: identifiers.RPPS, 9: identifiers.ADELI, 10: identifiers.ADELI}
_STRUCTURE_CLASS = "annuairestructure"
# Rows that one entry may give: the largest real one has some dozen addresses.
ROWS_MAX = 1000

CHANGE = "un enregistrement de changement : seuls des contenus décrivent des boîtes"
NOT_UTF8 = "une valeur de « {} » n'est pas en UTF-8"
TOO_MANY = f"l'entrée a plus de {ROWS_MAX} valeurs d'un attribut"

Values = dict[str, list[str]]


class _UnfitError(Exception):
    """Why no row can be made of an entry."""


def read(stream: BinaryIO, name: str = "") -> Iterator[Block]:
    """The rows of all mailboxes, in blocks; `stream` can be positioned, for it is read twice."""
    del name  # nothing is refused as a whole
    several = block.met_again(_marks(stream))
    twins = Twins()
    stream.seek(0)
    end = 0
    for chunk in ldif.split(stream):
        warned: Counter[str] = Counter()
        unreadable: list[Unreadable] = []
        rows: list[Row] = []
        for row in _rows(chunk, unreadable, warned):
            if hash(row[1:3]) in several:
                twins.hold(row)
            else:
                rows.append(row)
        size = chunk.excess or len(chunk.data)
        # Counted from the end of the last one: a byte order mark is no part of a chunk.
        yield block.made(rows, unreadable, warned, chunk.offset + size - end)
        end = chunk.offset + size
    yield from twins.blocks()


def _marks(stream: BinaryIO) -> Iterator[int]:
    """A mark for each row, the same for rows of the same key."""
    stream.seek(0)
    for chunk in ldif.split(stream):
        for row in _rows(chunk, [], Counter()):
            yield hash(row[1:3])


def _rows(chunk: ldif.Chunk, unreadable: list[Unreadable], warned: Counter[str]) -> Iterator[Row]:
    lines: list[bytes] = []
    for record in ldif.parse_chunk(chunk):
        if isinstance(record, records.Unreadable):
            unreadable.append(Unreadable(record.line, record.reason, record.text))
            continue
        try:
            if not isinstance(record, records.Content | records.Add):
                raise _UnfitError(CHANGE)
            mailboxes = _mailboxes(_values(record.attributes, warned), warned)
        except _UnfitError as unfit:
            lines = lines or chunk.data.replace(b"\r\n", b"\n").split(b"\n")
            text = _text(lines, record.line - chunk.first_line)
            unreadable.append(Unreadable(record.line, str(unfit), text))
            continue
        for row in mailboxes:
            address = row.address.lower()
            for kind in reliability.warnings(row):
                warned[kind] += 1
            yield record.line, holder_of(row), _key(row), address, format_row(row)


def _key(row: Mailbox) -> str:
    """As a row of an extraction, so that the store can have either from one day to the next."""
    return extraction.key(row.address.lower(), row.structure, row.service, row.profession, row.savoir_faire)


def _values(attributes: list[tuple[str, bytes]], warned: Counter[str]) -> Values:
    """The values of the attributes that say something here, as they may be kept."""
    found: Values = {}
    for description, value in attributes:
        name = description.partition(";")[0].lower()
        if name not in _NAMES:
            continue
        try:
            text, replaced = block.clean(value.decode())
        except UnicodeDecodeError:
            raise _UnfitError(NOT_UTF8.format(description)) from None
        if replaced:
            warned[block.CONTROLS] += 1
        # What separates the fields of a row can be part of none.
        text = text.replace(SEPARATOR, "/")
        if text:
            found.setdefault(name, []).append(text)
    return found


def _mailboxes(values: Values, warned: Counter[str]) -> list[Mailbox]:
    addresses = values.get("mail", [])
    kind = _type(values)
    if not addresses:
        if "typebal" in values or "identifiantpp" in values:
            warned[block.WITHOUT_ADDRESS] += 1
        return []
    if any(map(block.is_too_long, addresses)):
        raise _UnfitError(extraction.LONG_ADDRESS)
    count = max(len(values.get(name, ())) for name in _PAIRED)
    if count > ROWS_MAX:
        raise _UnfitError(TOO_MANY)
    common = _of_person(values) if kind == PERSONAL else _of_structure(values)
    common["type_bal"] = kind
    rows = []
    for place in range(count):
        fields = {
            field: values[name][min(place, len(values[name]) - 1)]
            for name, field in _PAIRED.items()
            if name in values
        }
        rows.append(_row(common | fields))
    return rows


def _row(fields: dict[str, str]) -> Mailbox:
    speciality = fields.get("savoir_faire_libelle", "")
    if _CODE.fullmatch(speciality):
        fields["savoir_faire"], fields["savoir_faire_libelle"] = speciality, ""
    if fields.get("l6") and fields.get("code_postal"):
        # The national list has no town but in the last line of the postal address.
        fields["l6"] = f"{fields['code_postal']} {fields['l6']}"
    return _EMPTY._replace(**fields)


_EMPTY = Mailbox(*[""] * len(Mailbox._fields))


def _type(values: Values) -> str:
    """The type of mailbox: as it is said, else of what the entry looks like."""
    said = _first(values, "typebal").upper()
    if said:
        return said
    if _STRUCTURE_CLASS in map(str.lower, values.get("objectclass", ())):
        return STRUCTURAL[0]
    personal = "identifiantpp" in values or "givenname" in values
    return PERSONAL if personal else STRUCTURAL[0]


def _of_person(values: Values) -> dict[str, str]:
    kind, identifier = _first(values, "typeidentifiantpp"), _first(values, "identifiantpp")
    uid = _first(values, "uid")
    if identifier:
        kind = kind or _KINDS.get(len(identifier), "")
        national = identifiers.national(kind, identifier)
    else:
        # In a view the name of a person's entry is the national identification.
        national = uid if identifiers.can_identify(uid) else ""
        kind = kind or national[:1]
    if kind in (identifiers.RPPS, identifiers.ADELI) and identifier in ("", national):
        identifier = national[1:]
    return {
        "nom": _first(values, "sn"),
        "prenom": _first(values, "givenname"),
        "type_pp": kind,
        "identifiant_pp": identifier,
        "national_pp": national,
    }


def _of_structure(values: Values) -> dict[str, str]:
    identifier = _first(values, "identifiantpp")
    fields = {
        "service": _first(values, "description"),
        "type_pp": _first(values, "typeidentifiantpp") if identifier else "",
        "identifiant_pp": identifier,
    }
    name = _first(values, "sn")
    told = (*values.get("o", ()), *values.get("ou", ()), fields["service"])
    if name and name not in told and name != values["mail"][0].partition("@")[0]:
        # A practice that is known by the name of its practitioner.
        fields |= {"nom": name, "prenom": _first(values, "givenname")}
    return fields


def _first(values: Values, name: str) -> str:
    return values.get(name, [""])[0]


def _text(lines: list[bytes], first: int) -> bytes:
    last = first
    while last < len(lines) and lines[last]:
        last += 1
    return b"\n".join(lines[first:last]) + b"\n"
