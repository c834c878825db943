"""Whatever happens to the sources and in what order, views are those of what they say now: followed or built anew."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import both_directories as both
import pytest
import store_places
import told_sources as told
from told_sources import INTEROP, NATIVE, SCHEMA, activity, person, rpps, structure

from annuaire.actions import comparing, refresh
from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.errors import Refused
from annuaire.index.entry import IndexEntry
from annuaire.index.facts import FactsReader
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import filters, messages
from annuaire.ldap.messages import Message, SearchRequest
from annuaire.store import engine

SEEDS = range(4)
ROUNDS = 20

UIDS = [f"u{number}" for number in range(6)]
HOLDERS = [rpps(number) for number in range(4)]
DOMAINS = ["ch-exemple.mssante.fr", "medecin.mssante.fr", "hors-liste.mssante.fr"]
SHARED = [f"garde@{domain}" for domain in DOMAINS[:2]]

# Everything that the national list may hold at some moment.
LINES = [
    *(person(holder, f"m{holder[-2:]}@{domain}") for holder in HOLDERS for domain in DOMAINS),
    *(
        person(holder, f"m{holder[-2:]}@{DOMAINS[0]}", service="URGENCES", dematerialisation="O")
        for holder in HOLDERS
    ),
    *(person(holder, address) for holder in HOLDERS[:3] for address in SHARED),
    *(person(holder, f"u0@{INTEROP}") for holder in HOLDERS[:2]),
    person(HOLDERS[0], f"u0@{NATIVE}"),
    person(rpps(99), f"seule@{DOMAINS[1]}", nom="MARTIN", prenom="Zoé"),
    *(structure(f"boite@{domain}", service=service) for domain in DOMAINS for service in ("A", "B")),
    structure(SHARED[0]),
]
ACTIVITIES = [
    activity(holder, commune=town, raison_sociale=house)
    for holder in (*HOLDERS, rpps(99))
    for town, house in (("Arras", "CABINET"), ("Lens", "CLINIQUE"))
]


class Life:
    """What happens to a directory, from a seed."""

    def __init__(self, source: StoreSource, seed: int) -> None:
        self.store = source.store()
        self.chance = random.Random(seed)
        self.happened: list[str] = []

    def turn(self) -> None:
        """One thing happens."""
        kinds: list[tuple[float, Callable[[], None]]] = [
            (0.45, self.write),
            (0.1, self.delete),
            (0.1, self.rename),
            (0.15, self.publish),
            (0.1, self.work),
            (0.1, self.list_domains),
        ]
        weights, acts = zip(*kinds, strict=True)
        (act,) = self.chance.choices(acts, weights)
        self.happened.append(act.__name__)
        act()

    def write(self) -> None:
        """An account comes, or changes; it may be another person's from now on, or no account any more."""
        chance = self.chance
        uid = chance.choice(UIDS)
        holder = chance.choice([*HOLDERS, *HOLDERS, None])
        attributes = told.account(
            uid,
            mail=chance.choice([f"{uid}@{NATIVE}", f"{uid}@{NATIVE}", f"{uid}.bis@{NATIVE}"]),
            IdentifiantPP=None if holder is None else holder[1:],
            apicryptVersion=chance.choice("1222"),
            apicryptInterop=chance.choice(["TRUE", "TRUE", "TRUE", "FALSE"]),
            apicryptInteropMail=chance.choice([f"{uid}@{INTEROP}", f"{uid}@{INTEROP}", None]),
            listeRouge=chance.choice(["TRUE", "FALSE", "FALSE"]),
            apicryptEtat=chance.choice(["actif", "actif", "actif", "suspendu", "resilie"]),
            profession=chance.choice(["10", "10", "71"]),
            sn=chance.choice(["DUPONT", "MARTIN"]),
            l=chance.choice(["LILLE", "PARIS"]),
        )
        if chance.random() < 0.1:
            attributes["objectClass"] = [b"inetOrgPerson"]
        told.write(self.store, uid, attributes)

    def delete(self) -> None:
        told.delete(self.store, self.chance.choice(UIDS))

    def rename(self) -> None:
        """Names come back: another account may lie there later."""
        told.rename(self.store, self.chance.choice(UIDS), f"cn={self.chance.choice('abc')}")

    def publish(self) -> None:
        """Another edition of the national list, in its own order."""
        told.publish(self.store, *self.chance.sample(LINES, self.chance.randrange(1, len(LINES))))

    def work(self) -> None:
        some = self.chance.sample(ACTIVITIES, self.chance.randrange(1, len(ACTIVITIES)))
        with contextlib.suppress(Refused):  # of nobody who is known: then nothing is written
            told.work(self.store, *some)

    def list_domains(self) -> None:
        told.list_domains(
            self.store, *self.chance.sample(DOMAINS, self.chance.randrange(1, len(DOMAINS) + 1))
        )


class Looking:
    """One index, looked at as every audience and as routing."""

    def __init__(self, folder: IndexFolder) -> None:
        numbering = Numbering(SCHEMA)
        self.reader = Reader(folder, numbering)
        settings = Settings(both.SUFFIX, SizeLimits({}, {}), 0.0)
        self.directory = Directory(self.reader, numbering, settings, bytes(32))
        self.facts = FactsReader(self.reader)

    def view(self, audience: Audience, attributes: tuple[bytes, ...] = (b"*", b"+")) -> bytes:
        """Everything that an audience finds, as octets of LDAP."""
        everything = filters.parse("(objectClass=*)")
        request = SearchRequest(
            both.SUFFIX.encode(), messages.SUBTREE, 0, 0, 0, False, everything, attributes
        )
        found = self.directory.search(Message(1, request, ()), audience, time.monotonic())
        return found if isinstance(found, bytes) else b"".join(found)

    def known(self) -> dict[str, object]:
        """What routing knows of every address and domain that there ever was."""
        addresses = [
            address
            for uid in UIDS
            for address in (f"{uid}@{NATIVE}", f"{uid}.bis@{NATIVE}", f"{uid}@{INTEROP}")
        ]
        told_of: dict[str, object] = {address: self.facts.account(address) for address in addresses}
        told_of |= {domain: self.facts.domain(domain) for domain in DOMAINS}
        return told_of | {"": self.facts.loaded()}

    def close(self) -> None:
        self.reader.close()


@pytest.fixture(params=store_places.PLACES)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSource]:
    with store_places.url(request.param) as url:
        engine.migrate(url, tmp_path / "var")
        source = StoreSource(url, tmp_path / "var", both.SUFFIX)
        both.begun(source)
        yield source
        source.store().close()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_index_that_followed_is_the_one_that_is_built_anew(
    source: StoreSource, tmp_path: Path, seed: int
) -> None:
    life = Life(source, seed)
    folder = IndexFolder(tmp_path / "index")
    for _ in range(10):
        life.turn()
    refresh.refresh(source, folder)
    followed = Looking(folder)
    builds = {folder.current()}
    met: dict[Audience, set[bytes]] = {audience: set() for audience in Audience}
    for number in range(ROUNDS):
        for _ in range(life.chance.randrange(1, 6)):
            life.turn()
        head = refresh.refresh(source, folder)
        builds.add(folder.current())
        assert list(comparing.differences(source, folder)) == [], life.happened
        for audience in Audience:
            met[audience].add(followed.view(audience))
        anew = IndexFolder(tmp_path / f"anew{number}")
        assert refresh.rebuild(source, anew) == head
        built = Looking(anew)
        for audience in Audience:
            assert followed.view(audience) == built.view(audience), life.happened
        assert followed.known() == built.known(), life.happened
        built.close()
    followed.close()
    assert len(builds) <= 2, "all but the first liste blanche went through the recent part"
    assert set(life.happened) == {"write", "delete", "rename", "publish", "work", "list_domains"}
    for views in met.values():
        assert len(views) > 4, "little happened in the view of somebody"


# ------------------------------------------------------------------ the order of imports


def test_the_order_of_imports_changes_nothing(tmp_path: Path) -> None:
    """Times aside: they tell when a source was heard, and each order hears it at another moment."""
    lines = [
        *(person(HOLDERS[0], f"anne@{domain}", l6="59000 LILLE") for domain in DOMAINS[:2]),
        person(HOLDERS[1], "luc@medecin.mssante.fr", nom="MARTIN", prenom="Luc", l6="62000 ARRAS"),
        person(HOLDERS[1], "luc@ch-exemple.mssante.fr", nom="MARTIN", prenom="Luc", service="URGENCES"),
        structure("imagerie@ch-exemple.mssante.fr", service="SCANNER"),
        structure("imagerie@ch-exemple.mssante.fr", service="RADIOLOGIE"),
        person(HOLDERS[0], "garde@ch-exemple.mssante.fr"),
        person(HOLDERS[1], "garde@ch-exemple.mssante.fr"),
    ]
    activities = [
        activity(HOLDERS[0], commune="Dunkerque", raison_sociale="A"),
        activity(HOLDERS[0], commune="Lens", raison_sociale="B"),
        activity(HOLDERS[1], commune="Arras"),
    ]
    accounts = {
        "anne": told.account("anne", IdentifiantPP=HOLDERS[0][1:]),
        "anne2": told.account("anne2", IdentifiantPP=HOLDERS[0][1:], sn="DUPONT-MARTIN"),
        "luc": told.account("luc", IdentifiantPP=HOLDERS[1][1:], sn="MARTIN", listeRouge="TRUE"),
    }
    chance = random.Random(5)
    found = []
    for number, order in enumerate(itertools.permutations(("accounts", "mailboxes", "list"))):
        source = StoreSource("", tmp_path / str(number), both.SUFFIX)
        both.begun(source)
        store = source.store()
        for what in order:
            if what == "accounts":
                for uid in chance.sample(list(accounts), len(accounts)):
                    told.write(store, uid, accounts[uid])
            elif what == "mailboxes":
                told.publish(store, *chance.sample(lines, chance.randrange(1, len(lines))))
                told.publish(store, *chance.sample(lines, len(lines)))
            else:
                told.list_domains(store, "ch-exemple.mssante.fr", "medecin.mssante.fr")
        told.work(store, *chance.sample(activities, len(activities)))
        found.append(sorted(map(timeless, told.computed(source)), key=lambda one: (one.key, one.audiences)))
        store.close()
    assert len(found[0]) > 6
    assert all(one == found[0] for one in found)


def timeless(entry: IndexEntry) -> IndexEntry:
    kept = {name: v for name, v in entry.operational.items() if not name.endswith("Timestamp")}
    return entry._replace(operational=kept)
