"""The invented people of the proof: some whom strangers see, some whom they must not, and what both have in common.

Everything follows from a seed. Whoever is hidden is made to be found: they have the names, towns, professions and
identifications of people who are seen, mailboxes at a hospital, entries below their own, and places in groups.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from annuaire.domain import mailbox
from annuaire.domain.mailbox import Activity, Mailbox
from annuaire.publishing import ldif

SUFFIX = "o=apicrypt,c=FR"
APICRYPT = f"ou=apicrypt,{SUFFIX}"
COMPTES = f"ou=comptes,{SUFFIX}"
CABINET = f"ou=Cabinet,{APICRYPT}"

GIVEN = ("Jean", "Jean-Pierre", "Hélène", "Anne", "Anne-Laure", "Søren", "Léo", "Zoë", "Maël", "Ève")
FAMILY = (
    *(
        "MARTIN",
        "MARTINEZ",
        "LAMARTINE",
        "SAINT-MARTIN",
        "DUPONT",
        "DUPOND",
        "DUPONT-MARTIN",
        "LEFÈVRE",
        "LEFEBVRE",
    ),
    *("ŒUVRARD", "D'ARTOIS", "DE LA TOUR", "NGUYEN", "LE GOFF", "MARTINON", "MARTINET", "DEMARTIN", "ÉMARTY"),
)
# Of the hidden alone: whatever answers to these names has told of them.
FAMILY_OF_THE_HIDDEN = ("ZWYRCZKOWSKI", "QUÉRANGAL-MARTIN", "XAINTRAILLES", "O'HIDDEN")
TOWNS = (("LILLE", "59000"), ("ARRAS", "62000"), ("SAINT-ÉTIENNE", "42000"), ("L'HAŸ-LES-ROSES", "94240"))
PROFESSIONS = (
    ("10", "Médecin"),
    ("21", "Pharmacien"),
    ("60", "Infirmier"),
    ("70", "Masseur-Kinésithérapeute"),
)
NOT_ELIGIBLE = ("71", "Auxiliaire de vie")
DOMAINS = ("ch-exemple.mssante.fr", "medecin.mssante.fr", "infirmier.mssante.fr")
INTEROP = "interop-mssante.apicrypt.org"


class Standing(NamedTuple):
    """What decides whether strangers see an account."""

    version: int = 2
    state: str = "actif"
    interop: bool = True
    liste_rouge: bool = False
    eligible: bool = True


SEEN = Standing()
HIDDEN = {
    "liste rouge": Standing(liste_rouge=True),
    "interop off": Standing(interop=False),
    "suspended": Standing(state="suspendu"),
    "closed": Standing(state="resilie"),
    "version 1": Standing(version=1),
    "not eligible": Standing(eligible=False),
}


class Person(NamedTuple):
    """Somebody, in one directory or in both."""

    number: int
    given: str
    family: str
    kind: str  # of the identification, "" without one
    identifier: str
    town: str
    postal: str
    profession: tuple[str, str]

    @property
    def national(self) -> str:
        return self.kind + self.identifier


class Account(NamedTuple):
    """A subscription of somebody."""

    person: Person
    uid: str
    parent: str
    native: str
    interop: str  # "": no exchanges were ever opened
    standing: Standing
    more: tuple[tuple[str, str], ...] = ()

    @property
    def dn(self) -> str:
        return f"uid={self.uid},{self.parent}"


class People(NamedTuple):
    """Both directories have `seen`, `rows` and `activities`; one has the hidden too."""

    seen: list[Account]
    hidden: list[Account]
    rows: list[Mailbox]
    rows_of_the_hidden: list[Mailbox]  # in our own domain: what the national list still says of them
    activities: list[Activity]


class Invention:
    """Makes people, each another one."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self._count = 0
        self._given_addresses: dict[str, int] = {}

    def person(self, family: str = "", identified: bool = True) -> Person:
        self._count += 1
        number, chance = self._count, self.chance
        kind, identifier = "", ""
        if identified:
            kind, identifier = ("8", f"999{number:08d}") if number % 7 else ("0", f"99{number:07d}")
            if number % 11 == 5:  # of an establishment
                kind, identifier = "3", f"99{number:07d}/Ab{number}"
        town, postal = chance.choice(TOWNS)
        family = family or chance.choice(FAMILY)
        return Person(
            number, chance.choice(GIVEN), family, kind, identifier, town, postal, chance.choice(PROFESSIONS)
        )

    def account(self, person: Person, standing: Standing, *, never: bool = False) -> Account:
        """An account of somebody; `never`: exchanges were never opened, so there is no address for them."""
        name = f"{plain(person.given)}.{plain(person.family)}"
        digit = self._given_addresses.get(name, 0) + 1
        self._given_addresses[name] = digit
        local = f"{name}{digit if digit > 1 else ''}"
        more = []
        if self.chance.random() < 0.3:
            more.append(("telephoneNumber", f"+33 3 53 01 {person.number % 100:02d} 01"))
        if self.chance.random() < 0.3:
            more.append(("o", "Cabinet médical de la Paix"))
        if self.chance.random() < 0.3:
            more.append(("userPassword", "{SSHA}WlkGwjege+Yu4LcONUCeK+qUL11maXh0dXJlMQ=="))
        return Account(
            person,
            f"{local}-{person.number}",
            self.chance.choice((APICRYPT, CABINET)),
            f"{local}@medical{person.postal[:2]}.apicrypt.org",
            "" if never else f"{local}@{INTEROP}",
            standing,
            tuple(more),
        )

    def row(self, person: Person, domain: str = "") -> Mailbox:
        """A mailbox that the national list publishes."""
        chance = self.chance
        house = chance.random() < 0.6
        return row_of(
            type_bal="PER",
            address=f"{plain(person.given)}.{plain(person.family)}.{person.number}@{domain or chance.choice(DOMAINS)}",
            type_pp=person.kind,
            identifiant_pp=person.identifier,
            national_pp=person.national,
            nom=person.family,
            prenom=person.given,
            profession=person.profession[0],
            profession_libelle=person.profession[1],
            savoir_faire_libelle=chance.choice(("", "Médecine générale", "Cardiologie")),
            dematerialisation=chance.choice(("O", "N", "")),
            service=chance.choice(("", "CARDIOLOGIE")) if house else "",
            raison_sociale="CH EXEMPLE" if house else "",
            l6=f"{person.postal} {person.town}" if house else "",
            code_postal=person.postal if house else "",
        )

    def structure(self, number: int) -> Mailbox:
        town, postal = self.chance.choice(TOWNS)
        return row_of(
            type_bal=self.chance.choice(("ORG", "APP", "CAB")),
            address=f"Secretariat.{self.chance.choice(FAMILY_PLAIN)}.{number}@{self.chance.choice(DOMAINS)}",
            type_structure="1",
            structure=f"99{number:07d}",
            service=f"SECRETARIAT {self.chance.choice(FAMILY)}",
            raison_sociale="CH EXEMPLE",
            l6=f"{postal} {town}",
            code_postal=postal,
        )


def row_of(**fields: str) -> Mailbox:
    return Mailbox(*[""] * len(Mailbox._fields))._replace(**fields)


def activity_of(person: Person, where: str = "CABINET DU PORT") -> Activity:
    """What PS_LibreAcces says of somebody, whether we know them or not."""
    return Activity(*[""] * len(Activity._fields))._replace(
        type_pp=person.kind,
        national_pp=person.national,
        profession=person.profession[0],
        profession_libelle=person.profession[1],
        savoir_faire_libelle="Gériatrie",
        raison_sociale=where,
        code_postal="29000",
        commune="QUIMPER",
    )


def plain(name: str) -> str:
    table = str.maketrans("ÈÉÊËŸŒÀØ", "EEEEYOAO")
    return "".join(c for c in name.upper().translate(table) if c.isalnum() or c == "-").lower()


FAMILY_PLAIN = tuple(map(plain, FAMILY))


def invent(seed: int, seen: int = 90, hidden: int = 48) -> People:
    """Everybody. Half of the hidden have a mailbox at a hospital, which stays in both directories."""
    invention = Invention(seed)
    chance = invention.chance
    people = People([], [], [], [], [])
    for number in range(seen):
        person = invention.person(identified=number % 9 != 0)
        has_account = number % 3 != 0 or not person.kind
        if has_account:
            people.seen.append(invention.account(person, SEEN))
        if person.kind and (number % 2 or not has_account):
            people.rows.extend(invention.row(person) for _ in range(1 + number % 3 // 2))
        if person.kind and number % 4 == 0:
            people.activities.append(activity_of(person))
    people.rows.extend(invention.structure(number) for number in range(seen // 5))
    known = list(people.seen)
    for number in range(hidden):
        reason = list(HIDDEN)[number % len(HIDDEN)]
        odd = chance.choice(FAMILY_OF_THE_HIDDEN) if number % 3 == 0 else ""
        person = invention.person(odd, identified=number % 5 != 0)
        if number % 8 == 7:  # another account of somebody who is seen, whose number is spelt otherwise
            twin = chance.choice(known).person
            person = twin._replace(
                number=person.number, family=person.family, identifier=twin.identifier.lower()
            )
        elif number % 2:  # names, town and profession of somebody who is seen
            twin = chance.choice(known).person
            person = twin._replace(number=person.number, kind=person.kind, identifier=person.identifier)
        account = invention.account(person, HIDDEN[reason], never=number % 12 == 1)
        people.hidden.append(account)
        if person.kind and number % 4 < 2 and number % 8 != 7:
            people.rows.append(invention.row(person, "ch-exemple.mssante.fr"))
        if person.kind and number % 3 == 0:
            people.activities.append(activity_of(person, "CABINET CACHÉ"))
        if account.interop and number % 6 == 2:
            published = invention.row(person)._replace(address=account.interop)
            people.rows_of_the_hidden.append(published)
    return people


# ------------------------------------------------------------------ as files


def ldif_of(accounts: Iterable[Account], standing: Standing | None = None) -> bytes:
    """Their entries; with `standing`, as if all of them had that one."""
    return b"".join(_entry(one, standing or one.standing) for one in accounts)


def _entry(account: Account, standing: Standing) -> bytes:
    person = account.person
    profession = person.profession if standing.eligible else NOT_ELIGIBLE
    pairs = [
        ("objectClass", "inetOrgPerson"),
        ("objectClass", "apicryptUtilisateur"),
        ("uid", account.uid),
        ("cn", f"{person.given} {person.family}"),
        ("cn", f"{person.family} {person.given}"),
        ("sn", person.family),
        ("givenName", person.given),
        ("mail", account.native),
        ("profession", profession[0]),
        ("title", profession[1]),
        ("l", person.town),
        ("postalCode", person.postal),
        ("apicryptVersion", str(standing.version)),
        ("apicryptInterop", str(standing.interop).upper()),
        ("listeRouge", str(standing.liste_rouge).upper()),
        ("apicryptEtat", standing.state),
        *account.more,
    ]
    if person.kind:
        pairs += [("IdentifiantPP", person.identifier), ("TypeIdentifiantPP", person.kind)]
    if account.interop:
        pairs.append(("apicryptInteropMail", account.interop))
    return ldif.format_entry(account.dn, [(name, value.encode()) for name, value in pairs])


def below(accounts: Iterable[Account]) -> bytes:
    """What lies below some entries: a place of work each."""
    return b"".join(
        ldif.format_entry(
            f"cn=poste,{one.dn}",
            [("objectClass", b"organizationalRole"), ("cn", b"poste"), ("roleOccupant", one.dn.encode())],
        )
        for one in accounts
    )


def groups(accounts: Iterable[Account]) -> bytes:
    """Groups of ou=apicrypt, by profession."""
    members: dict[str, list[str]] = {}
    for one in accounts:
        members.setdefault(one.person.profession[1], []).append(one.dn)
    return b"".join(
        ldif.format_entry(
            f"cn=Groupe {name},{APICRYPT}",
            [
                ("objectClass", b"groupOfNames"),
                ("cn", f"Groupe {name}".encode()),
                *(("member", one.encode()) for one in names),
            ],
        )
        for name, names in sorted(members.items())
    )


def folders() -> bytes:
    return ldif.format_entry(CABINET, [("objectClass", b"organizationalUnit"), ("ou", b"Cabinet")])


def deletions(accounts: Iterable[Account]) -> bytes:
    return b"".join(f"dn: {one.dn}\nchangetype: delete\n\n".encode() for one in accounts)


def extraction(rows: Iterable[Mailbox], header: str) -> bytes:
    return _table(header, map(mailbox.format, rows))


def _table(header: str, lines: Iterator[str]) -> bytes:
    return "".join(f"{line}\n" for line in (header, *lines)).encode()


# Columns of PS_LibreAcces_Personne_activite that the directory reads, in the order of `Activity`.
ACTIVITY_COLUMNS = (
    *("Type d'identifiant PP", "Identification nationale PP", "Code profession", "Libellé profession"),
    *("Code savoir-faire", "Libellé savoir-faire", "Raison sociale site", "Enseigne commerciale site"),
    *("Numéro Voie (coord. structure)", "Indice répétition voie (coord. structure)"),
    *("Libellé type de voie (coord. structure)", "Libellé Voie (coord. structure)"),
    *("Code postal (coord. structure)", "Libellé commune (coord. structure)", "Téléphone (coord. structure)"),
    *("Numéro FINESS site", "Numéro SIRET site"),
)


def activity_list(activities: Iterable[Activity]) -> bytes:
    return _table("|".join(ACTIVITY_COLUMNS), map(mailbox.format, activities))
