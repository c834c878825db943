"""An interop address is somebody's for good: the ledger gives each once and takes none back."""

import pytest
import store_places

from annuaire.store import ledger
from annuaire.store.ledger import LedgerRow

ANNE, JEAN = "899900000011", "899900000029"
EARLY, LATE = "20181001000000Z", "20261123000000Z"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def test_an_address_is_given_once(store):
    row = LedgerRow("anne@i", ANNE, EARLY, ledger.ALLOCATED)
    with store.writing() as writer:
        assert writer.allocate(row)
        assert not writer.allocate(row._replace(holder=JEAN))
        assert writer.allocate(row._replace(address="anne2@i", holder=JEAN))  # the transaction goes on
    with store.writing() as writer:
        assert not writer.allocate(row)
    with store.reading() as reader:
        assert reader.ledger_row("anne@i") == row
        assert reader.ledger_row("anne3@i") is None


def test_the_addresses_of_a_holder_are_oldest_first(store):
    late = LedgerRow("a@i", ANNE, LATE, ledger.GIVEN)
    early = LedgerRow("b@i", ANNE, EARLY, ledger.SEEN)
    with store.writing() as writer:
        writer.allocate(late)
        writer.allocate(early)
        assert writer.ledger_of(ANNE) == [early, late]
        assert writer.ledger_of(JEAN) == []


def test_those_taken_among_many_are_told(store):
    with store.writing() as writer:
        for number in range(0, 1500, 3):
            writer.allocate(LedgerRow(f"{number}@i", ANNE, EARLY, ledger.ALLOCATED))
    with store.reading() as reader:
        taken = reader.taken_among([f"{number}@i" for number in range(1500)])
        assert taken.keys() == {f"{number}@i" for number in range(0, 1500, 3)}
        assert taken["3@i"] == reader.ledger_row("3@i")
        assert reader.taken_among([]) == {}


def test_the_whole_ledger_is_walked_in_octet_order(store):
    addresses = ["b@i", "B@i", "é@i", "a-b@i", "a@i", "a.b@i"]
    with store.writing() as writer:
        for address in addresses:
            writer.allocate(LedgerRow(address, ANNE, EARLY, ledger.ALLOCATED))
    walked = []
    with store.reading() as reader:
        while rows := reader.ledger_after(walked[-1] if walked else "", limit=2):
            walked.extend(row.address for row in rows)
    assert walked == sorted(addresses, key=str.encode)
