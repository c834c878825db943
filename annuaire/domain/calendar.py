"""From when each region is open to the trust space: `schema/calendar.toml`, read from its text.

A place is a postal code or, when there is none that says anything, the number of the département in a native domain
(`medical59.apicrypt.org`). Days are those of UTC: a region opens at midnight there.
"""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeGuard

from annuaire.errors import Misconfigured

# Five digits, or four when a table of figures has lost the zero in front; Corsica is also written with its letter.
_POSTAL = re.compile(r"(?:F|FR)?(\d{4,5}|2[AB]\d{3})", re.ASCII)
# The first label of a native domain ends with the département: medical59, medical02, medical2a, medical974.
_NATIVE = re.compile(r"[a-z-]+(\d{1,3}|2[ab])", re.ASCII)
_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)


class Region(NamedTuple):
    name: str
    departements: tuple[str, ...]  # as the official geographic code writes them: 01, 2A, 974
    opens: date


class Calendar:
    """The regions, and the day for every place that belongs to none of them."""

    def __init__(self, regions: tuple[Region, ...], france: date) -> None:
        self.regions = regions
        self.france = france
        self._by_departement = {code: region for region in regions for code in region.departements}

    def region(self, postal_code: str, native_address: str) -> Region | None:
        """The region of a place: by its postal code, else by its native domain; None when neither says one."""
        for code in (departement(postal_code), native_departement(native_address)):
            found = self._by_departement.get(code)
            if found is not None:
                return found
        return None

    def opening(self, postal_code: str, native_address: str) -> date:
        found = self.region(postal_code, native_address)
        return self.france if found is None else found.opens


def load(text: str) -> Calendar:
    """Read `calendar.toml`; every problem is said at once."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as trouble:
        raise Misconfigured(f"calendar.toml: {trouble}") from None
    france, tables = document.get("france"), document.get("region", [])
    if not _is_day(france):
        raise Misconfigured("calendar.toml: france is the day on which every other place opens (2019-01-01)")
    if not isinstance(tables, list):
        raise Misconfigured("calendar.toml: regions are written [[region]]")
    problems: list[str] = []
    regions: list[Region] = []
    for table in tables:
        region = _region(table, france)
        if region is None:
            problems.append(
                f"calendar.toml: a region has name, departements (text) and a day in opens: {table}"
            )
            continue
        before = {code for one in regions for code in one.departements}
        twice = sorted(before.intersection(region.departements))
        if twice:
            problems.append(f"calendar.toml: {', '.join(twice)} of {region.name} is in a region before it")
        regions.append(region)
    if problems:
        raise Misconfigured("\n".join(problems))
    return Calendar(tuple(regions), france)


def _region(table: object, france: date) -> Region | None:
    if not isinstance(table, dict):
        return None
    name, codes, opens = table.get("name"), table.get("departements"), table.get("opens", france)
    if not isinstance(name, str) or not isinstance(codes, list) or not _is_day(opens):
        return None
    if not all(isinstance(code, str) for code in codes):
        return None
    return Region(name, tuple(codes), opens)


def _is_day(value: object) -> TypeGuard[date]:
    return isinstance(value, date) and not isinstance(value, datetime)


def departement(postal_code: str) -> str:
    """The département of a postal code, "" when it is none of France.

    A few communes on a border have the postal code of the département beside theirs: the code is what counts here.
    """
    found = _POSTAL.fullmatch(re.sub(r"[\s.-]", "", postal_code).upper())
    if found is None:
        return ""
    code = found[1].zfill(5)
    if code.startswith("20"):  # Corsica: 200xx and 201xx in the south, 202xx and 206xx in the north
        return "2A" if code < "20200" else "2B"
    return code[:3] if code.startswith(("97", "98")) else code[:2]


def native_departement(address: str) -> str:
    """The département in the domain of a native address, "" when it has none."""
    label = address.rpartition("@")[2].partition(".")[0].lower()
    found = _NATIVE.fullmatch(label)
    if found is None:
        return ""
    code = found[1].upper()
    # Corsica was one département, 20, until 1976; both of today's lie in one region.
    return "2A" if code == "20" else code.zfill(2)


def day(moment: datetime) -> date:
    """The day of a moment, in UTC; a moment without a zone is in UTC."""
    return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()


def in_french(on: date) -> str:
    """A day as it is written in a French sentence: 1er octobre 2018."""
    return f"{'1er' if on.day == 1 else on.day} {_MONTHS[on.month - 1]} {on.year}"
