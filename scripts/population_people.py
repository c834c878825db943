"""The invented people of make_population.py, one by one: names, numbers, professions, towns, places of work.

Realistic where a directory feels it: homonyms (names are drawn as often as their rank says), accents, particles,
hyphens, compound given names. Streams: only the local parts given are remembered. RPPS numbers begin with 999, which
the national register does not give; telephone numbers lie in the ranges that the regulator keeps for fiction.
"""

import random
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import population_names as names

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


class Register(NamedTuple):
    """A list of people of its own: other people for the same seed, with numbers that no other register has."""

    name: str
    first: int  # of its numbers


SUBSCRIBERS = Register("", 0)
NATIONALS = Register("national", 4_000_000)
NEWCOMERS = Register("newcomers", 9_000_000)
REGISTER_MAX = 1_000 * DRAWN_AT_ONCE  # people of one register, so that its numbers end before the next one's


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


def people(size: int, seed: int, register: Register = SUBSCRIBERS) -> Iterator[Person]:
    """People of a register; of any two sizes that are multiples of DRAWN_AT_ONCE one begins with the other."""
    source = random.Random(f"{register.name} {seed}" if register.name else seed)
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
            body = f"999{((register.first + number) * RPPS_STEP + offset) % 10_000_000:07d}"
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
