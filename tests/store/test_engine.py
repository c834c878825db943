"""Transactions, numbers, rows and files of the store, on the real databases."""

import gc
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import pytest
import store_places
from sqlalchemy.exc import IntegrityError

from annuaire.errors import Misconfigured, Unavailable
from annuaire.store import engine
from annuaire.store.entries import EntryRow, Moved, NewEntry

AT = "20261105120000Z"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


def entry(key: bytes, **others) -> NewEntry:
    parent = key.rpartition(b"\x00")[0]
    dn = ",".join(reversed(key.decode().split("\x00")))
    values = {"attributes": b"a", "passwords": None, "structural": "person", "uuid": os.urandom(16)} | others
    return NewEntry(key, parent, dn, **values)


def fill(store, *keys: bytes) -> dict[bytes, EntryRow]:
    with store.writing("cn=admin", AT) as writer:
        return {key: writer.add(entry(key)) for key in keys}


def test_an_added_entry_is_read_back_by_key_id_and_uuid(store):
    with store.writing("cn=admin,o=x", AT) as writer:
        added = writer.add(entry(b"o=x", attributes=b"\x00\xff", passwords=b"secret"))
    with store.reading() as reader:
        assert (
            reader.entry(b"o=x") == reader.entry_by_id(added.id) == reader.entry_by_uuid(added.uuid) == added
        )
        assert added.created_at == added.modified_at == AT
        assert added.created_by == added.modified_by == "cn=admin,o=x"
        assert added.attributes == b"\x00\xff"
        assert reader.count() == 1


def test_an_absent_entry_is_none(store):
    with store.reading() as reader:
        assert reader.entry(b"o=x") is None
        assert reader.entry_by_id(1) is None
        assert reader.entry_by_uuid(bytes(16)) is None
        assert reader.count() == 0
        assert reader.head() == 0


def test_only_plain_values_leave_the_store(store):
    fill(store, b"o=x")
    with store.reading() as reader:
        row = reader.entry(b"o=x")
        assert type(row) is EntryRow
        assert {type(value) for value in row} <= {int, bytes, str, type(None)}
        assert {type(value) for change in reader.changes_since(0, 9) for value in change} <= {
            int,
            bytes,
            str,
            type(None),
        }


def test_every_write_takes_the_next_number(store):
    rows = fill(store, b"o=x", b"o=x\x00ou=a")
    with store.writing("cn=other", "20261105120001Z") as writer:
        changed = writer.replace(rows[b"o=x\x00ou=a"], b"b", b"p", "organizationalUnit", "899900000011", None)
        writer.delete(changed)
    with store.reading() as reader:
        assert reader.head() == 4
        assert [(row.number, row.kind, row.key) for row in reader.changes_since(0, 10)] == [
            (1, "add", b"o=x"),
            (2, "add", b"o=x\x00ou=a"),
            (3, "modify", b"o=x\x00ou=a"),
            (4, "delete", b"o=x\x00ou=a"),
        ]
        assert [row.number for row in reader.changes_since(1, 2)] == [2, 3]


def test_a_modification_keeps_uuid_and_creation(store):
    before = fill(store, b"o=x")[b"o=x"]
    with store.writing("cn=other", "20261106000000Z") as writer:
        after = writer.replace(before, b"b", None, "organization", None, None)
    with store.reading() as reader:
        assert reader.entry(b"o=x") == after
    assert (after.uuid, after.created_at, after.created_by) == (before.uuid, AT, "cn=admin")
    assert (after.modified_at, after.modified_by) == ("20261106000000Z", "cn=other")
    assert after.change == 2


def test_a_change_says_whom_the_entry_described_before(store):
    anne, jean = "899900000011", "a-00ff"
    with store.writing() as writer:
        row = writer.add(entry(b"o=x", person=anne))
        assert row.person == anne
        row = writer.replace(row, b"b", None, "person", jean, None)
        assert writer.entry(b"o=x") == row
        assert row.person == jean
        writer.move([(row, Moved(row.id, b"o=y", b"", "o=y"))])
        writer.delete(writer.entry(b"o=y"))
        writer.record_holder(anne)
        writer.record_everything()
    with store.reading() as reader:
        assert [(one.kind, one.holder, one.entry, one.key) for one in reader.changes_since(0, 9)] == [
            ("add", None, row.id, b"o=x"),
            ("modify", anne, row.id, b"o=x"),
            ("rename", jean, row.id, b"o=x"),
            ("delete", jean, row.id, b"o=y"),
            ("holder", anne, 0, b""),
            ("everything", None, 0, b""),
        ]


def test_an_id_is_never_given_again(store):
    last = fill(store, b"o=x", b"o=y")[b"o=y"]
    with store.writing() as writer:
        writer.delete(last)
    assert fill(store, b"o=z")[b"o=z"].id == last.id + 1


def test_a_subtree_moves_and_two_entries_can_change_places(store):
    rows = fill(store, b"o=x", b"o=x\x00ou=a", b"o=x\x00ou=a\x00cn=1", b"o=x\x00ou=b")
    with store.writing("cn=admin", AT) as writer:
        a, one, b = (rows[key] for key in (b"o=x\x00ou=a", b"o=x\x00ou=a\x00cn=1", b"o=x\x00ou=b"))
        writer.move(
            [
                (a, Moved(a.id, b.key, b"o=x", "ou=b,o=x")),
                (one, Moved(one.id, b"o=x\x00ou=b\x00cn=1", b.key, "cn=1,ou=b,o=x")),
                (b, Moved(b.id, a.key, b"o=x", "ou=a,o=x")),
            ]
        )
    with store.reading() as reader:
        assert reader.entry(b"o=x\x00ou=b").uuid == a.uuid
        assert reader.entry(b"o=x\x00ou=a").uuid == b.uuid
        assert reader.entry(b"o=x\x00ou=b\x00cn=1").dn == "cn=1,ou=b,o=x"
        assert [(row.kind, row.key) for row in reader.changes_since(4, 9)] == [
            ("rename", a.key),
            ("rename", one.key),
            ("rename", b.key),
        ]


def test_walks_go_through_every_row_in_order(store, monkeypatch):
    monkeypatch.setattr("annuaire.store.entries.ROWS_AT_ONCE", 3)
    fill(store, b"o=x", *(b"o=x\x00cn=%d" % number for number in range(9)), b"o=x0", b"o=x\x00cn=1\x00cn=z")
    with store.reading() as reader:
        assert [row.id for row in reader.range(2, 9)] == list(range(2, 10))
        assert len(list(reader.children(b"o=x"))) == 9
        below = [row.key for row in reader.subtree(b"o=x")]
        assert below == sorted(below)
        assert len(below) == 10
        assert reader.has_children(b"o=x\x00cn=1")
        assert not reader.has_children(b"o=x\x00cn=2")
        ranges = reader.id_ranges(4)
        assert [row.id for low, high in ranges for row in reader.range(low, high)] == list(range(1, 13))
        assert len(ranges) <= 4
        assert reader.entries(after_id=10, limit=1)[0].id == 11


def test_an_empty_store_has_no_ranges(store):
    with store.reading() as reader:
        assert reader.id_ranges(3) == []


def test_what_raises_leaves_no_trace(store):
    with pytest.raises(IntegrityError), store.writing() as writer:  # noqa: PT012 (it ends what it began)
        writer.add(entry(b"o=x"))
        writer.add(entry(b"o=x"))
    with store.reading() as reader:
        assert reader.entry(b"o=x") is None
        assert reader.head() == 0
    assert fill(store, b"o=y")[b"o=y"].change == 1


def test_a_savepoint_that_fails_gives_its_numbers_back(store):
    with store.writing() as writer:
        writer.add(entry(b"o=x"))
        with pytest.raises(IntegrityError), writer.savepoint():  # noqa: PT012
            writer.add(entry(b"o=y"))
            writer.add(entry(b"o=x"))
        with writer.savepoint():
            third = writer.add(entry(b"o=z"))
    assert third.change == 2
    with store.reading() as reader:
        assert [row.key for row in reader.changes_since(0, 9)] == [b"o=x", b"o=z"]


def test_a_reader_sees_one_moment(store):
    fill(store, b"o=x")
    with store.reading() as reader:
        assert reader.count() == 1
        fill(store, b"o=y")
        assert reader.count() == 1


def test_a_writer_inside_a_writer_is_a_fault_not_a_hang(store):
    with store.writing(), pytest.raises(RuntimeError), store.writing():
        pass


def test_settings_are_kept_and_replaced(store):
    with store.writing() as writer:
        writer.set_setting("a", b"1")
        writer.set_setting("a", b"\x002")
    with store.reading() as reader:
        assert reader.setting("a") == b"\x002"
        assert reader.setting("b") is None


def test_threads_that_write_together_lose_nothing_and_number_in_commit_order(store):
    seen = []

    def write(name: int) -> None:
        for count in range(10):
            with store.writing() as writer:
                writer.add(entry(b"o=x%d-%d" % (name, count)))
                seen.append(writer.head())

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 41))
    with store.reading() as reader:
        assert [row.number for row in reader.changes_since(0, 99)] == list(range(1, 41))


def _write_from_a_process(state: Path) -> None:
    store = engine.open("", state)
    for count in range(20):
        with store.writing() as writer:
            writer.add(entry(b"o=%d-%d" % (os.getpid(), count)))


def test_processes_that_write_together_lose_nothing(tmp_path):
    state = tmp_path / "var"
    engine.open("", state).close()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_write_from_a_process, args=(state,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    with engine.open("", state).reading() as reader:
        assert reader.head() == reader.count() == 40


def test_a_writer_killed_leaves_the_store_as_before(tmp_path):
    state = tmp_path / "var"
    fill(engine.open("", state), b"o=x")
    program = """
        import os, signal, sys
        from pathlib import Path
        from annuaire.store import engine
        from annuaire.store.entries import NewEntry
        with engine.open("", Path(sys.argv[1])).writing() as writer:
            writer.add(NewEntry(b"o=y", b"", "o=y", bytes(16), b"", None, "person"))
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(state)], check=False)
    assert done.returncode == -signal.SIGKILL
    store = engine.open("", state)
    with store.reading() as reader:
        assert reader.head() == reader.count() == 1
    assert fill(store, b"o=z")[b"o=z"].change == 2


def test_the_state_is_for_its_owner_alone(tmp_path):
    state = tmp_path / "var"
    state.mkdir(mode=0o755)
    old = os.umask(0)
    try:
        store = engine.open("", state)
        fill(store, b"o=x")
    finally:
        os.umask(old)
    assert state.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in state.iterdir()}
    assert set(modes) >= {"annuaire.db", "annuaire.db-wal", "write.lock"}
    assert set(modes.values()) == {0o600}


def test_every_connection_is_durable(tmp_path):
    store = engine.open("", tmp_path / "var")
    with store.writing() as writer:
        assert writer._connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert writer._connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "sqlite://", "sqlite:////no/such/folder/x.db"])
def test_a_url_that_cannot_be_used_is_a_configuration_problem(url, tmp_path):
    with pytest.raises(Misconfigured, match="store"):
        engine.open(url, tmp_path / "var")


def test_a_server_that_does_not_answer_is_temporary_and_its_password_never_shown(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(Unavailable) as caught:
        engine.open("postgresql://someone:hidden-word@127.0.0.1:1/x", tmp_path / "var")
    assert "hidden-word" not in str(caught.value)


def test_a_damaged_file_is_said_to_be_so(tmp_path):
    state = tmp_path / "var"
    engine.make_state(state)
    (state / "annuaire.db").write_bytes(b"not a database, only some text that is long enough" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        engine.open("", state)


def test_a_long_lock_of_a_stranger_is_temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_PRAGMAS", ("PRAGMA journal_mode = WAL", "PRAGMA busy_timeout = 50"))
    store = engine.open("", tmp_path / "var")
    stranger = sqlite3.connect(tmp_path / "var" / "annuaire.db", isolation_level=None)
    try:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable), store.writing():
            pass
    finally:
        stranger.close()
    fill(store, b"o=x")


def test_what_a_transaction_held_is_freed_with_it_and_not_left_to_the_collector(store):
    """In a server the collector comes seldom, and a transaction remembers entries of megabytes."""
    gc.collect()
    gc.disable()
    try:
        with store.writing("cn=admin", AT) as writer:
            gone = weakref.ref(writer)
        del writer
        assert gone() is None
    finally:
        gc.enable()
