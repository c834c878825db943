"""An invented national list of mailboxes of any size, its next edition, and the liste blanche that goes with it.

Its figures are those of the real list (domain reference §1): 85 % of people and 15 % of structures, 5,018 domains of
which the ten largest hold nearly half, one address in 3,000 on several rows. Another register than that of the
subscribers: nobody is in both, but for those whom `shared` puts there.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import BinaryIO
from xml.sax.saxutils import escape

import population_names as names
from population_people import (
    NATIONALS,
    NEWCOMERS,
    REGISTER_MAX,
    Person,
    department,
    luhn,
    people,
    plain,
)

HEADER = (
    "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|Type identifiant structure"
    "|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|Prénom d'exercice"
    "|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|Code savoir-faire"
    "|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|Enseigne commerciale structure BAL"
    "|L2COMPLEMENTLOCALISATION structure BAL|L3COMPLEMENTDISTRIBUTION structure BAL|L4NUMEROVOIE structure BAL"
    "|L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|L4LIBELLEVOIE structure BAL"
    "|L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|Code postal structure BAL"
    "|Département structure BAL|Pays structure BAL\n"
)

DOMAINS = 5018
# Beside the domains of professions; its people are of the others.
GENERAL_DOMAIN = "pro"
STRUCTURES_SHARE = 0.15
# Of people in practices, those who have the mailbox of their profession and not one of their establishment.
PROFESSION_SHARE = 0.8
SECOND_MAILBOX_SHARE = 0.06
REPEATED_SHARE = 1 / 3000
WRITE_ROWS = 4096

OPERATORS = 340
# How many operators a domain is listed for, and how often (2025).
LISTED_TIMES = ((1, 3862), (2, 725), (3, 250), (4, 103), (5, 4))
OURS = ("interop-mssante.apicrypt.org", "mssante.apicrypt.org", "dgs.mssante.fr", "patient.mssante.fr")


@dataclass(slots=True)
class Establishment:
    domain: str
    place: str  # the columns of a row that are the structure's: type and identifier; name and postal address
    identifier: str


def extraction(size: int, seed: int, changed: float = 0.0) -> Iterator[str]:
    """The rows of a list of that many, or of its next edition, in which `changed` per cent of them are not the same.

    Of these three tenths are gone, three tenths corrected or moved, four tenths new people.
    """
    rows = _rows(size, seed)
    if not changed:
        yield from rows
        return
    source = random.Random(f"edition {seed} {float(changed)}")
    newcomers = people(REGISTER_MAX, seed, NEWCOMERS)
    share = changed / 100
    for row in rows:
        chance = source.random()
        if chance >= 0.6 * share:
            yield row
        elif chance >= 0.3 * share:
            yield _corrected(row, source)
        if source.random() < 0.4 * share:
            person = next(newcomers)
            local = person.mail.partition("@")[0].lower()
            # Nobody of the other register has a local part that ends so.
            yield _of_person(person, f"{local}-n@medecin.mssante.fr", _practice(person))


def write_extraction(rows: Iterator[str], output: BinaryIO) -> None:
    block = [HEADER]
    for row in rows:
        block.append(row)
        if len(block) >= WRITE_ROWS:
            output.write("".join(block).encode())
            block.clear()
    output.write("".join(block).encode())


def shared(subscribers: Iterator[Person], share: float, seed: int) -> Iterator[Person]:
    """The subscribers, of whom that share are people of the national list too: its first ones, in order.

    Such a person has the names, number, profession and place of the list, and an address of the sphere.
    """
    source = random.Random(f"shared {seed}")
    nationals = people(REGISTER_MAX, seed, NATIONALS)
    for subscriber in subscribers:
        if source.random() >= share:
            yield subscriber
            continue
        national = next(nationals)
        local = national.mail.partition("@")[0]
        name = local.rstrip("0123456789")
        # The number behind a hyphen: no other subscriber's local part has it there.
        local = f"{name}-{local[len(name) :] or 1}"
        yield replace(
            national,
            mail=f"{local}@medical{department(national.postal_code)}.apicrypt.org",
            telephone=subscriber.telephone,
            version=subscriber.version,
            interop=subscriber.interop,
            liste_rouge=subscriber.liste_rouge,
            state=subscriber.state,
        )


def write_liste_blanche(seed: int, output: BinaryIO) -> None:
    """Every domain of the lists of that seed, whatever their size, for one to five operators each; not signed."""
    source = random.Random(f"liste blanche {seed}")
    towns = _towns()
    operators = []
    for number in range(OPERATORS):
        postal_code, town = source.choice(towns)
        operators.append(
            f"CN=mail.operateur-{number}.example.org,OU=1{_finess(500_000 + number)}"
            f",O=OPERATEUR {number} {town},ST={town.title()} ({department(postal_code)}),C=FR"
        )
    times, weights = zip(*LISTED_TIMES, strict=True)
    output.write(
        b'<?xml version="1.0" encoding="UTF-8"?>'
        b'<ListeBlancheMSSante xmlns="https://listeblanche.mssante.fr/schema">\n'
        b"<DateDeGeneration>2026-11-22T04:00:00Z</DateDeGeneration>\n<ListeDomaines>\n"
    )
    for domain in chain(_profession_domains(), (one.domain for one in establishments(seed)), OURS):
        for operator in source.sample(operators, source.choices(times, weights)[0]):
            fields = (
                ("Nom", domain),
                ("Description", f"Messagerie de {domain}"),
                ("DNCertificatOperateur", operator),
                ("ResponsableContact", f"responsable@{domain}"),
                ("SupportContact", f"support@{domain}"),
                ("DateMAJ", f"2026-{source.randint(1, 10):02d}-{source.randint(1, 28):02d}T09:00:00Z"),
            )
            text = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields)
            output.write(f"<Domaine>{text}</Domaine>\n".encode())
    output.write(b"</ListeDomaines>\n</ListeBlancheMSSante>\n")


def establishments(seed: int) -> list[Establishment]:
    """Those that have a domain of their own, the largest first."""
    source = random.Random(f"establishments {seed}")
    kinds = names.ESTABLISHMENTS.split()
    kind_weights = list(accumulate(1 / rank for rank in range(1, len(kinds) + 1)))
    towns = _towns()
    places = [place.replace("_", " ") for place in names.PLACES.split()]
    streets = [street.replace("_", " ") for street in names.STREETS.split()]
    found = []
    for number in range(DOMAINS - len(_profession_domains())):
        kind = source.choices(kinds, cum_weights=kind_weights)[0]
        postal_code, town = source.choice(towns)
        region = source.choice(("", "", "aura.", "site-nord.hdf."))
        # UC-CMP.mssante.fr and its like: a list has some names with capitals.
        label = f"{kind}-{plain(town).lower()}-{number}"
        domain = f"{label.upper() if source.random() < 0.01 else label}.{region}exemple.mssante.fr"
        name = f"{kind.upper()} {source.choice(places)}"
        address = f"{source.randint(1, 180)} {source.choice(streets)}"
        found.append(Establishment(domain, _place(name, address, postal_code, town), f"1|{_finess(number)}"))
    return found


def _rows(size: int, seed: int) -> Iterator[str]:
    source = random.Random(f"extraction {seed}")
    houses = establishments(seed)
    weights = list(accumulate(_weight(rank) for rank in range(1, len(houses) + 1)))
    services = [service.replace("_", " ") for service in names.SERVICES.split()]
    service_locals = [plain(service).lower() for service in services]
    nationals = people(REGISTER_MAX, seed, NATIONALS)
    given_out: dict[tuple[str, str], int] = {}
    last: Person | None = None
    count = 0
    drawn: list[Establishment] = []
    while count < size:
        if not drawn:
            drawn = source.choices(houses, cum_weights=weights, k=WRITE_ROWS)
        house = drawn.pop()
        chance = source.random()
        if chance < STRUCTURES_SHARE:
            at = int(source.random() * len(services))
            number = given_out[house.domain, service_locals[at]] = (
                given_out.get((house.domain, service_locals[at]), 0) + 1
            )
            local = service_locals[at] + (str(number) if number > 1 else "")
            kind = "APP" if source.random() < 0.02 else "ORG"
            service = services[at] + (f" {number}" if number > 1 else "")
            address, rest = f"{local}@{house.domain}", house
            row = f"{kind}|{address}||||{house.identifier}|{service}||||||||||{'ON'[number % 2]}|{house.place}\n"
        else:
            if last is not None and chance > 1 - SECOND_MAILBOX_SHARE:
                person, last = last, None
                at_house = True
            else:
                person = last = next(nationals)
                in_practice = "etablissements" not in person.branch
                at_house = not (in_practice and source.random() < PROFESSION_SHARE)
            domain = house.domain if at_house else f"{_profession_domain(person)}.mssante.fr"
            address = f"{person.mail.partition('@')[0].lower()}@{domain}"
            service = services[int(source.random() * len(services))] if at_house else ""
            structure = f"{house.identifier}|{service}" if at_house else _practice(person)
            row = _of_person(person, address, structure, house.place if at_house else None)
            rest = house
        yield row
        count += 1
        if count < size and source.random() < REPEATED_SHARE:
            # The same address for another place.
            yield _elsewhere(row, rest)
            count += 1


def _of_person(person: Person, address: str, structure: str, place: str | None = None) -> str:
    """One row; `structure`: its columns of type, identifier and service."""
    code = person.savoir_faire or ""
    title = names.SPECIALTY_TITLES.get(code, "")
    physician = "DR" if person.profession == "10" else ""
    if place is None:
        place = _place(person.workplace, person.street, person.postal_code, person.town)
    return (
        f"PER|{address}|8|{person.rpps}|8{person.rpps}|{structure}|{physician}|{person.surname}|{person.given}|C|Civil"
        f"|{person.profession}|{person.title}|{code}|{title}|{'ON'[len(person.street) % 2]}|{place}\n"
    )


def _practice(person: Person) -> str:
    """Type, identifier and service of a practice: a third of them say none."""
    number = int(person.rpps[3:10])
    if number % 3 == 0:
        return "||"
    body = f"99{number:011d}"
    return f"3|{body}{luhn(body)}|"


def _place(name: str, street: str, postal_code: str, town: str) -> str:
    """The thirteen columns of name and postal address of a structure."""
    number, kind, rest = street.split(" ", 2)
    return f"{name}||||{number}||{kind}|{rest}||{postal_code} {town}|{postal_code}|{department(postal_code)}|FRANCE"


def _elsewhere(row: str, house: Establishment) -> str:
    fields = row.split("|")
    fields[7] = f"ANNEXE {fields[7]}".strip()
    return "|".join([*fields[:5], *house.identifier.split("|"), *fields[7:18], house.place + "\n"])


def _corrected(row: str, source: random.Random) -> str:
    """The row as the next edition has it: another label, another street, without paper or with it, another service."""
    fields = row.split("|")
    what = int(source.random() * 4)
    if what == 0:
        fields[17] = "N" if fields[17] == "O" else "O"
    elif what == 1:
        fields[22] = str(int(fields[22] or 0) + 1)
    elif what == 2:
        fields[7] = f"{fields[7]} B".strip()
    else:
        fields[18] = f"{fields[18]} EXEMPLE".strip()
    return "|".join(fields)


def _weight(rank: int) -> float:
    """So that a list of 535,000 rows has about the real sizes of domains: median 4, nine in ten below 90."""
    return 1 / (rank + 6) ** 1.13 if rank <= 500 else (500 / rank) ** 1.9 / 506**1.13


def _profession_domains() -> list[str]:
    return [f"{name}.mssante.fr" for name in (*names.PROFESSION_DOMAINS.values(), GENERAL_DOMAIN)]


def _profession_domain(person: Person) -> str:
    return names.PROFESSION_DOMAINS.get(person.profession, GENERAL_DOMAIN)


def _finess(number: int) -> str:
    body = f"99{number:06d}"
    return body + luhn(body)


def _towns() -> list[tuple[str, str]]:
    pairs = names.TOWNS.strip().replace("\n", "|").split("|")
    return [(postal_code, town) for postal_code, town in (pair.split(" ", 1) for pair in pairs)]
