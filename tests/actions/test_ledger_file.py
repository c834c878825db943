"""The file beside the database: an address that was ever given is known again, whatever became of the database."""

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import store_places

from annuaire.errors import Unavailable
from annuaire.store import address_file, engine
from annuaire.store.engine import Store
from annuaire.store.ledger import ALLOCATED, GIVEN, LedgerRow

AT = "20261123100000Z"


@pytest.fixture(params=store_places.PLACES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def row(number: int, holder: str = "", origin: str = ALLOCATED) -> LedgerRow:
    address = f"p{number}.nom@interop-mssante.apicrypt.org"
    return LedgerRow(address, holder or f"8999000{number:05d}", AT, origin)


def give(store: Store, *rows: LedgerRow) -> None:
    with store.writing() as writer:
        for one in rows:
            assert writer.allocate(one)


def ledger(store: Store) -> list[LedgerRow]:
    with store.reading() as reader:
        return reader.ledger_after("", 1000)


def told(store: Store) -> list[str]:
    return (store.state / address_file.FILE_NAME).read_text().splitlines()[1:]


def lose(store: Store, *rows: LedgerRow) -> None:
    """What a database is that was restored from before these rows were given."""
    with store.writing() as writer:
        name = writer._addresses._name
        for one in rows:
            assert writer._connection.exec_driver_sql(
                f"DELETE FROM ledger WHERE address = '{one.address}'"  # noqa: S608
            ).rowcount
        size = int(writer.setting(name) or 0)
        gone = sum(len("\t".join(one)) + 1 for one in rows)
        writer.set_setting(name, b"%d" % (size - gone))


def test_each_address_is_a_line_and_the_file_is_its_owners_alone(store: Store) -> None:
    give(store, row(1), row(2, origin=GIVEN))
    assert told(store) == ["\t".join(row(1)), "\t".join(row(2, origin=GIVEN))]
    assert (store.state / address_file.FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_who_gives_nothing_writes_nothing(store: Store) -> None:
    with store.writing() as writer:
        writer.set_setting("x", b"y")
    assert not (store.state / address_file.FILE_NAME).exists()
    give(store, row(1))
    before = (store.state / address_file.FILE_NAME).stat()
    with store.writing() as writer:
        assert not writer.allocate(row(1, "8999"))
    after = (store.state / address_file.FILE_NAME).stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    )


def test_an_older_database_is_told_what_was_given_since(store: Store) -> None:
    give(store, row(1))
    give(store, row(2), row(3))
    lose(store, row(2), row(3))
    assert ledger(store) == [row(1)]
    with store.writing() as writer:
        assert writer.ledger_after("", 9) == [row(1), row(2), row(3)]
        assert not writer.allocate(row(2, "somebody else"))
    assert ledger(store) == [row(1), row(2), row(3)]


def test_a_database_file_from_a_backup_is_told_what_was_given_since(tmp_path: Path) -> None:
    state = tmp_path / "var"
    store = engine.open("", state)
    give(store, row(1))
    store.close()
    shutil.copy(state / engine.FILE_NAME, tmp_path / "backup.db")
    store = engine.open("", state)
    give(store, row(2))
    store.close()
    for path in state.glob(f"{engine.FILE_NAME}*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", state / engine.FILE_NAME)
    store = engine.open("", state)
    give(store, row(3))
    assert ledger(store) == [row(1), row(2), row(3)]
    store.close()


def test_a_database_that_is_lost_begins_with_what_the_file_has(tmp_path: Path) -> None:
    state = tmp_path / "var"
    store = engine.open("", state)
    give(store, row(1), row(2))
    store.close()
    for path in state.glob(f"{engine.FILE_NAME}*"):
        path.unlink()
    store = engine.open("", state)
    with store.writing():
        pass
    assert ledger(store) == [row(1), row(2)]
    store.close()


def test_a_lost_or_cut_file_is_made_again_from_the_ledger(store: Store) -> None:
    give(store, *(row(number) for number in range(1, 2101)))
    path = store.state / address_file.FILE_NAME
    whole = path.read_text().splitlines()
    for damage in (
        path.unlink,
        lambda: path.write_text("\n".join(whole[:50])),
        lambda: path.write_text("x\n"),
    ):
        damage()
        with store.writing():
            pass
        again = path.read_text().splitlines()
        assert sorted(again[1:]) == sorted(whole[1:])
        assert again[0] != whole[0], "a file of its own: what the database knows of the other means nothing"
    give(store, row(9999))
    assert told(store)[-1] == "\t".join(row(9999))


def test_half_a_line_counts_for_nothing(store: Store) -> None:
    give(store, row(1))
    path = store.state / address_file.FILE_NAME
    with path.open("ab") as file:
        file.write(b"half.a@interop-mssante.apicrypt.org\t8999")
    give(store, row(2))
    assert told(store) == ["\t".join(row(1)), "\t".join(row(2))]
    assert ledger(store) == [row(1), row(2)]


def test_of_two_lines_about_one_address_the_later_counts(store: Store) -> None:
    give(store, row(1, "jean@medical59.apicrypt.org"), row(2, "marie@medical59.apicrypt.org"))
    with store.writing(at=AT) as writer:
        writer.move_holder("jean@medical59.apicrypt.org", "marie@medical59.apicrypt.org")
    moved = [row(1, "marie@medical59.apicrypt.org"), row(2, f"marie@medical59.apicrypt.org {AT}")]
    assert ledger(store) == moved
    with store.writing() as writer:
        writer._connection.exec_driver_sql("DELETE FROM ledger")
        writer.set_setting(writer._addresses._name, b"0")
    with store.writing():
        pass
    assert ledger(store) == moved


def test_a_transaction_that_comes_to_nothing_reserves_its_addresses_for_whom_they_were_meant(
    store: Store,
) -> None:
    with pytest.raises(ZeroDivisionError), store.writing() as writer:
        assert 1 / (1 - writer.allocate(row(1)))
    give(store, row(2))
    assert row(2) in ledger(store)
    assert set(ledger(store)) <= {row(1), row(2)}


KILLED = """
import os, sys
from pathlib import Path
from annuaire.store import engine
from annuaire.store.ledger import LedgerRow
store = engine.open("", Path(sys.argv[1]))
with store.writing() as writer:
    writer.allocate(LedgerRow(*sys.argv[2:]))
    writer.finish()
    os._exit(9)
"""


def test_killed_between_the_file_and_the_commit_the_address_is_still_that_holders(tmp_path: Path) -> None:
    state = tmp_path / "var"
    store = engine.open("", state)
    give(store, row(1))
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(state), *row(2)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 9
    assert ledger(store) == [row(1)], "it was not committed"
    with store.writing() as writer:
        assert not writer.allocate(row(2, "somebody else"))
        assert writer.ledger_of(row(2).holder) == [row(2)]
    assert ledger(store) == [row(1), row(2)]
    store.close()


def test_what_cannot_be_written_down_is_not_given(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    give(store, row(1))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(address_file.os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"), store.writing() as writer:
        writer.allocate(row(2))
    monkeypatch.undo()
    assert ledger(store) == [row(1)]
