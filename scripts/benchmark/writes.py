"""What administrators write over LDAP, on both servers in alternating rounds: durable before it is answered.

Both hold the same accounts, as they are written, and keep the indexes that searches want: slapd has one for telephone
numbers here, which desk phones, SOGo and iOS search by. Every connection is bound as an administrator and has one write
in flight; no two in flight are about one entry, and each changes something. slapd waits for the disk at each commit, as
it does unless it is told otherwise; so does annuaire, which moreover answers only when its searches show what was
written, in the views of each audience. slapd makes one commit for each write, annuaire one for all that wait: how many
a second the disk takes is told with the figures.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import make_population
from rich.console import Console
from rich.table import Table

from annuaire.ldap import ber

from . import measuring, shapes, targets
from .servers import TABLE_WIDTH, Annuaire, Server, Slapd, ask

ADMIN, PASSWORD = f"cn=admin,{shapes.SUFFIX}", "un-secret-de-banc"
MODIFY, ADD, DELETE = 0x66, 0x68, 0x4A
REPLACE = 2
# More than either server does in a round: the entries of one are not written twice the same.
VISITS_A_SECOND = 10_000
CHECKED = 20
PAGE, SYNCS_SECONDS = bytes(4096), 0.5
console = Console(stderr=True)


@dataclass(frozen=True, slots=True)
class Shape:
    """What is written: the messages of one visit, about one person."""

    about: str
    connections: int
    operations: int  # of one visit
    make: Callable[["Entry", random.Random], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Entry:
    dn: str
    branch: str


def message(tag: int, parts: Sequence[bytes]) -> bytes:
    return ber.sequence([ber.integer(2), ber.sequence(parts, tag)])


def attribute(name: str, *values: str) -> bytes:
    held = ber.sequence((ber.octets(value.encode()) for value in values), 0x31)
    return ber.sequence([ber.octets(name.encode()), held])


def modify(dn: str, name: str, value: str) -> bytes:
    """Give an attribute this value instead of all that it has."""
    change = ber.sequence([ber.integer(REPLACE, ber.ENUMERATED), attribute(name, value)])
    return message(MODIFY, [ber.octets(dn.encode()), ber.sequence([change])])


def add(dn: str, attributes: Sequence[bytes]) -> bytes:
    return message(ADD, [ber.octets(dn.encode()), ber.sequence(attributes)])


def delete(dn: str) -> bytes:
    return ber.sequence([ber.integer(2), ber.octets(dn.encode(), DELETE)])


def telephone(source: random.Random) -> str:
    """In a range that the regulator keeps for fiction."""
    digits = f"{source.randrange(10_000):04d}"
    return f"01 99 00 {digits[:2]} {digits[2:]}"


def changed(entry: Entry, source: random.Random) -> tuple[bytes, ...]:
    return (modify(entry.dn, "telephoneNumber", telephone(source)),)


def moved(entry: Entry, source: random.Random) -> tuple[bytes, ...]:
    """Another street, which annuaire has an index for and slapd has none: no client asks for it."""
    return (modify(entry.dn, "street", f"{source.randrange(10**4)} RUE DU BANC"),)


def renamed(entry: Entry, source: random.Random) -> tuple[bytes, ...]:
    """Another given name: what everybody searches by."""
    return (modify(entry.dn, "givenName", f"Inès-{source.randrange(10**6):06d}"),)


def come_and_gone(entry: Entry, source: random.Random) -> tuple[bytes, ...]:
    """Somebody new beside a person, with an address of their own, who leaves again."""
    number = f"{source.randrange(10**9):09d}"
    name = f"uid=banc{number},{entry.branch}"
    classes = ("top", "person", "organizationalPerson", "inetOrgPerson", "apicryptUtilisateur")
    attributes = [
        attribute("objectClass", *classes),
        attribute("cn", f"Inès BANC{number}", f"BANC{number} Inès"),
        attribute("sn", f"BANC{number}"),
        attribute("givenName", "Inès"),
        attribute("mail", f"ines.BANC{number}@medical59.apicrypt.org"),
        attribute("title", "Médecin"),
        attribute("profession", "10"),
        attribute("l", "LILLE"),
        attribute("telephoneNumber", telephone(source)),
        attribute("apicryptVersion", "2"),
        attribute("apicryptEtat", "actif"),
    ]
    return add(name, attributes), delete(name)


TOGETHER = targets.WRITING_CONNECTIONS
SHAPES = {
    "modify": Shape(f"modify a telephone number, {TOGETHER} connections", TOGETHER, 1, changed),
    "names": Shape(f"modify a name, {TOGETHER} connections", TOGETHER, 1, renamed),
    "plain": Shape(f"modify what slapd has no index for, {TOGETHER} connections", TOGETHER, 1, moved),
    "add": Shape(f"add and delete, {TOGETHER} connections", TOGETHER, 2, come_and_gone),
    "one": Shape("modify a telephone number, 1 connection", 1, 1, changed),
}


def syncs(folder: Path) -> float:
    """How often a second the disk takes a page for good; of a virtual disk that is a question of the moment."""
    count, began = 0, time.monotonic()
    with tempfile.TemporaryFile(dir=folder) as file:
        while (took := time.monotonic() - began) < SYNCS_SECONDS:
            os.pwrite(file.fileno(), PAGE, count * len(PAGE))
            os.fdatasync(file.fileno())
            count += 1
    return count / took


def entries(size: int, seed: int) -> list[Entry]:
    found = []
    for person in make_population.people(size, seed):
        branch = f"{person.branch},{shapes.SUFFIX}"
        found.append(Entry(f"uid=8{person.rpps},{branch}", branch))
    return found


def write_visits(path: Path, shape: Shape, known: Sequence[Entry], count: int, source: random.Random) -> None:
    """So many, of everybody in turn in an order of its own."""
    order = source.sample(known, len(known))
    with open(path, "wb") as output:
        for number in range(count):
            output.write(shapes.visit(*shape.make(order[number % len(order)], source)))


def run(options: argparse.Namespace, base: Path, generator: Path) -> int:
    chosen = options.only.split(",") if options.only else list(SHAPES)
    folder = base / f"writes-{options.size}-{options.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    annuaire = Annuaire(folder / "annuaire", password=PASSWORD)
    slapd = Slapd(folder / "slapd", "index telephoneNumber eq,sub", password=PASSWORD)
    memory = folder / "remembered.json"
    remembered: dict[str, Any] = json.loads(memory.read_text()) if memory.exists() else {}
    servers: list[Server] = [annuaire]
    if slapd.available() and not options.skip_slapd:
        servers.append(slapd)
    people = folder / "people.ldif"
    for server in servers:
        if not (server.filled() and people.exists() and server.name in remembered):
            console.print(f"{server.name}: importing {options.size:,} accounts")
            with open(people, "wb") as output:
                make_population.write_ldif(make_population.people(options.size, options.seed), output)
            server.folder.mkdir(parents=True, exist_ok=True)
            server.fill(people)
            remembered[server.name] = {}
            memory.write_text(json.dumps(remembered, indent=1))
        server.greeting = (shapes.bind(ADMIN, PASSWORD),)
    annuaire.make_ready()
    known = entries(options.size, options.seed)
    figures, taken = _measure(options, folder, generator, servers, chosen, known)
    rows = []
    for name in chosen:
        shape = SHAPES[name]
        found = {server: one.medians() for server, one in figures[name].items()}
        for medians in found.values():
            medians["rates"] *= shape.operations
        if "slapd" in found:
            remembered["slapd"][name] = found["slapd"]
        theirs = remembered.get("slapd", {}).get(name)
        ratio = found["annuaire"]["rates"] / theirs["rates"] if theirs else None
        rows.append(
            {"name": name, "about": shape.about, "ratio": ratio, "slapd": theirs}
            | {"annuaire": found["annuaire"]}
        )
    memory.write_text(json.dumps(remembered, indent=1))
    disk = {"median": statistics.median(taken), "least": min(taken), "most": max(taken)}
    return _show(options, {"accounts": options.size, "shapes": rows, "syncs": disk})


def _measure(
    options: argparse.Namespace,
    folder: Path,
    generator: Path,
    servers: list[Server],
    chosen: list[str],
    known: list[Entry],
) -> tuple[dict[str, dict[str, measuring.Figures]], list[float]]:
    """The figures, and how often a second the disk took a page before each of them."""
    taken = []
    figures = {name: {server.name: measuring.Figures() for server in servers} for name in chosen}
    count = int(options.seconds * VISITS_A_SECOND)
    # Of its own for each run: what is kept was written to by runs before.
    source = random.Random()
    try:
        for server in servers:
            server.start()
            _check(server, source.sample(known, min(CHECKED, len(known))), source)
        for turn in range(options.rounds + 1):
            for name in chosen:
                console.print(f"round {turn}: {name}" if turn else f"warming up: {name}", highlight=False)
                visits = folder / f"{name}.visits"
                write_visits(visits, SHAPES[name], known, count, source)
                for server in servers if turn % 2 else servers[::-1]:
                    taken.append(syncs(folder))
                    connections = SHAPES[name].connections
                    one = measuring.run_generator(
                        generator, server, visits, options.seconds, connections=connections
                    )
                    if one["failures"] or one["unanswered"] or set(one["codes"]) != {"0"}:
                        raise measuring.BrokenRunError(f"{server.name}, {name}: {one}")
                    if turn:
                        figures[name][server.name].add(one)
    finally:
        for server in servers:
            server.stop()
    return figures, taken


def _check(server: Server, some: Sequence[Entry], source: random.Random) -> None:
    """What is written is read at once by the same administrator."""
    for entry in some:
        value = telephone(source)
        read = shapes.search("(objectClass=*)", "telephoneNumber", base=entry.dn, scope=shapes.BASE)
        written = modify(entry.dn, "telephoneNumber", value)
        code, found = ask(server.port, *server.greeting, written, read)
        held = measuring.read_entry(found[0])[1] if found else {}
        if code or held.get("telephonenumber") != [value.encode()]:
            raise measuring.BrokenRunError(f"{server.name}: {entry.dn} holds {held} instead of {value}")


def verdicts(result: dict[str, Any]) -> list[targets.Verdict]:
    found = []
    for row in result["shapes"]:
        # What is promised is said of connections together.
        if row["ratio"] and SHAPES[row["name"]].connections == TOGETHER:
            found.append(targets.at_least(f"{row['about']}, to slapd's", row["ratio"], targets.WRITES))
    return found


def _show(options: argparse.Namespace, result: dict[str, Any]) -> int:
    judged = verdicts(result)
    result["verdicts"] = [one.as_dict() for one in judged]
    if options.json:
        print(json.dumps(result, indent=1))
        return targets.status(judged, options.target_check)
    shown = Table(title=f"durable writes, {result['accounts']:,} accounts")
    shown.add_column("")
    for column in ("operations/s", "slapd", "ratio", "p50 ms", "p99", "slapd p50", "slapd p99"):
        shown.add_column(column, justify="right")
    for row in result["shapes"]:
        ours, theirs = row["annuaire"], row["slapd"]
        shown.add_row(
            row["about"],
            f"{ours['rates']:,.0f}",
            f"{theirs['rates']:,.0f}" if theirs else "",
            f"{row['ratio']:.2f}" if row["ratio"] else "",
            *(f"{found[share]:.1f}" if found else "" for found in (ours, theirs) for share in ("p50", "p99")),
        )
    output = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    output.print(shown)
    disk = result["syncs"]
    output.print(
        f"the disk took {disk['median']:,.0f} syncs a second ({disk['least']:,.0f} to {disk['most']:,.0f})"
    )
    targets.tell(output, judged)
    return targets.status(judged, options.target_check)
