"""Statements that go straight to the driver, on the real databases: their faults, and parts that are undone alone."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_places
from sqlalchemy.exc import IntegrityError

from annuaire.errors import Unavailable
from annuaire.store import direct
from annuaire.store.choices import ChoiceRow
from annuaire.store.direct import Direct, Statement
from annuaire.store.engine import Store, Writer
from annuaire.store.entries import EntryRow, NewEntry

CHOICE = ChoiceRow("jeanne@medical59.apicrypt.org", "listeRouge", True, "20261105120000Z", "cli")


class RefusedError(Exception):
    """Why a part is given up."""


@pytest.fixture(params=store_places.PLACES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that went to the driver this way."""
    seen: list[str] = []
    real = Direct._sent

    def noted(self: Direct, statement: Statement, values: direct.Values = ()) -> object:
        seen.append(statement.marked)
        return real(self, statement, values)

    monkeypatch.setattr(Direct, "_sent", noted)
    return seen


def new(name: str) -> NewEntry:
    return NewEntry(name.encode(), b"", name, os.urandom(16), b"a", None, "organization")


def added(writer: Writer, name: str) -> EntryRow:
    return writer.add(new(name))


def names(store: Store) -> list[str]:
    with store.reading() as reader:
        return [row.dn for row in reader.entries()]


def test_a_part_that_changes_nothing_is_no_savepoint(store: Store, sent: list[str]) -> None:
    with store.writing() as writer:
        with writer.savepoint():
            assert writer.entry(b"o=x") is None
        with pytest.raises(RefusedError), writer.savepoint():
            raise RefusedError
    assert not [one for one in sent if "SAVEPOINT" in one]


def test_what_was_done_before_in_the_transaction_stays_when_a_part_is_undone(store: Store) -> None:
    with store.writing() as writer:
        added(writer, "o=x")
        with pytest.raises(RefusedError), writer.savepoint():  # noqa: PT012
            assert writer.entry(b"o=x") is not None
            added(writer, "o=y")
            writer.keep_choice(CHOICE)
            raise RefusedError
        assert writer.entry(b"o=y") is None
        assert writer.choices_of(CHOICE.account) == []
        with writer.savepoint():
            added(writer, "o=z")
    assert names(store) == ["o=x", "o=z"]
    with store.reading() as reader:
        assert [(one.number, one.key) for one in reader.changes_since(0, 9)] == [(1, b"o=x"), (2, b"o=z")]


def test_what_is_sent_another_way_is_undone_with_its_part(store: Store) -> None:
    with store.writing() as writer:
        row = added(writer, "o=x")
        with pytest.raises(RefusedError), writer.savepoint():  # noqa: PT012
            writer.identify({row.id: ("899900000011", "jeanne@medical59.apicrypt.org")})
            raise RefusedError
        with writer.savepoint():
            writer.move_account("one@medical59.apicrypt.org", CHOICE.account)
    with store.reading() as reader:
        assert reader.entry(b"o=x") == row


def test_a_part_that_the_database_refuses_leaves_the_others(store: Store) -> None:
    with store.writing() as writer:
        added(writer, "o=x")
        with pytest.raises(IntegrityError) as caught, writer.savepoint():
            added(writer, "o=x")
        with writer.savepoint():
            added(writer, "o=y")
    assert names(store) == ["o=x", "o=y"]
    # Nobody finds in a log what was to be written.
    assert "organization" not in str(caught.value).replace("structural", "")


def test_changes_are_there_with_what_they_are_about(store: Store) -> None:
    with pytest.raises(RefusedError), store.writing() as writer:  # noqa: PT012
        added(writer, "o=x")
        raise RefusedError
    with store.reading() as reader:
        assert reader.changes_since(0, 9) == []
    with store.writing("cn=admin", "20261105120000Z") as writer:
        row = added(writer, "o=x")
        writer.record_holder("899900000011")
        writer.delete(row)
    with store.reading() as reader:
        assert [(one.number, one.kind, one.at) for one in reader.changes_since(0, 9)] == [
            (number, kind, "20261105120000Z") for number, kind in ((1, "add"), (2, "holder"), (3, "delete"))
        ]


def test_an_entry_that_describes_somebody_else_is_found_as_theirs(store: Store) -> None:
    with store.writing() as writer:
        row = added(writer, "o=x")
        for person, account in (("8999", "a@x"), ("8999", "b@x"), ("8998", "b@x"), (None, None)):
            row = writer.replace(row, b"b", None, "person", person, account)
            assert writer.entry(b"o=x") == row
            assert (row.person, row.account) == (person, account)
        assert writer.replace(row, b"c", b"p", "device", None, None) == writer.entry(b"o=x")


def test_a_connection_that_is_lost_is_trouble_that_passes(store: Store) -> None:
    if store.embedded:
        pytest.skip("a file has no connection to lose")
    import psycopg

    with pytest.raises(Unavailable), store.writing() as writer, writer.savepoint():  # noqa: PT012
        added(writer, "o=x")
        [own] = writer._direct.row(Statement("SELECT pg_backend_pid()"))
        with psycopg.connect(store_places.POSTGRESQL, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (own,))
        added(writer, "o=y")
    assert names(store) == []
    with store.writing() as writer:
        added(writer, "o=z")
    assert names(store) == ["o=z"]
