"""What was written to the store and refreshed answers as an index built anew: added, changed, moved, deleted."""

import random
from collections.abc import Iterator
from pathlib import Path

import generated_requests
import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing

from annuaire.actions import initialise, refresh
from annuaire.actions.refresh import StoreSource
from annuaire.domain import account
from annuaire.domain.audience import Audience
from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, dn, filters, tree
from annuaire.store.engine import Writer
from annuaire.store.entries import EntryRow, Moved, NewEntry

SEED = 11
ROUNDS = 8


@pytest.fixture
def source(tmp_path: Path) -> Iterator[StoreSource]:
    """A store with its first entries."""
    source = StoreSource("", tmp_path / "var", SUFFIX)
    initialise.initialise(source.store(), tree.plant(SUFFIX, (), invented.SCHEMA), invented.SCHEMA)
    yield source
    source.store().close()


def new(thing: Thing, identity: bytes | None = None) -> NewEntry:
    parent = thing.key.rpartition(b"\0")[0]
    octets = ber.encode_attributes(thing.attributes)
    own = thing.uuid.bytes if identity is None else identity
    described = account.described(thing.attributes, own)
    return NewEntry(thing.key, parent, thing.dn, own, octets, thing.passwords, "person", *described)


def named(rdn: str, parent: str, chance: random.Random, number: int) -> Thing:
    return Thing(
        f"{rdn},{parent}", invented.odd_attributes(chance, number), 0, invented.odd_passwords(chance)
    )


def moved(row: EntryRow, name: str) -> Moved:
    key = dn.key(dn.parse(name), invented.SCHEMA)
    return Moved(row.id, key, key.rpartition(b"\0")[0], name)


class Life:
    """What happens to a store: people come, change, go, and move with all that is below them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.count = 0

    def turn(self, writer: Writer) -> None:
        rows = list(writer.subtree(dn.key(dn.parse(APICRYPT), invented.SCHEMA)))
        chance = self.chance
        kind = chance.random()
        parent = APICRYPT if not rows or chance.random() < 0.6 else chance.choice(rows).dn
        if kind < 0.4 or len(rows) < 5:
            self.count += 1
            # Names come back: under one that was deleted or moved away there may be another entry later.
            name = f"uid=odd{chance.randrange(40)}"
            thing = named(name, parent, chance, self.count)
            if writer.entry(thing.key) is None:
                writer.add(new(thing, self.count.to_bytes(16, "big")))
            return
        row = chance.choice(rows)
        if kind < 0.65:
            attributes = invented.odd_attributes(chance, self.count)
            described = account.described(attributes, row.uuid)
            octets = ber.encode_attributes(attributes)
            writer.replace(row, octets, invented.odd_passwords(chance), "person", *described)
        elif kind < 0.8:
            if not writer.has_children(row.key):
                writer.delete(row)
        elif kind < 0.95:
            self.move(writer, row, f"uid=odd{chance.randrange(40)},{parent}")
        else:
            self.swap(writer, row, chance.choice(rows))

    def move(self, writer: Writer, row: EntryRow, name: str) -> None:
        target = dn.key(dn.parse(name), invented.SCHEMA)
        if writer.entry(target) is None and not (target + b"\0").startswith(row.key + b"\0"):
            below = list(writer.subtree(row.key))
            writer.move(
                [(one, moved(one, one.dn[: len(one.dn) - len(row.dn)] + name)) for one in (row, *below)]
            )

    def swap(self, writer: Writer, one: EntryRow, other: EntryRow) -> None:
        if one.id != other.id and not (writer.has_children(one.key) or writer.has_children(other.key)):
            writer.move([(one, moved(one, other.dn)), (other, moved(other, one.dn))])


def things_in(source: StoreSource) -> list[Thing]:
    with source.store().reading() as reader:
        return [Thing(row.dn, ber.decode_attributes(row.attributes)) for row in reader.entries(limit=10_000)]


@pytest.mark.parametrize("at_once", [1, 5000])
def test_refreshing_and_building_anew_answer_alike(
    source: StoreSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(refresh, "CHANGES_AT_ONCE", at_once)
    life = Life(SEED + at_once)
    folder = IndexFolder(tmp_path / "index")
    with source.store().writing("cn=admin") as writer:
        for _ in range(30):
            life.turn(writer)
    refresh.refresh(source, folder)
    client = Client(folder)
    for number in range(ROUNDS):
        for _ in range(3):
            with source.store().writing("cn=admin") as writer:
                for _ in range(7):
                    life.turn(writer)
            if number % 2:
                refresh.refresh(source, folder)
        head = refresh.refresh(source, folder)
        anew = IndexFolder(tmp_path / f"anew{number}")
        assert refresh.rebuild(source, anew) == head
        other = Client(anew)
        things = things_in(source)
        generator = generated_requests.Generator(things, SEED * number)
        for turn in range(80):
            request = generator.request()
            asked = {
                "base": request.base,
                "scope": request.scope,
                "attributes": request.attributes,
                "size": turn // 4 % 4,
            }
            # Administrators find what is written, the sphere the people computed from it.
            audience = (Audience.ADMIN, Audience.APICRYPT, Audience.ADMIN, Audience.PUBLIC)[turn % 4]
            answers = [b"".join(one.chunks(request.filter, audience, **asked)) for one in (client, other)]
            assert answers[0] == answers[1], f"{asked} {filters.format(request.filter)}"
        for audience in Audience:
            everything = [b"".join(one.chunks("(objectClass=*)", audience)) for one in (client, other)]
            assert everything[0] == everything[1]
        assert client.ask("(mail=*)", Audience.APICRYPT).names, "nobody was computed of the accounts"
        for thing in things:
            accounts = [one.directory.account(thing.dn) for one in (client, other)]
            assert accounts[0] == accounts[1]
        other.close()
    assert folder.current() == 1, "all of it went through the recent part"
    client.close()


def test_a_reader_sees_a_change_as_soon_as_refresh_returned(source: StoreSource, tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "index")
    refresh.refresh(source, folder)
    client = Client(folder)
    chance = random.Random(1)
    for number in range(5):
        thing = named(f"uid=n{number}", APICRYPT, chance, number)
        with source.store().writing() as writer:
            writer.add(new(thing))
        assert client.ask("(&)", base=thing.dn).code == 32
        reached = refresh.refresh(source, folder)
        answer = client.ask("(&)", base=thing.dn, scope=0)
        assert answer.entries == [(thing.dn, thing.attributes)]
        assert client.reader.snapshot().change == reached
        client.reader.snapshot().end()
    client.close()


def test_refreshing_when_nothing_changed_writes_nothing(source: StoreSource, tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "index")
    head = refresh.refresh(source, folder)
    written = (folder.recent(1) / "data.mdb").read_bytes()  # where the log of views begins, and no entry
    assert refresh.refresh(source, folder) == head
    assert (folder.recent(1) / "data.mdb").read_bytes() == written
    assert folder.current() == 1


def test_many_recent_entries_are_put_into_a_new_base(
    source: StoreSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "RECENT_MAX", 10)
    folder = IndexFolder(tmp_path / "index")
    refresh.refresh(source, folder)
    client = Client(folder)
    chance = random.Random(2)
    seen = set()
    for number in range(30):
        with source.store().writing() as writer:
            writer.add(new(named(f"uid=n{number}", APICRYPT, chance, number)))
        refresh.refresh(source, folder)
        assert len(client.ask("(&)", base=APICRYPT).names) == number + 1 + 1
        seen.add(folder.current())
    assert len(seen) > 2
    assert [path.name for path in folder.path.iterdir() if path.name.isdigit()] == [str(folder.current())]
    client.close()
