"""What was written to the store and refreshed answers as an index built anew: added, changed, moved, deleted."""

import random
from collections.abc import Iterator
from pathlib import Path

import generated_requests
import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing
from lives import Life, named, new

from annuaire.actions import initialise, refresh, stretch
from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, filters, tree

SEED = 11
ROUNDS = 8


@pytest.fixture
def source(tmp_path: Path) -> Iterator[StoreSource]:
    """A store with its first entries."""
    source = StoreSource("", tmp_path / "var", SUFFIX)
    initialise.initialise(source.store(), tree.plant(SUFFIX, (), invented.SCHEMA), invented.SCHEMA)
    yield source
    source.store().close()


def things_in(source: StoreSource) -> list[Thing]:
    with source.store().reading() as reader:
        return [Thing(row.dn, ber.decode_attributes(row.attributes)) for row in reader.entries(limit=10_000)]


@pytest.mark.parametrize("at_once", [1, 5000])
def test_refreshing_and_building_anew_answer_alike(
    source: StoreSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(stretch, "CHANGES_AT_ONCE", at_once)
    life = Life(SEED + at_once)
    folder = IndexFolder(tmp_path / "index")
    with source.store().writing("cn=admin") as writer:
        for _ in range(30):
            life.turn(writer)
    refresh.refresh(source, folder)
    client = Client(folder)
    for number in range(ROUNDS):
        ready = []
        for _ in range(3):
            with source.store().writing("cn=admin") as writer:
                before = writer.head()
                for _ in range(7):
                    life.turn(writer)
            ready.append(stretch.ahead(source, before, writer.head()))
            assert ready[-1] is not None
            if number % 3 == 2:
                refresh.refresh(source, folder)
        # Three writers who have worked out their own: one after the other, or all of them too late.
        for ahead in ready if number % 3 == 0 else ready[::-1]:
            assert ahead is not None
            upto = ahead.stretch.upto
            reached = refresh.refresh(source, folder, wanted=upto, ahead=ahead)
            assert reached == upto if number % 3 == 0 else reached > upto or ahead is ready[-1]
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


def test_nothing_is_worked_out_ahead_of_what_others_have_committed(source: StoreSource) -> None:
    chance = random.Random(3)
    heads = []
    for number in range(2):
        with source.store().writing() as writer:
            heads.append(writer.head())
            writer.add(new(named(f"uid=n{number}", APICRYPT, chance, number)))
    assert stretch.ahead(source, heads[0], heads[1]) is None
    assert stretch.ahead(source, heads[1], writer.head()) is not None


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
