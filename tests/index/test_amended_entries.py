"""Entries that keep their place and entries written anew: what is found of them besides what searches show."""

from collections.abc import Generator
from pathlib import Path

import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import amending, growing, part, ranking
from annuaire.index.amending import Changed
from annuaire.index.folder import IndexFolder
from annuaire.index.ranking import Rankings
from annuaire.ldap import ber

ROOT = Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]})
PASSWORD = ber.encode_attributes({"userPassword": [b"{CLEARTEXT}x"]})
OTHER = ber.encode_attributes({"userPassword": [b"{CLEARTEXT}y"]})


@pytest.fixture
def folder(tmp_path: Path) -> IndexFolder:
    return IndexFolder(tmp_path / "index")


def person(passwords: bytes | None = PASSWORD, name: str = "a", **more: bytes) -> Thing:
    attributes = {"cn": b"Martin", "sn": b"Martin", "telephoneNumber": b"1", **more}
    held = {description: [value] for description, value in attributes.items()}
    classes = {"objectClass": [b"inetOrgPerson"], "uid": [name.encode()]}
    return Thing(f"uid={name},{APICRYPT}", classes | held, int(Audience.ADMIN), passwords)


def test_a_password_stays_with_its_entry_whatever_else_changes(folder: IndexFolder) -> None:
    invented.make_base(folder, [ROOT, person()])
    client = Client(folder)
    steps = [
        (person(), b"x"),
        (person(telephoneNumber=b"2"), b"x"),  # in its place
        (person(sn=b"Durand"), b"x"),  # anew, in the recent part
        (person(sn=b"Durand", telephoneNumber=b"3"), b"x"),
        (person(sn=b"Durand", mobile=b"4"), b"x"),
        (person(OTHER, sn=b"Durand", mobile=b"4"), b"y"),
        (person(OTHER), b"y"),
        (person(None), None),
        (person(None, sn=b"Durand"), None),
        (person(sn=b"Durand"), b"x"),
    ]
    for change, (thing, password) in enumerate(steps, 2):
        invented.write(folder, [thing.key], [thing], change)
        expected = () if password is None else (b"{CLEARTEXT}" + password,)
        assert client.directory.passwords(thing.key) == expected, change
    invented.write(folder, [person().key], [], 99)
    assert client.directory.passwords(person().key) == ()
    client.close()


def test_a_name_changed_forth_and_back_is_found_as_it_is_and_only_so(
    folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By words that the base does not know, which stand in a list of their own, each once."""
    invented.make_base(folder, [ROOT, person(), person(name="b", sn=b"Durand")])
    client = Client(folder)
    asked = ("(sn=*bul*)", "(sn=zeb*)", "(sn=*zebulon*)", "(sn=Zebulon)", "(sn~=zebulon)", "(mobile=*)")
    before = ("(sn=*art*)", "(sn=mart*)", "(sn=Martin)")
    for change in range(2, 8):
        new = change % 2 == 0
        more = {"sn": "Zébulon".encode(), "mobile": b"1"} if new else {}
        invented.write(folder, [], [person(**more)], change)
        for filter_ in asked:
            assert bool(client.ask(filter_).entries) == new, (change, filter_)
        for filter_ in before:
            assert bool(client.ask(filter_).entries) != new, (change, filter_)
        assert client.ask("(cn=*art*)").entries
    snapshot = client.reader.snapshot()
    assert snapshot.recent is not None
    assert snapshot.recent.part.count == 0, "it was written anew"
    monkeypatch.setattr(part, "KEPT_LIGHTER", 1)
    assert part.written(snapshot.recent.part.meta) == 2, "one entry and one word"
    assert snapshot.base.part.words_with("bul", 9) == ["zebulon"]
    snapshot.end()
    client.close()


def test_an_entry_of_a_base_that_is_given_another_least_cn_stands_elsewhere(folder: IndexFolder) -> None:
    invented.make_base(folder, [ROOT, person(), person(name="b", cn=b"Noir")])
    invented.write(folder, [], [person(cn=b"Zorn")], 2)
    client = Client(folder)
    snapshot = client.reader.snapshot()
    assert snapshot.recent is not None
    assert snapshot.recent.part.count == 1
    assert len(snapshot.base.gone) == 1
    snapshot.end()
    # There it keeps its place: nothing is in the order of names.
    invented.write(folder, [], [person(cn=b"Abel")], 3)
    snapshot = client.reader.snapshot()
    assert snapshot.recent is not None
    assert snapshot.recent.part.count == 1
    snapshot.end()
    assert client.ask("(cn=a*)").entries
    assert not client.ask("(|(cn=z*)(cn=m*))").entries
    client.close()


@pytest.mark.parametrize("first", [PASSWORD, None])
def test_only_a_password_that_changes_is_another_in_its_place(
    folder: IndexFolder, first: bytes | None
) -> None:
    invented.make_base(folder, [ROOT, person(first)])
    client = Client(folder)
    for change, passwords in enumerate((OTHER, PASSWORD, None, OTHER), 2):
        invented.write(folder, [], [person(passwords)], change)
        value = () if passwords is None else (passwords[-12:],)
        assert client.directory.passwords(person().key) == value
    snapshot = client.reader.snapshot()
    assert snapshot.recent is not None
    assert snapshot.recent.part.count == 0, "it was written anew"
    snapshot.end()
    client.close()


def test_a_view_does_not_move_with_what_only_administrators_see(folder: IndexFolder) -> None:
    """A group of which strangers are shown less, with a password that belongs to what administrators see."""

    def group(number: int) -> list[Thing]:
        shown = {"objectClass": [b"groupOfNames"], "cn": [b"g"], "member": [b"cn=a,dc=x"]}
        whole = shown | {"member": [b"cn=a,dc=x", b"cn=h%d,dc=x" % number]}
        name = f"cn=g,{APICRYPT}"
        return [
            Thing(name, shown, int(Audience.PUBLIC)),
            Thing(name, whole, int(Audience.ADMIN), PASSWORD),
        ]

    invented.make_base(folder, [ROOT, *group(0)])
    invented.write(folder, [], [], 2)
    client = Client(folder)
    before = client.reader.snapshot().views
    for number in range(1, 4):
        invented.write(folder, [group(0)[0].key], group(number), 2 + number)
    after = client.reader.snapshot().views
    assert after[int(Audience.PUBLIC)] == before[int(Audience.PUBLIC)]
    assert after[int(Audience.ADMIN)].rows == 3
    client.close()


@pytest.mark.parametrize("changed", ["sn", "telephoneNumber"])
def test_what_a_writer_committed_and_told_nobody_is_seen_whole(
    folder: IndexFolder, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """It was killed between the two, or has not come so far: each entry is found once, as it is."""
    invented.make_base(folder, [ROOT, person(), person(name="b")])
    invented.write(folder, [], [person(name="c")], 2)
    client = Client(folder)
    for change, name in enumerate("abcabc", 3):
        client.ask("(uid=*)")
        thing = person(name=name, **{changed: b"x%d" % change})
        with monkeypatch.context() as patch:
            patch.setattr(IndexFolder, "announce", lambda self, change=0: None)
            invented.write(folder, [], [thing], change)
        assert client.ask(f"({changed}=x{change})").names == [thing.dn]
        assert sorted(client.ask("(cn=martin)").names) == [f"uid={one},{APICRYPT}" for one in "abc"]
    client.close()


class Slow:
    """A clock by which every slice is over at once."""

    def over(self) -> bool:
        return True

    def restart(self) -> None:
        """Over again at once."""


class BySurname:
    name, reversed = ("sn",), (False,)

    def texts(self, part: object, record: bytes) -> list[str]:
        return [record[-12:].decode("latin-1")]


def test_an_order_that_was_begun_of_another_base_holds_up_nobody(
    folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "Clock", Slow)
    monkeypatch.setattr(ranking.gather, "VERIFIED_AT_ONCE", 1)
    people = [person(name=f"p{number}", sn=b"x%d" % (number * 7919 % 1000)) for number in range(50)]
    invented.make_base(folder, [ROOT, *people])
    # Amended, so that the base is read through a recent part.
    again = [person(name=f"p{n}", sn=b"x%d" % (n * 7919 % 1000), telephoneNumber=b"2") for n in range(50)]
    invented.write(folder, [], again)
    client, rankings, order = Client(folder), Rankings(), BySurname()

    def begin() -> Generator[None, None, ranking.Ids]:
        snapshot = client.reader.snapshot()
        return rankings.of(snapshot.number, snapshot.base, int(Audience.ADMIN), order)  # type: ignore[arg-type]

    left, waiting = begin(), begin()
    next(left)
    next(waiting)
    former = client.reader.snapshot()
    former.end()
    invented.make_base(folder, [ROOT, *again])
    latest = begin()
    former.begin()
    for _ in range(5):
        next(waiting)  # whoever still reads the former base
    former.end()
    assert len(finished(latest)) == 51
    former.begin()
    assert len(finished(waiting)) == 51
    former.end()
    client.close()


def finished(work: Generator[None, None, ranking.Ids]) -> ranking.Ids:
    while True:
        try:
            next(work)
        except StopIteration as end:
            ids: ranking.Ids = end.value
            return ids


def test_long_texts_are_not_remembered() -> None:
    for remembered, work in (
        (amending._known_postings, lambda text: amending.postings_of(Changed(1, text, text + "b"))),
        (growing._known_terms, growing._terms),
    ):
        remembered.cache_clear()
        for size in (10, 5_000):
            work("\x02" + "a" * size + "\x03")
        assert remembered.cache_info().currsize == 1
