"""A national file is the whole of its source: what an import of it adds, changes, removes, refuses and never does."""

import io
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import zipfile

import pytest
import store_places

from annuaire.actions import import_records
from annuaire.actions.import_report import Report
from annuaire.domain import mailbox
from annuaire.domain.mailbox import Mailbox
from annuaire.errors import Malformed, Refused
from annuaire.importing import extraction, headers
from annuaire.store import changes
from annuaire.store.entries import NewEntry
from annuaire.store.ledger import LedgerRow
from annuaire.store.records import ACTIVITIES, MAILBOXES

ANNE, JEAN, LUC = "899900000011", "899900000029", "899900000037"
INTEROP = "interop-mssante.apicrypt.org"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield opened


@pytest.fixture
def embedded(tmp_path):
    with store_places.opened("sqlite", tmp_path / "var") as opened:
        yield opened


def person(national: str, address: str, **others: str) -> str:
    fields = {
        "type_bal": "PER",
        "address": address,
        "type_pp": "8",
        "identifiant_pp": national[1:],
        "national_pp": national,
        "nom": "DUPONT",
        "prenom": "Anne",
        "profession": "10",
    }
    return line(fields | others)


def service(address: str, **others: str) -> str:
    return line({"type_bal": "ORG", "address": address, "service": "CARDIOLOGIE"} | others)


def line(fields: dict[str, str]) -> str:
    return mailbox.format(Mailbox._make(fields.get(name, "") for name in Mailbox._fields))


HEADER = "|".join(column.name for column in headers._columns(headers.EXTRACTION))


def text(*lines: str) -> bytes:
    return "".join(f"{one}\n" for one in (HEADER, *lines)).encode()


def load(store, *lines: str, data: bytes | None = None, **options) -> Report:
    stream = io.BytesIO(text(*lines) if data is None else data)
    options = {"name": "test.txt", "is_interop": INTEROP.__eq__, "removals_max": 100} | options
    return import_records.import_mailboxes(store, stream, **options)


def totals(report: Report) -> tuple[int, int, int, int, int]:
    return (report.added, report.changed, report.unchanged, report.removed, report.refused)


def kept(store, source: int = MAILBOXES) -> set[str]:
    with store.reading() as reader:
        return {row.line for row in reader.records_between("", None) if row.source == source}


def told(store, after: int) -> list[tuple[str, str | None]]:
    with store.reading() as reader:
        return [(change.kind, change.holder) for change in reader.changes_since(after, 9999)]


def head(store) -> int:
    with store.reading() as reader:
        return reader.head()


# --- A difference ---


def test_a_first_file_is_taken_whole(store):
    rows = [
        person(ANNE, "Anne@ch-a.mssante.fr"),
        person(JEAN, "jean@ch-a.mssante.fr"),
        service("s@ch-a.mssante.fr"),
    ]
    report = load(store, *rows, actor="cn=admin")
    assert totals(report) == (3, 0, 0, 0, 0)
    assert report.applied
    assert report.change_number == head(store) == 3
    assert kept(store) == set(rows)
    with store.reading() as reader:
        row = reader.records_of(ANNE)[0]
        assert (row.address, row.first) == ("anne@ch-a.mssante.fr", row.last)
        assert row.key.startswith("anne@ch-a.mssante.fr")
        assert [one.holder for one in reader.records_of("s@ch-a.mssante.fr")] == ["s@ch-a.mssante.fr"]
        imported = reader.imports()[0]
        assert (imported.source, imported.actor, imported.applied) == ("test.txt", "cn=admin", True)
        assert (imported.added, imported.change, len(imported.sha256)) == (3, 3, 32)
    assert told(store, 0) == [("holder", holder) for holder in (ANNE, JEAN, "s@ch-a.mssante.fr")]


def test_a_newer_file_is_a_difference(store, monkeypatch):
    moments = iter(["20261123000000Z", "20261124000000Z"])
    monkeypatch.setattr("annuaire.actions.import_records.engine.now", lambda: next(moments))
    load(store, person(ANNE, "a@x.fr"), person(JEAN, "b@x.fr"), person(LUC, "c@x.fr"), service("s@x.fr"))
    before = head(store)
    newer = [
        person(ANNE, "a@x.fr", raison_sociale="CH"),
        person(ANNE, "d@x.fr"),
        person(LUC, "c@x.fr"),
        service("s@x.fr"),
    ]
    report = load(store, *newer)
    assert totals(report) == (1, 1, 2, 1, 0)
    assert kept(store) == set(newer)
    assert told(store, before) == [("holder", ANNE), ("holder", JEAN)]
    with store.reading() as reader:
        times = {row.address: (row.first[:8], row.last[:8]) for row in reader.records_between("", None)}
        assert times == {
            "a@x.fr": ("20261123", "20261124"),
            "c@x.fr": ("20261123", "20261123"),
            "d@x.fr": ("20261124", "20261124"),
            "s@x.fr": ("20261123", "20261123"),
        }
        assert [change.imported for change in reader.changes_since(before, 9)] == [2, 2]


def test_the_same_file_again_changes_nothing_whatever_the_order_of_its_lines(store):
    rows = [person(ANNE, f"{number}@x.fr", raison_sociale=f"CH {number % 3}") for number in range(30)]
    rows += [person(JEAN, "twice@x.fr", enseigne="A"), person(JEAN, "twice@x.fr", enseigne="B")]
    load(store, *rows)
    before = head(store)
    for order in (rows, rows[::-1]):
        report = load(store, *order)
        assert totals(report) == (0, 0, 32, 0, 0)
        assert report.applied
    assert head(store) == before
    assert kept(store) == set(rows)


def test_one_file_after_the_other_and_back_gives_the_first_again(store):
    chance = random.Random(3)

    def some() -> list[str]:
        found = []
        for number in range(120):
            if chance.random() < 0.7:
                address, ensign = f"{number}@x.fr", f"E{chance.randrange(3)}"
                holder = f"8999{chance.randrange(40):08d}"
                found.append(
                    person(holder, address, enseigne=ensign)
                    if number % 5
                    else service(address, enseigne=ensign)
                )
        chance.shuffle(found)
        return found

    files = [some() for _ in range(3)]
    for file in (*files, files[0], files[2], files[0]):
        before, moved = kept(store), head(store)
        with store.reading() as reader:
            contested = reader.contested()
        report = load(store, *file)
        assert kept(store) == set(file)
        assert report.added + report.changed + report.unchanged == len(file)
        assert report.removed == len(before) + report.added - len(file)
        # Whoever has other rows than before, or rows that are contested now and were not, or the reverse.
        changed = {mailbox.holder(mailbox.parse(row)) for row in before ^ set(file)}
        with store.reading() as reader:
            for address in contested ^ reader.contested():
                changed.update(reader.holders_of_address(address))
            numbers = [change.number for change in reader.changes_since(moved, 9999)]
            assert numbers == list(range(moved + 1, reader.head() + 1))
        holders = [holder for _, holder in told(store, moved)]
        assert len(holders) == len(set(holders))
        assert changed <= set(holders)


def test_whoever_shares_an_address_is_concerned(store):
    load(store, person(ANNE, "both@x.fr"), person(LUC, "luc@x.fr"))
    before = head(store)
    load(store, person(ANNE, "both@x.fr"), person(JEAN, "both@x.fr"), person(LUC, "luc@x.fr"))
    assert told(store, before) == [("holder", ANNE), ("holder", JEAN)]
    before = head(store)
    load(store, person(ANNE, "both@x.fr"), person(LUC, "luc@x.fr"))
    assert told(store, before) == [("holder", ANNE), ("holder", JEAN)]


@pytest.mark.parametrize("other", ["", "both@x.fr", "luc@x.fr", "899900000011 ?", "a-0", "é@x.fr"])
def test_an_address_that_a_row_without_identification_claims_too_is_nobodys_for_sure(store, other):
    """Its holder is its address. Whether it is the same person cannot be told: names join nobody, and patients' mail
    goes to whoever is shown. What is no identification is not taken for another one's address either."""
    load(store, person(ANNE, "both@x.fr"), person(other, "both@x.fr"), person(LUC, "luc@x.fr"))
    with store.reading() as reader:
        assert reader.contested() == reader.contested_among(["both@x.fr", "luc@x.fr"]) == {"both@x.fr"}
        assert reader.holders_of_address("both@x.fr") == [ANNE, "both@x.fr"]
        assert [row.holder for row in reader.records_of("luc@x.fr")] == []
    before = head(store)
    load(store, person(ANNE, "both@x.fr"), person(LUC, "luc@x.fr"))
    with store.reading() as reader:
        assert reader.contested() == frozenset()
    assert told(store, before) == [("holder", ANNE), ("holder", "both@x.fr")]


def test_rows_without_identification_and_services_contest_nothing_by_themselves(store):
    load(
        store,
        person("", "nobody@x.fr", service="A"),
        person("nobody@x.fr", "nobody@x.fr", service="B"),
        service("nobody@x.fr"),
        person(ANNE, "service@x.fr"),
        service("service@x.fr"),
        person(ANNE.upper(), "Twice@x.fr"),
        person(ANNE, "twice@X.fr", service="B"),
    )
    with store.reading() as reader:
        assert reader.contested() == frozenset()


def test_beyond_what_is_worth_naming_everything_has_changed(store, monkeypatch):
    monkeypatch.setattr(changes, "MANY", 2)
    load(store, *(person(f"8999000000{number}", f"{number}@x.fr") for number in range(10, 13)))
    assert told(store, 0) == [("everything", None)]
    load(store, *(person(f"8999000000{number}", f"{number}@x.fr") for number in range(11, 14)))
    assert [kind for kind, _ in told(store, 1)] == ["holder", "holder"]


def test_a_dry_run_writes_nothing_and_gives_the_same_totals(store):
    load(store, person(ANNE, "a@x.fr"), person(JEAN, "b@x.fr"))
    before = head(store)
    newer = [person(ANNE, "a@x.fr", enseigne="A"), person(LUC, "c@x.fr")]
    report = load(store, *newer, dry_run=True)
    assert totals(report) == (1, 1, 0, 1, 0)
    assert not report.applied
    with store.reading() as reader:
        assert (reader.head(), reader.imports()[0].id) == (before, 1)
    assert totals(load(store, *newer)) == totals(report)


def test_what_is_no_extraction_is_refused_at_once(store):
    with pytest.raises(Malformed, match="il manque"):
        load(store, data=b"Type de BAL|Adresse BAL\nPER|a@x.fr\n")
    assert head(store) == 0


def test_a_zip_is_read_like_its_text(store):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Extraction_Correspondance_MSSante_202611230300.txt", text(person(ANNE, "a@x.fr")))
    assert totals(load(store, data=packed.getvalue())) == (1, 0, 0, 0, 0)
    assert totals(load(store, person(ANNE, "a@x.fr"))) == (0, 0, 1, 0, 0)


def test_a_pipe_is_read_like_a_file(embedded):
    reading, writing = os.pipe()
    os.write(writing, text(person(ANNE, "a@x.fr")))
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        report = import_records.import_mailboxes(embedded, stream, name="-")
    assert totals(report) == (1, 0, 0, 0, 0)


def test_mailboxes_in_ldif_are_the_same_records(store):
    entry = f"""dn: uid={ANNE},ou=bal,o=mssante,c=fr
objectClass: inetOrgPerson
TypeBAL: PER
IdentifiantPP: 99900000011
TypeIdentifiantPP: 8
sn: DUPONT
givenName: Anne
mail: anne@x.fr
mail: anne@y.fr

"""
    report = load(store, data=entry.encode(), form=import_records.LDIF)
    assert report.added == 2
    with store.reading() as reader:
        assert [row.address for row in reader.records_of(ANNE)] == ["anne@x.fr", "anne@y.fr"]


# --- Guards ---


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_an_empty_file_removes_nothing(store, lines):
    load(store, person(ANNE, "a@x.fr"))
    with pytest.raises(Refused, match="aucune boîte"):
        load(store, *lines, accept_removals=True)
    assert len(kept(store)) == 1
    with store.reading() as reader:
        last = reader.imports()[0]
        assert (last.id, last.applied, last.removed, reader.head()) == (2, False, 1, 1)


def test_too_many_removals_are_refused_with_their_figures(store):
    rows = [person(ANNE, f"{number}@x.fr") for number in range(40)]
    load(store, *rows)
    refused = {"removals_max": 10, "name": "newer.txt"}
    with pytest.raises(Refused) as error:
        load(store, *rows[5:], person(ANNE, "new@x.fr"), **refused)
    assert "5 lignes sur 40 (12,5 %" in error.value.public
    assert "--accept-removals" in error.value.public
    with pytest.raises(Refused):
        load(store, *rows[5:], dry_run=True, **refused)
    assert kept(store) == set(rows)
    assert totals(load(store, *rows[4:], **refused)) == (0, 0, 36, 4, 0)
    assert totals(load(store, rows[20], accept_removals=True, **refused)) == (0, 0, 1, 35, 0)
    with store.reading() as reader:
        assert [one.applied for one in reader.imports()] == [True, True, False, True]


# --- Lines that cannot be read ---


BROKEN = "PER|jean@x.fr|8|not|enough"


def test_an_unreadable_line_stops_everything(store):
    rows = [person(ANNE, "a@x.fr"), BROKEN, person(LUC, "c@x.fr")]
    report = load(store, *rows)
    assert totals(report) == (2, 0, 0, 0, 1)
    assert not report.applied
    assert [(one.line, one.dn) for one in report.refusals] == [(3, "")]
    assert "colonnes" in report.refusals[0].reason
    assert kept(store) == set()
    with store.reading() as reader:
        assert [one.line for one in reader.refusals(1)] == [3]
    report = load(store, *rows, continue_=True)
    assert (totals(report), report.applied) == ((2, 0, 0, 0, 1), True)
    assert kept(store) == {rows[0], rows[2]}


def test_a_line_that_cannot_be_read_removes_nothing_of_what_it_is_about(store):
    jean, luc = person(JEAN, "Jean@x.fr"), person(LUC, "luc@x.fr")
    load(store, person(ANNE, "a@x.fr"), jean, luc)
    report = load(store, person(ANNE, "a@x.fr"), BROKEN, "\ufffd".join(["PER", ""]), continue_=True)
    assert totals(report) == (0, 0, 1, 1, 2)
    assert kept(store) == {person(ANNE, "a@x.fr"), jean}


def test_rejects_hold_each_line_as_it_stands_with_its_reason(store):
    data = text(person(ANNE, "a@x.fr"), BROKEN) + b"PER|\xff@x.fr|8\r\n"
    rejects = io.BytesIO()
    load(store, data=data, rejects=rejects)
    lines = rejects.getvalue().splitlines()
    assert lines[1] == BROKEN.encode()
    assert lines[3] == b"PER|\xff@x.fr|8"
    assert [line.split(b" : ")[0] for line in lines[::2]] == [b"# ligne 3", b"# ligne 4"]


def test_what_no_database_can_index_is_unreadable(store):
    report = load(
        store, person(ANNE, "a@x.fr"), person(JEAN, "é" * 240 + "@x.fr", service="𝒶" * 900), continue_=True
    )
    assert report.applied
    assert report.added + report.refused == 2


# --- Our own domains ---


def test_addresses_of_our_own_domains_are_somebodys_for_good(store):
    with store.writing() as writer:
        writer.allocate(LedgerRow(f"taken@{INTEROP}", LUC, "20180901000000Z", "allocated"))
    rows = [
        person(ANNE, f"Anne@{INTEROP}"),
        person(ANNE, f"taken@{INTEROP}"),
        person(ANNE, "anne@ch-x.mssante.fr"),
        person(ANNE, f"both@{INTEROP}"),
        person(JEAN, f"both@{INTEROP}"),
        service(f"service@{INTEROP}"),
        person(ANNE, f"sub@x.{INTEROP}"),
    ]
    load(store, *rows)
    with store.reading() as reader:
        found = [(row.address, row.holder, row.origin) for row in reader.ledger_after()]
        assert found == [(f"anne@{INTEROP}", ANNE, "mssante"), (f"taken@{INTEROP}", LUC, "allocated")]
    load(store, person(JEAN, f"anne@{INTEROP}"), person(JEAN, f"jean@{INTEROP}"))
    with store.reading() as reader:
        found = {row.address.partition("@")[0]: row.holder for row in reader.ledger_after()}
        assert found == {"anne": ANNE, "taken": LUC, "jean": JEAN}


def test_an_import_that_is_not_taken_seeds_nothing(store):
    load(store, person(ANNE, f"anne@{INTEROP}"), BROKEN)
    load(store, person(ANNE, f"anne@{INTEROP}"), dry_run=True)
    with store.reading() as reader:
        assert reader.ledger_after() == []


# --- Activities ---


def activity(national: str, **others: str) -> str:
    fields = {"identification nationale pp": national, "code profession": "10"} | others
    return "|".join(fields.get(headers.normal(name), "") for name in ACTIVITY_NAMES) + "|"


ACTIVITY_NAMES = [""] * 56
for _column in headers._columns(headers.ACTIVITIES):
    ACTIVITY_NAMES[_column.position] = _column.name
ACTIVITY_NAMES = [name or f"Autre colonne {place}" for place, name in enumerate(ACTIVITY_NAMES)]


def load_activities(store, *lines: str, **options) -> Report:
    data = "".join(f"{one}\n" for one in ("|".join(ACTIVITY_NAMES) + "|", *lines)).encode()
    options = {"name": "PS_LibreAcces.txt", "removals_max": 100} | options
    return import_records.import_activities(store, io.BytesIO(data), **options)


def account(store, national: str) -> None:
    with store.writing() as writer:
        number = writer.last_entry
        key = b"o=x%d" % number
        writer.add(NewEntry(key, b"", "o=x", number.to_bytes(16), b"a", None, "person", national))


def test_activities_are_kept_of_people_who_are_known(store):
    load(store, person(ANNE, "a@x.fr"), service("s@x.fr"))
    account(store, JEAN)
    before = head(store)
    report = load_activities(store, activity(ANNE), activity(JEAN), activity(LUC), activity(""))
    assert totals(report) == (2, 0, 0, 0, 0)
    assert told(store, before) == [("holder", ANNE), ("holder", JEAN)]
    with store.reading() as reader:
        assert [(row.source, row.address) for row in reader.records_of(ANNE)] == [
            (MAILBOXES, "a@x.fr"),
            (ACTIVITIES, ""),
        ]
        assert reader.count_records(ACTIVITIES) == 2
    assert totals(load_activities(store, activity(JEAN), activity(ANNE))) == (0, 0, 2, 0, 0)
    assert totals(load(store, person(ANNE, "a@x.fr"), service("s@x.fr"))) == (0, 0, 2, 0, 0)


def test_who_has_become_unknown_does_not_count_as_removed_too_much(store):
    load(store, person(ANNE, "a@x.fr"), person(JEAN, "b@x.fr"), person(LUC, "c@x.fr"))
    load_activities(store, activity(ANNE), activity(JEAN), activity(LUC))
    load(store, person(LUC, "c@x.fr"))
    report = load_activities(store, activity(ANNE), activity(JEAN), activity(LUC), removals_max=10)
    assert totals(report) == (0, 0, 1, 2, 0)
    account(store, LUC)
    load(store, person(ANNE, "a@x.fr"))
    with pytest.raises(Refused, match="1 lignes sur 1"):
        load_activities(store, activity(ANNE), removals_max=10)


def test_a_file_about_nobody_who_is_known_is_refused(store):
    with pytest.raises(Refused, match="personnes connues"):
        load_activities(store, activity(ANNE))


def test_an_unreadable_activity_removes_nothing_of_its_person(store):
    load(store, person(ANNE, "a@x.fr"), person(JEAN, "b@x.fr"))
    load_activities(store, activity(ANNE), activity(JEAN))
    report = load_activities(store, activity(ANNE), f"8||{JEAN}|cut", continue_=True)
    assert totals(report) == (0, 0, 1, 0, 1)


# --- Others meanwhile ---


def overtaken(store, times: int, meanwhile, *lines: str) -> Report:
    acted = []

    def act(progress) -> None:
        if progress.phase == "apply" and len(acted) < times:
            acted.append(True)
            meanwhile(len(acted))

    return load(store, *lines, progress=act)


@pytest.mark.parametrize("times", [1, 5])
def test_another_import_meanwhile_is_compared_with(store, times):
    load(store, person(ANNE, "a@x.fr"))
    rows = [person(ANNE, "a@x.fr", enseigne="A"), person(LUC, "c@x.fr")]

    def another(count: int) -> None:
        load(store, person(ANNE, "a@x.fr", enseigne=str(count)), person(JEAN, "b@x.fr"))

    report = overtaken(store, times, another, *rows)
    assert totals(report) == (1, 1, 0, 1, 0)
    assert kept(store) == set(rows)
    with store.reading() as reader:
        assert reader.imports()[0].change == reader.head() == report.change_number


def test_removals_are_counted_again_when_another_import_was_quicker(store):
    load(store, *(person(ANNE, f"{number}@x.fr") for number in range(10)))
    rows = [person(ANNE, f"{number}@x.fr") for number in range(10)]

    def another(_count: int) -> None:
        load(store, *rows, *(person(JEAN, f"j{number}@x.fr") for number in range(10)))

    acted = []

    def act(progress) -> None:
        if progress.phase == "apply" and not acted:
            acted.append(True)
            another(1)

    with pytest.raises(Refused, match="10 lignes sur 20"):
        load(store, *rows, progress=act, removals_max=10)


def test_other_changes_meanwhile_are_no_reason_to_compare_again(store, monkeypatch):
    compared = []
    compare = import_records._Import.compare
    monkeypatch.setattr(
        import_records._Import, "compare", lambda work: (compared.append(1), compare(work))[1]
    )
    report = overtaken(store, 1, lambda _: account(store, JEAN), person(ANNE, "a@x.fr"))
    assert totals(report) == (1, 0, 0, 0, 0)
    assert len(compared) == 1
    assert told(store, 0) == [("add", None), ("holder", ANNE)]


# --- Killed ---


KILLED = """
import os, signal, sys
from pathlib import Path
from annuaire.actions import import_records
from annuaire.store import applying, engine, snapshots

moment, state, path = sys.argv[1:]
store = engine.open("", Path(state))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def progress(told):
    if told.phase == moment:
        die()

if moment == "applied":
    applying.record = die
elif moment == "committed":
    snapshots.Snapshot.settle = die
with open(path, "rb") as stream:
    import_records.import_mailboxes(store, stream, name=path, progress=progress)
"""


@pytest.mark.parametrize("moment", ["read", "compare", "apply", "applied", "committed"])
def test_killed_at_any_moment_the_records_are_as_before_or_as_after(embedded, tmp_path, moment):
    old = [person(ANNE, f"{number}@x.fr") for number in range(50)]
    new = [*old[2:], person(JEAN, "new@x.fr")]
    load(embedded, *old)
    path = tmp_path / "newer.txt"
    path.write_bytes(text(*new))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(embedded.state), str(path)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert kept(embedded) == set(new if moment == "committed" else old)
    report = load(embedded, *new)
    assert totals(report) == ((0, 0, 49, 0, 0) if moment == "committed" else (1, 0, 48, 2, 0))
    assert list((embedded.state / "imports").iterdir()) == []


# --- Plans ---


def test_no_statement_reads_all_records_for_each_row(embedded, monkeypatch):
    """SQLite has no statistics here: only the form of a statement keeps it from a plan that takes minutes."""
    from annuaire.store.snapshots import Snapshot

    load(embedded, person(ANNE, "a@x.fr"), person(JEAN, "b@x.fr"))
    plans = []
    execute = Snapshot.execute

    def explained(self, statement, **values):
        if statement.lstrip().startswith(("UPDATE", "DELETE", "INSERT", "SELECT")):
            found = [row[3] for row in execute(self, "EXPLAIN QUERY PLAN " + statement, **values)]
            plans.append((statement, found))
        return execute(self, statement, **values)

    monkeypatch.setattr(Snapshot, "execute", explained)
    load(embedded, person(ANNE, "a@x.fr", enseigne="A"), person(LUC, "c@x.fr"))
    assert len(plans) > 10
    for statement, steps in plans:
        # Of the two large tables one is walked, once, and the other is asked by key.
        walked = [step for step in steps if re.match(r"SCAN (g|given|r|records)\b", step)]
        assert len(walked) <= 1, (statement, steps)
        if statement.startswith(("UPDATE", "DELETE FROM records")):
            assert walked == [], (statement, steps)


def test_recognised_forms_are_those_that_are_imported():
    assert extraction.recognise(text(person(ANNE, "a@x.fr"))) == import_records.EXTRACTION
    assert extraction.recognise(b"dn: o=x\n") == import_records.LDIF


def test_a_store_that_is_filled_has_the_same_indexes_afterwards(embedded, monkeypatch):
    def schema() -> list[tuple[str, str]]:
        connection = sqlite3.connect(embedded.state / "annuaire.db")
        try:
            return sorted(connection.execute("SELECT name, sql FROM sqlite_master"))
        finally:
            connection.close()

    made = schema()
    rows = [person(ANNE, f"{number}@x.fr") for number in range(9)]
    with monkeypatch.context() as patch:
        patch.setattr("annuaire.store.applying.record", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            load(embedded, *rows)
    assert (schema(), kept(embedded)) == (made, set())
    load(embedded, *rows)
    assert schema() == made
    with embedded.reading() as reader:
        assert reader.holders_of_address("3@x.fr") == [ANNE]
