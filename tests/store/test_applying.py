"""How what was staged is applied: never by reading all entries for each change, and whole or not at all."""

import os
import resource
import subprocess
import sys
import textwrap

import pytest

from annuaire.store import applying, engine, staging, working
from annuaire.store.entries import NewEntry
from annuaire.store.staging_tables import State


def entry(number: int) -> NewEntry:
    return NewEntry(
        b"o=x\x00cn=%d" % number, b"o=x", f"cn={number},o=x", os.urandom(16), b"a", None, "person"
    )


@pytest.fixture
def store(tmp_path):
    opened = engine.open("", tmp_path / "var")
    with opened.writing() as writer:
        writer.add(entry(0)._replace(key=b"o=x", parent=b"", dn="o=x"))
        for number in range(50):
            writer.add(entry(number))
    yield opened
    opened.close()


def test_no_statement_reads_all_entries_for_each_change(store, monkeypatch):
    """SQLite has no statistics here: only the form of a statement keeps it from a plan that takes minutes."""
    plans = []
    execute = staging.Staging.execute

    def explained(self, statement, **values):
        if (
            statement.lstrip().startswith(("UPDATE", "DELETE FROM entries", "INSERT"))
            and "entries" in statement
        ):
            for row in execute(self, "EXPLAIN QUERY PLAN " + statement, **values):
                plans.append((row[3], statement))
        return execute(self, statement, **values)

    monkeypatch.setattr(staging.Staging, "execute", explained)
    with staging.staging(store) as staged:
        staged.stage(
            [(1, 0, "cn=n,o=x", b"o=x\x00cn=n", b"o=x", os.urandom(16), b"b", None, "person", None, None, 0)]
        )
        staged.index()
        with staged.comparing() as reader:
            staged.match()
            closed = [((71, "a referral"), frozenset({"referral"}))]
            staged.refuse_misplaced(closed)
            staged.refuse_adrift(closed)
            for row in reader.entries(after_id=1, limit=9):
                staged.change(
                    State(
                        0, row.id, None, int(row.id < 4), int(row.id == 5), 1, row.dn, row.key + b"y", row.parent,
                        row.key, row.uuid, b"changed", None, row.structural, row.person,
                        row.account,
                    )
                )  # fmt: skip
            applying.plan(staged, steps=False)
        with applying.applying(staged, "cn=admin", engine.now()) as writer:
            applying.apply(staged, writer, 1, steps=False)
    assert plans
    scans = [found for found in plans if found[0].startswith(("SCAN entries", "SCAN e ", "SCAN e"))]
    assert scans == []
    with store.reading() as reader:
        assert [change.kind for change in reader.changes_since(51, 99)] == [
            *["delete"] * 2,
            "rename",
            *["modify"] * 6,
            "add",
        ]


def test_files_of_dead_imports_go_and_those_of_live_ones_stay(store):
    folder = store.state / working.FOLDER
    with staging.staging(store):
        live = {path.name for path in folder.iterdir()}
        (folder / "dead.lock").touch()
        (folder / "dead.db").touch()
        assert working.remove_stale(folder) == 1
        assert {path.name for path in folder.iterdir()} == live
    assert list(folder.iterdir()) == []


FULL = """
import resource, signal, sys
from pathlib import Path
from annuaire.actions import import_source
from annuaire.errors import Unavailable
from annuaire.ldap import schema
from annuaire.store import engine

state, path, limit = sys.argv[1:]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = engine.open("", Path(state))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
scope = import_source.Scope(tuple(schema.shipped()), "o=x")
try:
    with open(path, "rb") as stream:
        import_source.import_ldif(store, scope, stream, name=path, processes=0)
except Unavailable as error:
    print(error)
    sys.exit(75)
"""


@pytest.mark.parametrize("kilobytes", [16, 200, 300, 400])
def test_a_full_disk_is_temporary_and_leaves_the_store_as_it_was(tmp_path, kilobytes):
    from annuaire.actions import initialise
    from annuaire.ldap import schema, tree

    store = engine.open("", tmp_path / "var")
    initialise.initialise(store, tree.plant("o=x", (), schema.standard()), schema.standard())
    people = "".join(
        f"dn: uid={number},ou=apicrypt,o=x\nobjectClass: account\nuid: {number}\ndescription: {'x' * 500}\n\n"
        for number in range(400)
    )
    path = tmp_path / "people.ldif"
    path.write_text(people)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(store.state), str(path), str(kilobytes << 10)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    with store.reading() as reader:
        assert reader.count() == reader.head() == 3
    assert store.damage() == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    store.close()
