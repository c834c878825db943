"""Who is probably there twice: people with one name and one place whom no national identification makes one.

Only told, with why; nothing is ever merged by name, since homonyms of one profession in one town exist. One side is
always ours or without identification: two people whom the national list knows by two numbers are two people. A name
alone is no reason; a name and two numbers that differ by a slip of the hand are one, without any place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from annuaire.domain import identifiers, mailbox, names
from annuaire.domain.mailbox import Mailbox
from annuaire.reporting import subscriptions
from annuaire.reporting.subscriptions import Subscription
from annuaire.store.engine import Reader
from annuaire.store.records import MAILBOXES

# Sources.
APICRYPT, MSSANTE = "apicrypt", "mssante"

# Why two may be one, the most telling first.
SLIP = "identifiants à une faute de frappe près"
STRUCTURE = "même structure"
PROFESSION = "même profession"
TOWN = "même ville"

# People of one name that are compared with each other: a name that thousands have tells nothing.
SAME_NAME_MAX = 500


class Somebody(NamedTuple):
    """A person as one source says it."""

    source: str
    holder: str
    address: str
    name: str
    identifier: str  # the national identification, "" without one
    professions: frozenset[str]
    towns: frozenset[str]
    structures: frozenset[str]

    def with_also(self, other: Somebody) -> Somebody:
        """The same holder with what another record says, too."""
        return self._replace(
            professions=self.professions | other.professions,
            towns=self.towns | other.towns,
            structures=self.structures | other.structures,
        )


class Pair(NamedTuple):
    """Two who may be one."""

    one: Somebody
    other: Somebody
    why: tuple[str, ...]


def report(reader: Reader) -> list[Pair]:
    """Every pair, those with most reasons first. Memory is for our accounts and for whoever has a name of theirs."""
    seeking = _Names()
    for account in subscriptions.every(reader):
        seeking.add(_of_account(account))
    for row, holder in _personal(reader):
        if not row.national_pp:
            seeking.add(_of_row(row, holder))
    found = _Names()
    for row, holder in _personal(reader):
        if row.national_pp and seeking.knows(row):
            found.add(_of_row(row, holder))
    pairs = [pair for name in seeking.all() for pair in _among(seeking.of(name), found.of(name))]
    return sorted(
        pairs, key=lambda pair: (-len(pair.why), pair.one.name, pair.one.address, pair.other.address)
    )


class _Names:
    """People by the folded form of their names, one for each holder and source."""

    def __init__(self) -> None:
        self._people: dict[str, dict[tuple[str, str], Somebody]] = {}

    def add(self, somebody: tuple[str, Somebody]) -> None:
        name, person = somebody
        if not name:
            return
        people = self._people.setdefault(name, {})
        # An account has a key of its own: two accounts of one holder are both ours, and one person already.
        key = (person.source, person.holder)
        people[key] = people[key].with_also(person) if key in people else person

    def knows(self, row: Mailbox) -> bool:
        return _folded(row.prenom, row.nom) in self._people

    def all(self) -> Iterable[str]:
        return self._people

    def of(self, name: str) -> list[Somebody]:
        return list(self._people.get(name, {}).values())[:SAME_NAME_MAX]


def _personal(reader: Reader) -> Iterator[tuple[Mailbox, str]]:
    for record in reader.records_between("", None):
        if record.source == MAILBOXES and record.line.startswith(mailbox.PERSONAL + mailbox.SEPARATOR):
            yield mailbox.parse(record.line), record.holder


def _among(seeking: list[Somebody], found: list[Somebody]) -> Iterator[Pair]:
    # Whom the national list knows by this name under this number is exactly that person, and no other of the list.
    confirmed = {one.holder for one in found}
    for place, one in enumerate(seeking):
        for other in (*seeking[place + 1 :], *found):
            # One identification makes them one person already, whatever the sources.
            if one.holder == other.holder or (one.holder in confirmed and other.holder in confirmed):
                continue
            why = reasons(one, other)
            if why:
                yield Pair(one, other, why)


def reasons(one: Somebody, other: Somebody) -> tuple[str, ...]:
    """Why two people of one name may be one; none when something speaks against it or too little for it."""
    if one.professions and other.professions and not one.professions & other.professions:
        return ()
    both = bool(one.identifier and other.identifier)
    slip = both and differ_by_a_slip(one.identifier, other.identifier)
    profession = bool(one.professions & other.professions)
    town = bool(one.towns & other.towns)
    structure = bool(one.structures & other.structures)
    place = town or structure
    # Two numbers are two people until more than a name and a profession says otherwise.
    enough = slip or (profession and place if both else profession or place)
    if not enough:
        return ()
    held = ((SLIP, slip), (STRUCTURE, structure), (PROFESSION, profession), (TOWN, town))
    return tuple(reason for reason, holds in held if holds)


def differ_by_a_slip(one: str, other: str) -> bool:
    """One wrong character, or two neighbours exchanged."""
    if len(one) != len(other) or one == other:
        return False
    places = [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(places) == 1:
        return True
    first, last = places[0], places[-1]
    return len(places) == 2 and last == first + 1 and one[first] == other[last] and one[last] == other[first]


# ------------------------------------------------------------------ what a source says of somebody


def _of_account(one: Subscription) -> tuple[str, Somebody]:
    given, surname = one.text("givenName"), one.text("sn")
    return _folded(given, surname), Somebody(
        APICRYPT,
        one.holder,
        one.account.native,
        one.name,
        one.holder if one.identified else "",
        frozenset(code.strip() for code in one.account.professions if code.strip()),
        frozenset(filter(None, (_town(one.text("l")), one.account.postal_code.strip()))),
        frozenset(filter(None, (_word(one.text("o")),))),
    )


def _of_row(row: Mailbox, holder: str) -> tuple[str, Somebody]:
    _, number = identifiers.structure(row.type_structure, row.structure)
    return _folded(row.prenom, row.nom), Somebody(
        MSSANTE,
        holder,
        row.address,
        f"{row.nom} {row.prenom}".strip(),
        row.national_pp,
        frozenset(filter(None, (row.profession.strip(),))),
        frozenset(filter(None, (_town(row.l6), row.code_postal.strip()))),
        frozenset(filter(None, (number, _word(row.raison_sociale), _word(row.enseigne)))),
    )


@lru_cache(1 << 16)
def _word(text: str) -> str:
    return names.word(text)


def _folded(given: str, surname: str) -> str:
    """Case, accents, hyphens and further given names tell nobody apart; both names must be there."""
    family, first = _word(surname), _word(given.partition(",")[0])
    return f"{first} {family}" if first and family else ""


_POSTAL = re.compile(r"\s*\d[\d ]*")
_CEDEX = re.compile(r"\s+cedex\b.*", re.IGNORECASE)


@lru_cache(1 << 14)
def _town(text: str) -> str:
    """The town of an address line, without postal code and CEDEX."""
    return names.word(_CEDEX.sub("", _POSTAL.sub("", text, count=1) if _POSTAL.match(text) else text))
