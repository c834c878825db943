"""Writes entries as a table (RFC 4180): UTF-8, commas, CRLF, one row an entry, always the same columns.

Columns have the schema's names, so that a program needs no second vocabulary. The table is for reading: what has no
column is left out and several values share a cell; LDIF is the form that keeps everything.

Security: cells are facts that others typed, opened in spreadsheets. What a spreadsheet would run as a formula gets
an apostrophe in front, by which it is text there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

COLUMNS = (
    "dn",
    "uid",
    "cn",
    "sn",
    "givenName",
    "displayName",
    "mail",
    "title",
    "profession",
    "savoirFaire",
    "o",
    "ou",
    "street",
    "postalCode",
    "l",
    "telephoneNumber",
    "mobile",
    "facsimileTelephoneNumber",
    "IdentifiantPP",
    "TypeIdentifiantPP",
    "IdentifiantPM",
    "TypeIdentifiantPM",
    "TypeBAL",
    "apicryptVersion",
    "apicryptVersionDepuis",
    "apicryptInterop",
    "apicryptInteropMail",
    "listeRouge",
    "apicryptEtat",
    "apicryptFinValidite",
    "mailLocalAddress",
    "mailRoutingAddress",
    "description",
)

# Between the values of one cell: a character that addresses, names and identifiers do not hold.
BETWEEN = " | "

_PLACES = {name.lower(): place for place, name in enumerate(COLUMNS)}
_QUOTED = re.compile(r'[,"\r\n]|^\s|\s$')
_FORMULA = re.compile(r"[=@+\-\t\r]")
# +33 3 53 01 00 02: the one kind of value that begins so in good faith; alone, figures run nothing.
_NUMBER = re.compile(r"[+-][\d .()]+")


def format_header() -> bytes:
    """Write the names of the columns."""
    return _line(list(COLUMNS))


def format_row(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """Write one entry."""
    cells = [""] * len(COLUMNS)
    cells[0] = _inert(dn)
    for description, values in attributes.items():
        place = _PLACES.get(description.partition(";")[0].lower())
        if place is None or not values:
            continue
        text = BETWEEN.join([value.decode("utf-8", "replace") for value in values])
        cells[place] = f"{cells[place]}{BETWEEN}{text}" if cells[place] else _inert(text)
    return _line(cells)


def format_cells(cells: Sequence[str]) -> bytes:
    """Write one line of another table by the same rules."""
    return _line([_inert(cell) for cell in cells])


def _inert(text: str) -> str:
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _line(cells: list[str]) -> bytes:
    return (",".join([_cell(cell) for cell in cells]) + "\r\n").encode()


def _cell(text: str) -> str:
    if _QUOTED.search(text):
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text
