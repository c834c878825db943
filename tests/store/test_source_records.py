"""What sources say, read holder by holder: in octet order, in ranges that cover everything, with what several claim."""

import random

import pytest
import store_places
from sqlalchemy import insert

from annuaire.store import records, tables
from annuaire.store.entries import NewEntry
from annuaire.store.records import ACTIVITIES, MAILBOXES, RecordRow

AT = "20261123120000Z"
ANNE, JEAN = "899900000011", "899900000029"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def mailbox(holder: str, address: str, kind: str = "PER", more: str = "") -> RecordRow:
    return RecordRow(
        MAILBOXES, holder, f"{address}|{more}", address, f"{kind}|{address}|{'|' * 28}{more}", AT, AT
    )


def activity(holder: str, key: str) -> RecordRow:
    return RecordRow(ACTIVITIES, holder, key, "", f"8|{holder}|10{'|' * 14}", AT, AT)


def keep(store, *rows: RecordRow) -> None:
    with store.writing() as writer:
        writer._connection.execute(insert(tables.records), [row._asdict() for row in rows])


def accounts(store, *persons: str | None) -> None:
    with store.writing() as writer:
        for person in persons:
            number = writer.last_entry
            key = b"o=x%d" % number
            writer.add(NewEntry(key, b"", "o=x", number.to_bytes(16), b"a", None, "person", person))


def test_everything_said_of_a_holder_is_found_by_source_and_key(store):
    rows = [mailbox(ANNE, "a@x"), mailbox(ANNE, "b@x"), activity(ANNE, "0"), mailbox(JEAN, "c@x")]
    keep(store, *reversed(rows))
    with store.reading() as reader:
        assert reader.records_of(ANNE) == rows[:3]
        assert reader.records_of("nobody") == []
        assert reader.count_records(MAILBOXES) == 3
        assert reader.count_records(ACTIVITIES) == 1


def test_holders_are_in_the_order_of_their_octets(store):
    holders = ["a@x", "A-b", "é@x", "b@x", "B@x", "8", "0999", "a_x", "a.x", "𝒶@x", "z"]
    keep(store, *(mailbox(holder, holder) for holder in holders))
    accounts(store, *holders)
    ordered = sorted(holders, key=str.encode)
    with store.reading() as reader:
        assert [row.holder for row in reader.records_between("", None)] == ordered
        assert [row.person for row in reader.accounts_between("", None)] == ordered
        assert [row.holder for row in reader.records_between("a", "b")] == ["a.x", "a@x", "a_x"]


def test_a_range_has_its_beginning_and_not_its_end(store):
    keep(store, mailbox("1", "a@x"), activity("1", "0"), mailbox("2", "b@x"), mailbox("3", "c@x"))
    accounts(store, "1", "3", None, "1")
    with store.reading() as reader:
        found = [(row.holder, row.source) for row in reader.records_between("1", "3")]
        assert found == [("1", MAILBOXES), ("1", ACTIVITIES), ("2", MAILBOXES)]
        assert [(row.person, row.id) for row in reader.accounts_between("1", "3")] == [("1", 1), ("1", 4)]
        assert [row.id for row in reader.accounts_of("1")] == [1, 4]
        assert reader.accounts_of("2") == []


def test_walks_are_whole_however_few_rows_are_read_at_once(store, monkeypatch):
    monkeypatch.setattr(records, "ROWS_AT_ONCE", 3)
    keep(store, *(mailbox(f"{number:03}", f"{number}@x") for number in range(20)))
    with store.reading() as reader:
        first, second = reader.records_between("", None), reader.records_between("010", None)
        assert [next(first).holder, next(second).holder, next(first).holder] == ["000", "010", "001"]
        assert len([*first, *second]) == 27


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
def test_ranges_adjoin_and_hold_every_holder_once(store, size):
    chance = random.Random(size)
    holders = [f"{chance.randrange(60):02}" for _ in range(80)]
    keep(store, *(mailbox(holder, f"{number}@x") for number, holder in enumerate(holders)))
    accounts(store, *("9" + holder for holder in holders), None, "00")
    with store.reading() as reader:
        ranges = reader.holder_ranges(size)
        assert ranges[0][0] == ""
        assert ranges[-1][1] is None
        assert [high for _, high in ranges[:-1]] == [low for low, _ in ranges[1:]]
        read = [row.holder for low, high in ranges for row in reader.records_between(low, high)]
        assert sorted(read) == read
        assert sorted(read) == sorted(holders)
        told = [row.person for low, high in ranges for row in reader.accounts_between(low, high)]
        assert len(told) == 81
        for low, high in ranges:
            rows = list(reader.records_between(low, high))
            assert len(rows) <= size or len({row.holder for row in rows}) == 1


def test_an_empty_store_is_one_range(store):
    with store.reading() as reader:
        assert reader.holder_ranges(4000) == [("", None)]
        assert list(reader.records_between("", None)) == []
        assert reader.contested() == frozenset()


def test_an_address_of_two_people_is_contested(store):
    keep(
        store,
        mailbox(ANNE, "both@x"),
        mailbox(JEAN, "both@x"),
        mailbox(ANNE, "twice@x", more="1"),
        mailbox(ANNE, "twice@x", more="2"),
        mailbox(ANNE, "service@x"),
        mailbox("service@x", "service@x", "ORG"),
        activity(ANNE, "0"),
        activity(JEAN, "0"),
    )
    with store.reading() as reader:
        assert reader.contested() == {"both@x"}
        assert reader.contested_among(["both@x", "twice@x", "service@x", "none@x"]) == {"both@x"}
        assert reader.contested_among([]) == frozenset()
        many = [f"{number}@x" for number in range(1200)]
        assert reader.contested_among([*many, "both@x"]) == {"both@x"}
        assert reader.holders_of_address("both@x") == [ANNE, JEAN]
        assert reader.holders_of_address("twice@x") == [ANNE]
        assert reader.holders_of_address("") == []


def test_holders_of_a_domain_are_those_of_exactly_that_domain(store):
    keep(
        store,
        mailbox("1", "a@ch_x.fr"),
        mailbox("2", "a@chax.fr"),
        mailbox("3", "a@sub.ch_x.fr"),
        mailbox("4", "ch_x.fr"),
        mailbox("5", "b@ch_x.fr"),
        mailbox("5", "c@ch_x.fr"),
        activity("6", "0"),
    )
    with store.reading() as reader:
        assert reader.holders_of_domain("ch_x.fr") == ["1", "5"]
        assert reader.holders_of_domain("%") == []
        assert reader.holders_of_domains(["ch_x.fr", "chax.fr", "none.fr"]) == ["1", "2", "5"]
