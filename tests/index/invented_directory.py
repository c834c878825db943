"""Invented entries, an index made of them in this process, and a client that asks it.

The sixty people of fixtures/ and some hundreds of odd ones: names in every script and spelling, values that fold
to nothing, entries under a parent that the asker does not see. Everything follows from a seed.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from annuaire.domain.audience import Audience
from annuaire.importing import ldif
from annuaire.index import build, layout
from annuaire.index.entry import IndexEntry
from annuaire.index.folder import IndexFolder, Manifest
from annuaire.index.part import Part
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader, schema_digest
from annuaire.index.search import Directory, Settings
from annuaire.index.writer import RecentWriter
from annuaire.ldap import ber, dn, filters, messages, responses
from annuaire.ldap import schema as schemas
from annuaire.ldap.messages import Control, Message, SearchRequest

SCHEMA = schemas.standard()
SUFFIX = "o=apicrypt,c=FR"
APICRYPT = f"ou=apicrypt,{SUFFIX}"
PEOPLE = Path(__file__).resolve().parents[2] / "fixtures" / "apicrypt.ldif"
EVERYBODY = sum(Audience)
COOKIE_KEY = bytes(32)
VIEWS = "invented"  # what a manifest says of the settings of its views: searches never ask
SPACE_OF_UUIDS = uuid.UUID("00000000-0000-4000-8000-000000000000")


@dataclass(frozen=True)
class Thing:
    """An entry as the oracle reads it."""

    dn: str
    attributes: dict[str, list[bytes]]
    audiences: int = int(EVERYBODY)
    passwords: bytes | None = None
    stamp: str = "20260101000000Z"
    key: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", dn.key(dn.parse(self.dn), SCHEMA))

    @property
    def uuid(self) -> uuid.UUID:
        return uuid.uuid5(SPACE_OF_UUIDS, self.key.hex())

    @cached_property
    def everything(self) -> dict[str, list[bytes]]:
        """User and operational attributes."""
        return {**self.attributes, **self.operational}

    @cached_property
    def described(self) -> list[tuple[schemas.AttributeType, frozenset[str], list[bytes]]]:
        """Type, options and values of all that the schema knows."""
        known = [(SCHEMA.describe(description), some) for description, some in self.everything.items()]
        return [(one.type, one.options, some) for one, some in known if one.type is not None]

    @cached_property
    def operational(self) -> dict[str, list[bytes]]:
        return {
            "structuralObjectClass": [(SCHEMA.structural_class(self.attributes) or "top").encode()],
            "entryUUID": [str(self.uuid).encode()],
            "createTimestamp": [b"20250101000000Z"],
            "modifyTimestamp": [self.stamp.encode()],
            "entryDN": [self.dn.encode()],
            "subschemaSubentry": [b"cn=Subschema"],
        }

    def entry(self) -> IndexEntry:
        return IndexEntry(
            self.dn,
            self.key,
            ber.encode_attributes(self.attributes),
            self.operational,
            self.uuid.bytes,
            self.audiences,
            self.passwords,
        )


class Source:
    """What a build reads: a list."""

    def __init__(self, things: Iterable[Thing], pieces: int = 3) -> None:
        self.things = list(things)
        self.pieces = pieces

    def partitions(self) -> list[Any]:
        return list(range(self.pieces))

    def read(self, partition: Any) -> Iterator[IndexEntry]:
        return (thing.entry() for thing in self.things[partition :: self.pieces])

    def schema(self) -> schemas.Schema:
        return SCHEMA


NUMBERING = Numbering(SCHEMA)


def make_base(folder: IndexFolder, things: Iterable[Thing], change: int = 1) -> None:
    """Build a base of these and make it the current one."""
    source = Source(things)
    number = folder.free_number()
    base = folder.build(number) / "base"
    count = build.build(
        source, base, expected=len(source.things), processes=1, progress=lambda stage, done, total: None
    )
    size = (base / "data.mdb").stat().st_size
    schema = schema_digest(NUMBERING)
    folder.write_manifest(number, Manifest(layout.FORMAT, schema, VIEWS, change, count, size))
    with folder.locked():
        folder.switch(number)


def write(folder: IndexFolder, gone: Iterable[bytes], written: Iterable[Thing], change: int = 2) -> None:
    """Write to the recent part of the current build, as refresh does."""
    number = folder.current()
    assert number is not None
    with folder.locked():
        base = Part(folder.build(number) / "base", frozen=True)
        writer = RecentWriter(base, folder.recent(number), NUMBERING)
        writer.apply(gone, [thing.entry() for thing in written], change)
        base.close()
        folder.announce()


@dataclass
class Answered:
    """One answer, decoded: entries in their order and how the search ended."""

    entries: list[tuple[str, dict[str, list[bytes]]]]
    result: responses.Result
    controls: dict[str, bytes | None]
    octets: bytes
    chunks: int

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.entries]

    @property
    def code(self) -> int:
        return self.result.code


def decoded(octets: bytes, chunks: int = 1) -> Answered:
    entries: list[tuple[str, dict[str, list[bytes]]]] = []
    at = 0
    last: responses.Response | None = None
    while at < len(octets):
        _, _, end = ber.read(octets, at, len(octets))
        last = responses.decode_response(octets[at:end])
        if isinstance(last.operation, responses.Entry):
            entries.append((last.operation.dn.decode(), last.operation.attributes))
        else:
            assert end == len(octets), "something follows the end of the search"
        at = end
    assert last is not None
    assert isinstance(last.operation, responses.Result)
    return Answered(entries, last.operation, {c.oid: c.value for c in last.controls}, octets, chunks)


class Client:
    """Asks a Directory over an index folder."""

    def __init__(self, folder: IndexFolder, limits: SizeLimits | None = None, time_limit: float = 0) -> None:
        self.reader = Reader(folder, NUMBERING)
        settings = Settings(SUFFIX, limits or SizeLimits({}, {}), time_limit)
        self.directory = Directory(self.reader, NUMBERING, settings, COOKIE_KEY)

    def chunks(
        self,
        filter_: filters.Filter | str,
        audience: Audience = Audience.ADMIN,
        *,
        base: str = SUFFIX,
        scope: int = messages.SUBTREE,
        size: int = 0,
        seconds: int = 0,
        types_only: bool = False,
        attributes: tuple[str, ...] = (),
        controls: tuple[Control, ...] = (),
        now: float | None = None,
    ) -> list[bytes]:
        """The octets of the answer, as they come."""
        request = SearchRequest(
            base.encode(),
            scope,
            0,
            size,
            seconds,
            types_only,
            filters.parse(filter_) if isinstance(filter_, str) else filter_,
            tuple(name.encode() for name in attributes),
        )
        message = Message(7, request, controls)
        answer = self.directory.search(message, audience, time.monotonic() if now is None else now)
        return [answer] if isinstance(answer, bytes) else list(answer)

    def ask(
        self, filter_: filters.Filter | str, audience: Audience = Audience.ADMIN, **more: Any
    ) -> Answered:
        chunks = self.chunks(filter_, audience, **more)
        return decoded(b"".join(chunks), len(chunks))

    def close(self) -> None:
        self.reader.close()


# ------------------------------------------------------------------ who is in it


def fixture_people() -> list[Thing]:
    """The people of fixtures/apicrypt.ldif; everybody sees them."""
    found = []
    with PEOPLE.open("rb") as file:
        for record in ldif.read(file):
            attributes: dict[str, list[bytes]] = {}
            for description, value in record.attributes:
                attributes.setdefault(SCHEMA.canonical(description), []).append(value)
            passwords = attributes.pop("userPassword", None)
            kept = None if passwords is None else ber.encode_attributes({"userPassword": passwords})
            found.append(Thing(record.dn, attributes, int(EVERYBODY), kept))
    return found


GIVEN = (
    *("Jean", "JEAN-PIERRE", "jean pierre", "Jean\u00a0Marc", "Élodie", "elodie", "E\u0301lodie", "Mélanie"),
    *("Melanie", "Hélène", "HÉLÈNE", "Łukasz", "Søren", "İpek", "Işıl", "Anne-Laure", "Ξένια", "𝒜lice"),
    *(
        "Marie  Claude",
        "François",
        "Françoise",
        "Zoë",
        "Noël",
        "Maël",
        "Loïc",
        "Ýr",
        "吉",
        "𠮷",
        "Ana\u00adïs",
    ),
    *("Jean\u200bne", "Ma\x02rie", "\x03Luc\x00", "Ange\x1fla", "ﬁona", "Aïda\x1cZ", "B", "Ça", "DU"),
)
FAMILY = (
    *(
        "DUPONT",
        "Dupond",
        "DUPONT-MARTIN",
        "Du Pont",
        "d'Artois",
        "D’ARTOIS",
        "d Artois",
        "L'Hôte",
        "Œuvrard",
    ),
    *(
        "OEUVRARD",
        "Lefèvre",
        "LEFEVRE",
        "Strauß",
        "STRAUSS",
        "Ørsted",
        "Yıldız",
        "YILDIZ",
        "Đorđević",
        "Ångström",
    ),
    *(
        "Ærø",
        "ΣΊΣΥΦΟΣ",
        "Σίσυφος",
        "Nguyễn",
        "𠮷田",
        "吉田",
        "Marsan",
        "Mars",
        "Marseille",
        "O'Brien",
        "Saint-Just",
    ),
    *(
        "de La Tour",
        "Delatour",
        "Vallée‑Poussin",
        "Mac\tLeod",
        "A" * 47,
        "B" * 60 + "fin",
        "C" * 48,
        "X-Æ",
        "-",
        "'’",
    ),
    *("Dupont2", "dup", "Dumond", "Duont", "Pont", "Le", "Wu", "Ã", "u", "Durand", "Duran", "Surand"),
)
DOMAINS = (
    "medical59.apicrypt.org",
    "medical75.apicrypt.org",
    "Interop-MSSante.apicrypt.org",
    "hopital.exemple",
)
TOWNS = ("LILLE", "Saint-Étienne", "L'Haÿ-les-Roses", "Marseille", "Arras", "Nœux-les-Mines", "Y")
OPTIONS = ("", "", "", "", ";lang-fr", ";lang-fr-ca", ";lang-en", ";x-phonetic")


def odd_people(chance: random.Random, count: int, parents: list[str]) -> list[Thing]:
    """Invented people whose values try what goes wrong; nobody of them is in the schema's good books."""
    found = []
    for number in range(count):
        attributes = odd_attributes(chance, number)
        parent = chance.choice(parents)
        rdn = chance.choice(
            [
                f"uid=odd{number}",
                f"uid=Odd{number}+l=Lille",
                f"cn=N\\C2\\B0{number}\\, bis",
                f"uid=odd{number} " + "long" * 40,
            ]
        )
        found.append(Thing(f"{rdn},{parent}", attributes, odd_audiences(chance), odd_passwords(chance)))
    return found


def odd_audiences(chance: random.Random) -> int:
    kind = chance.random()
    if kind < 0.4:
        return int(EVERYBODY)
    return chance.choice([int(Audience.ADMIN), 0b111110, 0b100110, 0b100100, 0b110001, chance.randrange(64)])


def odd_passwords(chance: random.Random) -> bytes | None:
    return ber.encode_attributes({"userPassword": [b"{CLEARTEXT}x"]}) if chance.random() < 0.2 else None


def odd_attributes(chance: random.Random, number: int) -> dict[str, list[bytes]]:
    attributes: dict[str, list[bytes]] = {}

    def put(name: str, *values: str | bytes) -> None:
        description = SCHEMA.canonical(name + chance.choice(OPTIONS)) if name in ("cn", "sn", "l") else name
        kept = attributes.setdefault(description, [])
        for value in values:
            octets = value if isinstance(value, bytes) else value.encode()
            if octets not in kept:
                kept.append(octets)

    def sometimes(share: float) -> bool:
        return chance.random() < share

    given, family = chance.choice(GIVEN), chance.choice(FAMILY)
    kind = chance.random()
    if kind < 0.1:
        attributes["objectClass"] = [b"organizationalUnit"]
        put("ou", f"{chance.choice(TOWNS)} {family}")
    else:
        attributes["objectClass"] = chance.choice(
            [
                [b"inetOrgPerson"],
                [b"top", b"person"],
                [b"inetOrgPerson", b"apicryptUtilisateur"],
                [b"2.5.6.6"],
            ]
        )
        for _ in range(chance.randrange(1, 3)):
            put(
                "cn",
                f"{given} {family}",
                *[f"{family} {given} ({chance.choice(TOWNS)})"][: chance.randrange(2)],
            )
        put("sn", family)
        if sometimes(0.7):
            put("givenName", *{given, chance.choice(GIVEN)})
    if sometimes(0.8):
        local = f"{given}.{family}{number % 7 or ''}".lower()
        ascii_only = local.encode("ascii", "ignore").decode() or f"x{number}"
        put("mail", f"{ascii_only}@{chance.choice(DOMAINS)}")
    if sometimes(0.2):
        put("mail", f"Contact-{number % 5}@{chance.choice(DOMAINS)}".upper())
    put("uid", f"odd{number}")
    if sometimes(0.3):
        put("uid", f"Od.D-{number % 9} é")
    if sometimes(0.5):
        put("l", chance.choice(TOWNS))
    if sometimes(0.4):
        put("telephoneNumber", f"+33 3 53 01 {number % 100:02d}-{number % 10:02d}")
    if sometimes(0.3):
        put("description", f"Établissement n° {number}", chance.choice(["a*b(c)\\d", "zz", "FINESS 99", "-"]))
    if sometimes(0.05):
        put("description", "mot " * 1200 + f"queue{number}fin")
    if sometimes(0.5):
        put("apicryptVersion", chance.choice(["1", "2", "10"]))
        put("apicryptInterop", chance.choice(["TRUE", "FALSE"]))
    if sometimes(0.3):
        put("apicryptFinValidite", chance.choice(["20260101000000Z", "20251231235959Z", "202601010100+0100"]))
    if sometimes(0.3):
        put("IdentifiantPP", f"999{number % 50:08d}")
    if sometimes(0.2):
        put("seeAlso", f"UID=odd{number % 10}, {APICRYPT}", "cn=A  B,o=X")
    if sometimes(0.2):
        put("postalAddress", f"{number % 9} rue de l'{family}$59000 LILLE")
    if sometimes(0.2):
        put("userCertificate;binary", b"\x30\x03\x02\x01" + bytes([number % 256]))
    if sometimes(0.1):
        put("jpegPhoto", b"\xff\xd8\x00\x01\x02\x03" + bytes([number % 256]))
    if sometimes(0.02):
        put("jpegPhoto", bytes([number % 256]) * 9000)
    if sometimes(0.1):
        put("labeledURI", f"https://Exemple.org/{number % 4} Accueil")
    if sometimes(0.05):
        put("xInconnu", "?")
    if sometimes(0.05):
        put("o", "")
    return attributes


def folders() -> list[Thing]:
    """Places for odd people, one that only administrators see and one below it that others see."""

    def folder(name: str, parent: str, audiences: int = int(EVERYBODY)) -> Thing:
        return Thing(
            f"ou={name},{parent}", {"objectClass": [b"organizationalUnit"], "ou": [name.encode()]}, audiences
        )

    return [
        folder("comptes", SUFFIX, int(Audience.ADMIN)),
        folder("Caché", APICRYPT, int(Audience.ADMIN)),
        folder("Dedans", f"ou=Caché,{APICRYPT}"),
        folder("Nord", APICRYPT, 0b100110),
    ]


PARENTS = [
    *(APICRYPT, APICRYPT, APICRYPT, f"ou=Caché,{APICRYPT}", f"ou=Dedans,ou=Caché,{APICRYPT}"),
    *(f"ou=Nord,{APICRYPT}", f"ou=comptes,{SUFFIX}"),
]


def whole_directory(seed: int = 1, count: int = 400) -> list[Thing]:
    return [*fixture_people(), *folders(), *odd_people(random.Random(seed), count, PARENTS)]
