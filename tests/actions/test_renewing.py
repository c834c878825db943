"""A new base is made beside the one in use: writers wait for none, and what they wrote meanwhile is in it."""

from pathlib import Path

import pytest
import serving
from ldap_writes import Doors, modify

from annuaire.actions import refresh, renewing
from annuaire.actions.source import StoreSource
from annuaire.index import part
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.reader import Reader
from annuaire.store.entries import EntryRow

PEOPLE = Path(__file__).parents[2] / "fixtures" / "apicrypt.ldif"


class Place:
    """What `Doors` asks of a state."""

    def __init__(self, state: Path) -> None:
        self.source = StoreSource("", state, serving.SUFFIX)
        self.folder = IndexFolder(state / "index")
        with self.source.store().reading() as reader:
            self.people: list[EntryRow] = [row for row in reader.subtree(b"") if row.person is not None]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    serving.fill(tmp_path / "var", PEOPLE)
    monkeypatch.setattr(refresh, "RECENT_MAX", 5)
    monkeypatch.setattr(part, "KEPT_LIGHTER", 1)
    return Place(tmp_path / "var")


def written(place: Place) -> int:
    return renewing._written(place.source, place.folder)


def found(place: Place, value: str) -> bool:
    """Whether the index has somebody with this telephone number."""
    reader = Reader(place.folder, Numbering(place.source.schema()))
    snapshot = reader.snapshot()
    try:
        texts = [
            sight.part.record(number)
            for sight in snapshot.sights
            for number in range(sight.part.count)
            if number not in sight.gone
        ]
        return any(value.encode() in text for text in texts)
    finally:
        snapshot.end()


def telephone(place: Place, number: int) -> str:
    """Give one of the people, each time another one, a number of their own."""
    value = f"01 99 00 00 {number:02d}"
    outcome = Doors(place).administrator(
        modify(place.people[number].dn, ("replace", "telephoneNumber", value))
    )
    assert outcome.code == 0, outcome
    return value


def test_who_writes_waits_for_no_new_base_and_who_follows_the_store_makes_it(place: Place) -> None:
    before = place.folder.current()
    values = [telephone(place, number) for number in range(4)]
    assert place.folder.current() == before
    assert written(place) > refresh.RECENT_MAX
    assert renewing.renew(place.source, place.folder)
    assert place.folder.current() != before
    assert written(place) == 0
    assert all(found(place, value) for value in values)
    assert not renewing.renew(place.source, place.folder)


def test_what_is_written_during_a_build_is_in_it_however_much(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = refresh.build.build
    values: list[str] = []

    def slow(*arguments, **named):
        entries = real(*arguments, **named)
        values.extend(telephone(place, number) for number in range(8))
        return entries

    monkeypatch.setattr(refresh.build, "build", slow)
    refresh.rebuild(place.source, place.folder)
    assert len(values) == 8 > refresh.RECENT_MAX
    assert all(found(place, value) for value in values)
    assert not refresh.is_behind(place.source, place.folder)


def test_where_there_is_no_index_nothing_is_renewed(place: Place, tmp_path: Path) -> None:
    assert not renewing.renew(place.source, IndexFolder(tmp_path / "nowhere"))
