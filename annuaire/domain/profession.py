"""Which professions may exchange with the trust space: the codes of `schema/professions.csv`, read from its text.

A bare code of a profession comes from one of several national tables, which hardly overlap (domain reference §7).
Who is eligible is a column of the file, called a profile, so that another reading of the rule needs no code.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from annuaire.errors import Misconfigured

FAQ_2018, JDV_J71 = "faq-2018", "jdv-j71"
PHYSICIAN = "10"

_COLUMNS = ["code", "label", "table", "class", "from", "until"]
_ANSWERS = {"oui": True, "non": False}


class Profession(NamedTuple):
    """One code of one table."""

    code: str
    label: str
    table: str  # TRE_G15, TRE_R85 …
    group: (
        str  # A with an Ordre, B without one, B' one that was of the Code de la santé publique for a time, C
    )
    since: date
    until: date  # the last day on which the code is one of its table


class Professions:
    """The codes that are known and, for each profile, when each of them is eligible."""

    def __init__(self, rows: Sequence[tuple[Profession, frozenset[str]]], profiles: Sequence[str]) -> None:
        """Rows are professions with the profiles that admit them. A code may have several rows."""
        self.profiles = tuple(profiles)
        self.all = tuple([profession for profession, _ in rows])
        self._labels: dict[str, str] = {}
        self._periods: dict[str, dict[str, list[tuple[date, date]]]] = {name: {} for name in profiles}
        for profession, admitting in rows:
            self._labels.setdefault(profession.code, profession.label)
            for name in admitting:
                periods = self._periods[name].setdefault(profession.code, [])
                periods.append((profession.since, profession.until))

    def eligible(self, codes: Sequence[str], profile: str, on: date) -> bool:
        """Whether one of the codes is admitted by the profile on that day."""
        periods = self._periods.get(profile)
        if periods is None:
            raise Misconfigured(f"there is no profile {profile} of professions ({', '.join(self.profiles)})")
        for code in codes:
            for since, until in periods.get(code.strip(), ()):
                if since <= on <= until:
                    return True
        return False

    def label(self, code: str) -> str:
        """The words for a code, "" for one that is not known."""
        return self._labels.get(code.strip(), "")


def load(text: str) -> Professions:
    """Read `professions.csv`. Lines that begin with # are comments; every problem is said at once."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line and line[0] != "#"]
    rows = list(zip([number for number, _ in lines], csv.reader([line for _, line in lines]), strict=True))
    if not rows:
        raise Misconfigured("professions.csv is empty")
    header = rows[0][1]
    profiles = header[len(_COLUMNS) :]
    if header[: len(_COLUMNS)] != _COLUMNS or not profiles:
        raise Misconfigured(
            f"professions.csv begins with {','.join(_COLUMNS)} and one column for each profile"
        )
    professions, problems = [], []
    for number, fields in rows[1:]:
        try:
            professions.append(_row(fields, profiles))
        except ValueError as trouble:
            problems.append(f"professions.csv, line {number}: {trouble}")
    if problems:
        raise Misconfigured("\n".join(problems))
    return Professions(professions, profiles)


def _row(fields: list[str], profiles: list[str]) -> tuple[Profession, frozenset[str]]:
    if len(fields) != len(_COLUMNS) + len(profiles):
        raise ValueError(f"{len(fields)} fields in the place of {len(_COLUMNS) + len(profiles)}")
    code, label, table, group, since, until, *answers = fields
    if not code or not label:
        raise ValueError("a code and a label are needed")
    admitting = set()
    for name, answer in zip(profiles, answers, strict=True):
        if answer not in _ANSWERS:
            raise ValueError(f"{name} is oui or non, not {answer!r}")
        if _ANSWERS[answer]:
            admitting.add(name)
    profession = Profession(
        code,
        label,
        table,
        group,
        date.fromisoformat(since) if since else date.min,
        date.fromisoformat(until) if until else date.max,
    )
    return profession, frozenset(admitting)
