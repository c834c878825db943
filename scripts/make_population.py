#!/usr/bin/env python3
"""Invented people and mailboxes of any number, the same for the same seed: make_population.py --size N [--seed S].

    --format ldif            subscribers, ready for `annuaire import`
    --format extraction      rows of a national list of mailboxes; --changed 1: its next edition, 1 % of it changed
    --format liste-blanche   the domains of that list, not signed

With `--format ldif --shared 0.3` three subscribers in ten are people of the national list of the same seed too.
Everything streams and runs on the standard library alone.
"""

import argparse
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import nullcontext
from typing import BinaryIO

import population_national as national
from population_people import BRANCHES, REGISTER_MAX, Person
from population_people import luhn as luhn
from population_people import people as people

SUFFIX = "o=apicrypt,c=FR"
FOLD_AT = 76  # RFC 2849 asks for folded lines without naming a width; exporters use 76 or 78
WRITE_BLOCK = 1 << 20


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


FORMATS = ("ldif", "extraction", "liste-blanche")


def main() -> None:
    parser = argparse.ArgumentParser(description="Invented people and mailboxes, the same for the same seed.")
    parser.add_argument("--size", type=int, required=True, help="how many people, or rows of the extraction")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--format", choices=FORMATS, default="ldif")
    parser.add_argument("--output", metavar="FILE", help="where to write; standard output if absent")
    parser.add_argument(
        "--changed", type=float, default=0.0, metavar="P", help="the next edition: P %% differ"
    )
    parser.add_argument(
        "--shared", type=float, default=0.0, metavar="F", help="share of subscribers in the list"
    )
    options = parser.parse_args()
    if not 0 <= options.size <= 10_000_000:
        parser.error("--size goes from 0 to 10,000,000: there are no more invented RPPS numbers")
    if options.size > REGISTER_MAX and (options.shared or options.format == "extraction"):
        parser.error(f"--size goes to {REGISTER_MAX:,} where two registers must not meet")
    if not (0 <= options.shared <= 1 and 0 <= options.changed <= 100):
        parser.error("--shared goes from 0 to 1, --changed from 0 to 100")
    with open(options.output, "wb") if options.output else nullcontext(sys.stdout.buffer) as output:
        if options.format == "liste-blanche":
            national.write_liste_blanche(options.seed, output)
        elif options.format == "extraction":
            rows = national.extraction(options.size, options.seed, options.changed)
            national.write_extraction(rows, output)
        else:
            invented = people(options.size, options.seed)
            if options.shared:
                invented = national.shared(invented, options.shared, options.seed)
            write_ldif(invented, output)


if __name__ == "__main__":
    main()
