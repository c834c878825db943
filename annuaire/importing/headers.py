"""Finds the columns of a national file by the names in its header line, whatever their spelling of the day.

Which columns there are is data: `schema/extraction.csv`. Names have changed in case, accents and small words from
one edition and from one publisher to the next, their order never: a name that is not found stands where it always
stood, unless another known column stands there.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from annuaire.errors import Malformed
from annuaire.ldap import schema

EXTRACTION, ACTIVITIES = "extraction", "activities"
# What an error calls them, and the numbers of columns of the editions met.
_TITLES = {
    EXTRACTION: "l'extraction des boîtes MSSanté (Extraction_Correspondance_MSSante)",
    ACTIVITIES: "le fichier PS_LibreAcces_Personne_activite",
}
_WIDTHS = {EXTRACTION: (31,), ACTIVITIES: (48, 52, 56)}

SEPARATOR = "|"
_PARENTHESES = re.compile(r"\([^)]*\)?")
_WORDS = re.compile(r"[^\W_]+")
_SMALL_WORDS = frozenset(("d", "de", "du"))


class Column(NamedTuple):
    """One line of extraction.csv."""

    position: int
    field: str
    name: str
    also: tuple[str, ...]
    needed: bool


class Layout(NamedTuple):
    """Where the fields of a row stand in a line."""

    places: tuple[
        int, ...
    ]  # for each field of extraction.csv, in its order; -1 for a column that is not there
    width: int  # columns of a line, without the empty one behind a last separator
    in_order: bool  # a line is its row: each field in its place, and nothing else


def match(header: str, file: str) -> Layout:
    """The layout that a header line tells; Malformed, with the columns that are missing, when it is of another file."""
    names = header.strip().split(SEPARATOR)
    if not names[-1].strip():
        names.pop()
    known: dict[str, int] = {}
    for place, name in enumerate(map(normal, names)):
        known.setdefault(name, place)
    columns = _columns(file)
    places = [next((known[name] for name in _names(one) if name in known), -1) for one in columns]
    if _is_known_width(len(names), file) and 2 * sum(place >= 0 for place in places) >= len(places):
        taken = set(places)
        for at, column in enumerate(columns):
            if places[at] < 0 and column.position not in taken:
                places[at] = column.position
    missing = [one.name for one, place in zip(columns, places, strict=True) if one.needed and place < 0]
    if missing or len(names) < _least(file):
        raise Malformed(_complaint(header, file, names, missing))
    return Layout(tuple(places), len(names), places == list(range(len(names))))


def resembles(header: str, file: str) -> bool:
    """Whether a line, perhaps cut at its end, can be the header of that file."""
    names = set(map(normal, header.split(SEPARATOR)))
    return all(normal(one.name) in names for one in _columns(file)[:2])


@cache
def fields(file: str) -> tuple[str, ...]:
    """The fields of a row, in the order of `Layout.places`."""
    return tuple([column.field for column in _columns(file)])


@lru_cache(4096)
def normal(name: str) -> str:
    """A column's name without all that has varied."""
    plain = unicodedata.normalize("NFKD", _PARENTHESES.sub(" ", name.replace("\ufeff", "")))
    plain = "".join([letter for letter in plain if not unicodedata.combining(letter)]).casefold()
    return " ".join([word for word in _WORDS.findall(plain) if word not in _SMALL_WORDS])


def _is_known_width(width: int, file: str) -> bool:
    """Whether positions can be trusted: an extraction has only ever had columns added behind the others."""
    return width >= _least(file) if file == EXTRACTION else width in _WIDTHS[file]


def _least(file: str) -> int:
    # Newer editions of the activities have dropped columns that are not needed here.
    return _WIDTHS[file][0] if file == EXTRACTION else 0


def _complaint(header: str, file: str, names: Sequence[str], missing: Sequence[str]) -> str:
    for other, word in ((";", "des points-virgules"), ("\t", "des tabulations"), (",", "des virgules")):
        if len(names) == 1 and header.count(other) >= _WIDTHS[file][0] - 1:
            return f"les colonnes sont séparées par {word} et non par des barres « {SEPARATOR} »"
    said = f"ce n'est pas {_TITLES[file]} : {len(names)} colonne{'s' if len(names) > 1 else ''}"
    if _least(file) and len(names) < _least(file):
        said += f" au lieu de {_least(file)}"
    if missing:
        said += " ; il manque " + ", ".join([f"« {name} »" for name in missing])
    return said


def _names(column: Column) -> list[str]:
    return [normal(name) for name in (column.name, *column.also)]


@cache
def _columns(file: str) -> tuple[Column, ...]:
    path = schema.shipped()[0].parent / "extraction.csv"
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    return tuple(
        [
            Column(
                int(row["position"]),
                row["field"],
                row["name"],
                tuple(filter(None, row["also"].split("/"))),
                row["needed"] == "oui",
            )
            for row in csv.DictReader(lines)
            if row["file"] == file
        ]
    )
