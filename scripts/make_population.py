#!/usr/bin/env python3
"""Invented people of any number, the same for the same seed: make_population.py --size N [--seed S].

Realistic where a directory feels it: homonyms (names are drawn as often as their rank says), accents,
particles, hyphens, compound given names, towns, professions, practices. Streams: only the addresses given are
remembered. RPPS numbers begin with 999, which the national register does not give; telephone numbers lie in
the ranges that the regulator keeps for fiction. Runs on the standard library alone.
"""

import argparse
import random
import sys
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import accumulate
from typing import BinaryIO

import population_names as names

SUFFIX = "o=apicrypt,c=FR"
# Where people lie, by where they work: a tree of some depth, as administrators build them.
BRANCHES = {
    "c": "ou=liberaux,ou=apicrypt",
    "h": "ou=etablissements,ou=apicrypt",
    "p": "ou=officines,ou=apicrypt",
}

SURNAMES_COUNT = 24_000
# Zipf-Mandelbrot: weight 1/(rank + shift). The shifts put the commonest surname near 0.5 % and the commonest
# given name near 2 % of the people, as in the national statistics.
SURNAME_SHIFT = 30
GIVEN_NAME_SHIFT = 10
DRAWN_AT_ONCE = 4096  # people; random.choices costs a fifth per draw when asked for many
RPPS_STEP = 3_367_901  # prime to 10^7: numbers look unordered and never repeat below ten million people
FICTION_NUMBERS = ("01 99 00", "02 61 91", "03 53 01", "04 65 71", "05 36 49")
FOLD_AT = 76  # RFC 2849 asks for folded lines without naming a width; exporters use 76 or 78
WRITE_BLOCK = 1 << 20


@dataclass(slots=True)
class Person:
    given: str
    surname: str  # as written in official lists: capitals, the particle in small letters
    mail: str
    rpps: str
    profession: str
    title: str
    savoir_faire: str | None
    workplace: str
    branch: str
    town: str
    postal_code: str
    street: str
    telephone: str
    version: int
    interop: bool
    liste_rouge: bool
    state: str


def ranked(values: list[str], shift: int) -> tuple[list[str], list[float]]:
    """The values with the cumulative weights of their ranks."""
    return values, list(accumulate(1 / (rank + shift) for rank in range(1, len(values) + 1)))


def given_names() -> list[str]:
    """Given names, commonest first, compounds scattered among the rarer two thirds."""
    female, male = names.FEMALE.split(), names.MALE.split()
    simple = [name for pair in zip(female, male, strict=False) for name in pair]
    simple += female[len(male) :] + male[len(female) :]
    compounds = [
        f"{start}-{second}"
        for sex, seconds in (("f", names.COMPOUND_FEMALE), ("m", names.COMPOUND_MALE))
        for second in seconds.split()
        for start in names.COMPOUND_STARTS[sex]
    ]
    for place, compound in enumerate(compounds):
        simple.insert(40 + 5 * place, compound)
    return list(dict.fromkeys(simple))


def surnames(source: random.Random) -> list[str]:
    """Real common surnames first, then built ones that sound French, some with a particle or double."""
    real = list(dict.fromkeys(name.replace("_", " ") for name in names.SURNAMES.split()))
    starts, middles, endings = (
        names.STARTS.split(),
        names.MIDDLES.split(),
        list(dict.fromkeys(names.ENDINGS.split())),
    )
    built: dict[str, None] = {}
    known = {name.upper() for name in real}
    while len(built) < SURNAMES_COUNT - len(real):
        name = source.choice(starts) + source.choice(middles) + source.choice(endings)
        if len(name) > 4 and name.upper() not in known:
            built[name.capitalize()] = None
    # A real name now and then among the built: the tail of the real distribution is long too.
    rare = []
    for name in built:
        chance = source.random()
        if chance < 0.02:
            particle = source.choice(names.PARTICLES)
            # "de Arbois" is "d'Arbois"; "d'Bron" does not exist.
            vowel = name[0] in "AEÉÈIOU"
            rare.append(("d'" if vowel else particle.replace("d'", "de ")) + name)
        elif chance < 0.03:
            rare.append(f"Le {name}")
        elif chance < 0.06:
            rare.append(f"{name}-{source.choice(real)}")
        else:
            rare.append(name)
    return real + rare


def official(surname: str) -> str:
    """Capitals as official lists have them, the noble particle small: `de la TOUR`, but `LE GALL`."""
    for particle in sorted(names.PARTICLES, key=len, reverse=True):
        if surname.startswith(particle):
            return particle + surname[len(particle) :].upper()
    return surname.upper()


def plain(text: str) -> str:
    """ASCII for an address: accents dropped, everything else than letters and digits a hyphen."""
    text = text.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae").replace("ß", "ss")
    bare = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "".join(letter if letter.isalnum() else "-" for letter in bare)


def luhn(digits: str) -> str:
    """The check digit that makes digits + check valid (RPPS, FINESS)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def department(postal_code: str) -> str:
    if postal_code.startswith("20"):
        return "2A" if postal_code < "20200" else "2B"
    return postal_code[:3] if postal_code.startswith("97") else postal_code[:2]


def people(size: int, seed: int) -> Iterator[Person]:
    source = random.Random(seed)
    given_list, given_weights = ranked(given_names(), GIVEN_NAME_SHIFT)
    surname_list, surname_weights = ranked(surnames(source), SURNAME_SHIFT)
    surname_list = [official(name) for name in surname_list]
    given_plain = {name: plain(name).lower() for name in given_list}
    surname_plain = {name: plain(name).upper() for name in surname_list}
    towns = [tuple(town.split(" ", 1)) for town in names.TOWNS.strip().replace("\n", "|").split("|")]
    town_weights = list(accumulate(1 / (rank + 12) for rank in range(1, len(towns) + 1)))
    professions = names.PROFESSIONS
    profession_weights = list(accumulate(row[2] for row in professions))
    specialties, specialty_weights = ranked(names.SPECIALTIES.split(), 1)
    places = [place.replace("_", " ") for place in names.PLACES.split()]
    streets = [street.replace("_", " ") for street in names.STREETS.split()]
    forms = {"c": names.PRACTICES, "h": names.HOSPITALS, "p": names.PHARMACIES}
    offset = seed * 7919
    given_out: dict[str, int] = {}

    for first in range(0, size, DRAWN_AT_ONCE):
        count = min(DRAWN_AT_ONCE, size - first)
        drawn = zip(
            source.choices(given_list, cum_weights=given_weights, k=count),
            source.choices(surname_list, cum_weights=surname_weights, k=count),
            source.choices(towns, cum_weights=town_weights, k=count),
            source.choices(professions, cum_weights=profession_weights, k=count),
            source.choices(specialties, cum_weights=specialty_weights, k=count),
            strict=True,
        )
        for number, (given, surname, (postal_code, town), row, specialty) in enumerate(drawn, first):
            profession, title, _, workplaces = row
            kind = workplaces[int(source.random() * len(workplaces))]
            local = f"{given_plain[given]}.{surname_plain[surname]}"
            homonyms = given_out.get(local, 0) + 1
            given_out[local] = homonyms
            if (
                homonyms > 1
            ):  # local parts are unique over all medicalNN domains (a V1 recipient is its local part)
                local = f"{local}{homonyms}"
            body = f"999{(number * RPPS_STEP + offset) % 10_000_000:07d}"
            version = 2 if source.random() < 0.7 else 1
            interop = version == 2 and source.random() < 0.5
            digits = int(source.random() * 10_000)
            form = forms[kind][digits % len(forms[kind])]
            state = source.random()
            yield Person(
                given=given,
                surname=surname,
                mail=f"{local}@medical{department(postal_code)}.apicrypt.org",
                rpps=body + luhn(body),
                profession=profession,
                title=title,
                savoir_faire=specialty if profession == "10" else None,
                workplace=form.format(town=town, name=places[digits * 7 % len(places)]),
                branch=BRANCHES[kind],
                town=town,
                postal_code=postal_code,
                street=f"{digits % 180 + 1} {streets[digits * 3 % len(streets)]}",
                telephone=f"{FICTION_NUMBERS[digits % 5]} {digits // 100:02d} {digits % 100:02d}",
                version=version,
                interop=interop,
                liste_rouge=interop and source.random() < 0.15,
                state="actif" if state < 0.97 else "suspendu" if state < 0.985 else "resilie",
            )


def line(attribute: str, value: str) -> str:
    """One attribute line of LDIF, in base64 where RFC 2849 wants it, folded."""
    # None of our values begins with a space, a colon or '<', nor ends with a space.
    encoded = f": {b64encode(value.encode()).decode()}" if not value.isascii() else f" {value}"
    text = f"{attribute}:{encoded}"
    if len(text) <= FOLD_AT:
        return text + "\n"
    folded = [text[:FOLD_AT]]
    folded += [" " + text[at : at + FOLD_AT - 1] for at in range(FOLD_AT, len(text), FOLD_AT - 1)]
    return "\n".join(folded) + "\n"


def ldif_entry(person: Person) -> str:
    detailed = f"{person.surname} {person.given} ({person.title}, {person.town})"
    optional = f"savoirFaire: {person.savoir_faire}\n" if person.savoir_faire else ""
    names_both_ways = line("cn", f"{person.given} {person.surname}")
    if person.given.lower() != person.surname.lower():  # else the two are one value: case plays no part in cn
        names_both_ways += line("cn", f"{person.surname} {person.given}")
    return (
        line("dn", f"uid=8{person.rpps},{person.branch},{SUFFIX}")
        + "objectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\n"
        + "objectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\n"
        + names_both_ways
        + line("cn", detailed)
        + line("sn", person.surname)
        + line("givenName", person.given)
        + line("displayName", detailed)
        + f"mail: {person.mail}\nuid: 8{person.rpps}\n"
        + line("title", person.title)
        + f"profession: {person.profession}\n{optional}"
        + line("o", person.workplace)
        + f"l: {person.town}\npostalCode: {person.postal_code}\n"
        + line("street", person.street)
        + f"telephoneNumber: {person.telephone}\n"
        + f"IdentifiantPP: {person.rpps}\nTypeIdentifiantPP: 8\n"
        + f"apicryptVersion: {person.version}\n"
        + f"apicryptInterop: {'TRUE' if person.interop else 'FALSE'}\n"
        + f"listeRouge: {'TRUE' if person.liste_rouge else 'FALSE'}\n"
        + f"apicryptEtat: {person.state}\n\n"
    )


def ldif_top() -> str:
    """The suffix and the folders, parents first; no version line, which slapadd refuses."""
    text = f"dn: {SUFFIX}\nobjectClass: top\nobjectClass: organization\no: apicrypt\n\n"
    for branch in ("ou=apicrypt", "ou=comptes", *BRANCHES.values()):
        name = branch.split(",")[0].removeprefix("ou=")
        text += f"dn: {branch},{SUFFIX}\nobjectClass: top\nobjectClass: organizationalUnit\nou: {name}\n\n"
    return text


def write_ldif(invented: Iterator[Person], output: BinaryIO) -> None:
    block = [ldif_top()]
    for count, person in enumerate(invented, 1):
        block.append(ldif_entry(person))
        if count % (WRITE_BLOCK >> 10) == 0:  # an entry is about 1 KiB
            output.write("".join(block).encode())
            block.clear()
    output.write("".join(block).encode())


FORMATS: dict[str, Callable[[Iterator[Person], BinaryIO], None]] = {"ldif": write_ldif}


def main() -> None:
    parser = argparse.ArgumentParser(description="Invented people, the same for the same seed.")
    parser.add_argument("--size", type=int, required=True, help="how many people")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=sorted(FORMATS), default="ldif")
    parser.add_argument("--output", metavar="FILE", help="where to write; standard output if absent")
    options = parser.parse_args()
    if not 0 <= options.size <= 10_000_000:
        parser.error("--size goes from 0 to 10,000,000: there are no more invented RPPS numbers")
    with open(options.output, "wb") if options.output else nullcontext(sys.stdout.buffer) as output:
        FORMATS[options.format](people(options.size, options.seed), output)


if __name__ == "__main__":
    main()
