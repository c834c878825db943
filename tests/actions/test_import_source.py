"""What an import does to the directory, on the real databases."""

import io
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import store_places

from annuaire.actions import import_report, import_source, initialise, workers
from annuaire.actions.import_report import Report
from annuaire.actions.import_source import Scope
from annuaire.errors import Malformed, NotFound, Refused
from annuaire.ldap import ber, dn, schema, tree
from annuaire.store import staging
from annuaire.store.engine import Store

SUFFIX = "o=apicrypt,c=FR"
UNDER = f"ou=apicrypt,{SUFFIX}"
TREE = "dc=example,dc=org"
STANDARD = schema.standard()
SCOPE = Scope(tuple(schema.shipped()), SUFFIX, (TREE,))


@contextmanager
def directory(place: str, state: Path):
    with store_places.opened(place, state) as store:
        prepare(store)
        yield store


def prepare(store: Store) -> None:
    initialise.initialise(store, tree.plant(SUFFIX, (), STANDARD), STANDARD)


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with directory(request.param, tmp_path / "var") as opened:
        yield opened


@pytest.fixture
def embedded(tmp_path):
    with directory("sqlite", tmp_path / "var") as opened:
        yield opened


def load(store: Store, text: str | bytes, **options) -> Report:
    data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
    options = {"name": "test.ldif", "processes": 0} | options
    return import_source.import_ldif(store, SCOPE, io.BytesIO(data), **options)


def key(name: str) -> bytes:
    return dn.key(dn.parse(name), STANDARD)


def found(store: Store, name: str):
    with store.reading() as reader:
        return reader.entry(key(name))


def attributes(store: Store, name: str) -> dict[str, list[bytes]]:
    return ber.decode_attributes(found(store, name).attributes)


def names(store: Store) -> set[str]:
    with store.reading() as reader:
        return {row.dn for row in reader.entries()}


def totals(report: Report) -> tuple[int, int, int, int, int]:
    return (report.added, report.changed, report.unchanged, report.removed, report.refused)


def person(uid: str, under: str = UNDER, *lines: str) -> str:
    return "\n".join(
        [
            f"dn: uid={uid},{under}",
            "objectClass: inetOrgPerson",
            f"uid: {uid}",
            f"cn: {uid.title()} MARTIN",
            "sn: MARTIN",
            *lines,
            "",
            "",
        ]
    )


def test_entries_are_added_with_their_stamps_and_one_change_each(store):
    report = load(store, person("anne") + person("jean"), actor="cn=admin,o=apicrypt,c=FR")
    assert totals(report) == (2, 0, 0, 0, 0)
    assert report.applied
    row = found(store, f"uid=anne,{UNDER}")
    assert row.created_by == "cn=admin,o=apicrypt,c=FR"
    assert row.created_at == row.modified_at
    assert row.structural == "inetOrgPerson"
    assert row.parent == key(UNDER)
    assert attributes(store, f"uid=anne,{UNDER}")["cn"] == [b"Anne MARTIN"]
    with store.reading() as reader:
        changes = reader.changes_since(3, 10)
        assert [(change.kind, change.key) for change in changes] == [
            ("add", key(f"uid=anne,{UNDER}")),
            ("add", key(f"uid=jean,{UNDER}")),
        ]
        assert reader.head() == report.change_number == 5
        assert changes[0].entry == row.id
        assert row.change == 4
        assert [change.imported for change in changes] == [1, 1]


def test_referrals_and_subentries_keep_what_they_are_made_of_and_stamps_are_made_here(store):
    """All of them are operational by their type; only what no class names is a server's own."""
    referral = f"""\
        dn: ou=ailleurs,{UNDER}
        objectClass: referral
        objectClass: extensibleObject
        ou: ailleurs
        ref: ldap://ailleurs.exemple/
        structuralObjectClass: person

        """
    subentry = f"""\
        dn: cn=regles,{UNDER}
        objectClass: subentry
        cn: regles
        subtreeSpecification: {{}}
        creatorsName: cn=autre
        """
    report = load(store, textwrap.dedent(referral) + textwrap.dedent(subentry))
    assert report.applied, report.refusals
    assert attributes(store, f"ou=ailleurs,{UNDER}")["ref"] == [b"ldap://ailleurs.exemple/"]
    assert "structuralObjectClass" not in attributes(store, f"ou=ailleurs,{UNDER}")
    kept = attributes(store, f"cn=regles,{UNDER}")
    assert kept["subtreeSpecification"] == [b"{}"]
    assert "creatorsName" not in kept


def test_each_entry_has_a_uuid_of_its_own(store):
    load(store, person("anne") + person("jean"))
    load(store, person("luc"))
    with store.reading() as reader:
        rows = reader.entries()
    assert len({row.uuid for row in rows}) == len(rows) == 6
    assert all(row.uuid[6] >> 4 in (4, 7) and row.uuid[8] >> 6 == 2 for row in rows)


def test_importing_twice_changes_nothing_and_says_so(store):
    text = person("anne", UNDER, "userPassword: {SSHA}x") + person(
        "jean", UNDER, "mail: a@b.fr", "mail: c@d.fr"
    )
    load(store, text)
    before = found(store, f"uid=anne,{UNDER}")
    report = load(store, text)
    assert totals(report) == (0, 0, 2, 0, 0)
    assert report.change_number == 5
    assert found(store, f"uid=anne,{UNDER}") == before


def test_another_order_or_case_or_spacing_is_no_change(store):
    load(store, person("anne", UNDER, "mail: a@b.fr", "mail: c@d.fr"))
    report = load(
        store,
        """
        dn: UID=Anne, ou=APICRYPT,O=apicrypt,C=fr
        sn: martin
        mail: C@d.fr
        mail: a@B.fr
        CN: ANNE  martin
        OBJECTCLASS: INETORGPERSON
        userid: anne
        """,
    )
    assert totals(report) == (0, 0, 1, 0, 0)


def test_a_changed_record_is_the_fewest_changes(store):
    load(store, person("anne", UNDER, "mail: a@b.fr", "title: Dr", "userPassword: {SSHA}secret"))
    before = found(store, f"uid=anne,{UNDER}")
    report = load(store, person("anne", UNDER, "mail: a@b.fr", "mail: e@f.fr"), actor="cn=other")
    assert totals(report) == (0, 1, 0, 0, 0)
    after = found(store, f"uid=anne,{UNDER}")
    assert (after.id, after.uuid) == (before.id, before.uuid)
    assert (after.created_at, after.created_by) == (before.created_at, before.created_by)
    assert after.modified_by == "cn=other"
    assert after.change == 5
    assert after.passwords == before.passwords
    assert attributes(store, f"uid=anne,{UNDER}") == {
        "objectClass": [b"inetOrgPerson"],
        "uid": [b"anne"],
        "cn": [b"Anne MARTIN"],
        "sn": [b"MARTIN"],
        "mail": [b"a@b.fr", b"e@f.fr"],
    }
    with store.reading() as reader:
        assert [change.kind for change in reader.changes_since(4, 9)] == ["modify"]


def test_passwords_are_kept_apart(store):
    load(store, person("anne", UNDER, "userPassword: {SSHA}secret", "userPassword: {SSHA}abc"))
    row = found(store, f"uid=anne,{UNDER}")
    assert b"secret" not in row.attributes
    assert ber.decode_attributes(row.passwords) == {"userPassword": [b"{SSHA}secret", b"{SSHA}abc"]}
    report = load(store, person("anne", UNDER, "userPassword: {SSHA}other"))
    assert report.changed == 1
    assert ber.decode_attributes(found(store, f"uid=anne,{UNDER}").passwords) == {
        "userPassword": [b"{SSHA}other"]
    }


def test_a_disk_that_fills_behind_the_commit_does_not_undo_the_report(store, monkeypatch):
    driver = staging.Staging._driver

    class Full:
        def __init__(self, real):
            self.real = real

        def execute(self, statement, *parameters):
            if "wal_checkpoint" in statement:
                raise sqlite3.OperationalError("database or disk is full")
            return self.real.execute(statement, *parameters)

        def __getattr__(self, name):
            return getattr(self.real, name)

    monkeypatch.setattr(staging.Staging, "_driver", lambda self: Full(driver(self)))
    assert totals(load(store, person("anne", UNDER))) == (1, 0, 0, 0, 0)
    assert found(store, f"uid=anne,{UNDER}")


def test_a_password_in_clear_is_refused_without_being_told(store):
    report = load(store, person("anne", UNDER, "userPassword: tres-secret"))
    [refusal] = report.refusals
    assert refusal.code == 19
    assert "in clear" in refusal.reason
    assert "tres-secret" not in str(refusal.reason)
    assert found(store, f"uid=anne,{UNDER}") is None


def test_parents_may_come_after_children(store):
    unit = f"dn: ou=lyon,{UNDER}\nobjectClass: organizationalUnit\nou: lyon\n\n"
    below = f"ou=nord,ou=lyon,{UNDER}"
    inner = f"dn: {below}\nobjectClass: organizationalUnit\nou: nord\n\n"
    report = load(store, person("anne", below) + inner + unit)
    assert totals(report) == (3, 0, 0, 0, 0)
    with store.reading() as reader:
        assert [change.key for change in reader.changes_since(3, 9)] == sorted(
            [key(f"ou=lyon,{UNDER}"), key(below), key(f"uid=anne,{below}")]
        )


def test_without_a_parent_a_record_and_all_below_it_are_refused(store):
    text = person("anne") + person("luc", f"ou=absent,{UNDER}") + person("x", f"uid=luc,ou=absent,{UNDER}")
    report = load(store, text, continue_=True)
    assert totals(report) == (1, 0, 0, 0, 2)
    assert [(one.line, one.code) for one in report.refusals] == [(7, 32), (13, 32)]
    assert "above" in report.refusals[0].reason
    assert f"uid=luc,ou=absent,{UNDER}" == report.refusals[0].dn


def test_a_child_of_a_refused_record_is_refused(store):
    unit = f"dn: ou=lyon,{UNDER}\nobjectClass: organizationalUnit\nou: lyon\ncolour: blue\n\n"
    report = load(store, person("anne", f"ou=lyon,{UNDER}") + unit, continue_=True)
    assert [(one.line, one.code) for one in report.refusals] == [(1, 32), (7, 17)]


def test_one_refusal_stops_everything(store):
    before = names(store)
    report = load(store, person("anne") + person("luc", f"ou=absent,{UNDER}"))
    assert totals(report) == (1, 0, 0, 0, 1)
    assert not report.applied
    assert names(store) == before
    with store.reading() as reader:
        kept = reader.imports()[0]
        assert (kept.applied, kept.added, kept.refused, kept.source) == (False, 1, 1, "test.ldif")
        assert reader.head() == 3


def test_with_continue_everything_valid_is_taken(store):
    text = person("anne") + "dn: uid=x,ou=apicrypt\nnonsense\n\n" + person("jean")
    report = load(store, text, continue_=True)
    assert totals(report) == (2, 0, 0, 0, 1)
    assert report.read == 3
    with store.reading() as reader:
        kept = reader.imports()[0]
        assert kept.applied
        assert reader.refusals(kept.id) == report.refusals


def test_a_dry_run_writes_nothing_and_gives_the_same_totals(store):
    load(store, person("anne") + person("jean"))
    text = person("anne") + person("jean", UNDER, "title: Dr") + person("luc") + person("x", f"ou=no,{UNDER}")
    dry = load(store, text, dry_run=True)
    with store.reading() as reader:
        assert reader.head() == 5
        assert len(reader.imports()) == 1
    wet = load(store, text, continue_=True)
    assert totals(dry) == totals(wet) == (1, 1, 1, 0, 1)
    assert dry.refusals == wet.refusals


def test_the_later_of_two_records_with_one_name_is_refused(store):
    report = load(store, person("anne") + person("ANNE", UNDER, "title: other"), continue_=True)
    assert totals(report) == (1, 0, 0, 0, 1)
    assert report.refusals[0].code == 68
    assert "line 1" in report.refusals[0].reason
    assert "title" not in attributes(store, f"uid=anne,{UNDER}")


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("uid=a,ou=people,dc=elsewhere", 32, "--under"),
        (f"uid=a,ou=personnes,{SUFFIX}", 53, f"ou=apicrypt,{SUFFIX}"),
        (f"uid=a,ou=structures,{SUFFIX}", 53, f"ou=comptes,{SUFFIX}"),
        (f"uid=a,{SUFFIX}", 53, f"ou=apicrypt,{SUFFIX}"),
        ("uid=a;;", 34, "DN"),
        (f"uid=a,{'ou=' + 'x' * 2100},{UNDER}", 11, "longer"),
    ],
)
def test_a_place_where_nothing_is_written_is_refused_with_the_way_out(embedded, name, code, says):
    report = load(embedded, f"dn: {name}\nobjectClass: account\nuid: a\n")
    assert [(one.code, one.line) for one in report.refusals] == [(code, 1)]
    assert says in report.refusals[0].reason


def test_the_schema_is_checked_with_everything_that_is_wrong(embedded):
    report = load(embedded, f"dn: uid=a,{UNDER}\nobjectClass: inetOrgPerson\nuid: a\nfavouriteColour: x\n")
    assert report.refusals[0].code == 17
    assert "favouriteColour" in report.refusals[0].reason
    assert "sn is missing" in report.refusals[0].reason


def test_our_own_entries_stay_as_they_are(store):
    before = found(store, UNDER)
    text = f"dn: {SUFFIX}\nobjectClass: organization\no: apicrypt\ndescription: other\n\n"
    text += f"dn: {UNDER}\nobjectClass: organizationalUnit\nou: apicrypt\n\n"
    text += f"dn: ou=personnes,{SUFFIX}\nobjectClass: organizationalUnit\nou: personnes\n\n"
    report = load(store, text + text)
    assert totals(report) == (0, 0, 6, 0, 0)
    assert found(store, UNDER) == before


def test_what_slapcat_adds_is_passed_over_with_a_note(store):
    report = load(
        store,
        person(
            "anne",
            UNDER,
            "structuralObjectClass: inetOrgPerson",
            "entryUUID: 0b8a7ac8-0000-103d-9a52-000000000000",
            "creatorsName: cn=other",
            "createTimestamp: 20000101000000Z",
            "entryCSN: 20000101000000.000000Z#000000#000#000000",
            "modifiersName: cn=other",
            "modifyTimestamp: 0Z",
            "nsUniqueId: 1-2-3",
        )
        + person("jean"),
    )
    assert totals(report) == (2, 0, 0, 0, 0)
    assert report.warnings == 1
    assert report.ignored["entryUUID"] == 1
    assert set(report.ignored) >= {"entryCSN", "modifyTimestamp", "nsUniqueId"}
    row = found(store, f"uid=anne,{UNDER}")
    assert row.created_at != "20000101000000Z"
    assert set(attributes(store, f"uid=anne,{UNDER}")) == {"objectClass", "uid", "cn", "sn"}


def test_a_further_tree_has_its_own_root(store):
    root = f"dn: {TREE}\nobjectClass: organization\nobjectClass: dcObject\ndc: example\no: Example\n\n"
    report = load(store, person("anne", TREE) + root)
    assert totals(report) == (2, 0, 0, 0, 0)
    assert found(store, TREE).parent == b""


# --- --under ---

FOREIGN = """
dn: dc=test,dc=org
objectClass: organization
objectClass: dcObject
dc: test
o: Test

dn: ou=people,dc=test,dc=org
objectClass: organizationalUnit
ou: people

dn:: Y249w6ksb3U9cGVvcGxlLGRjPXRlc3QsZGM9b3Jn
objectClass: person
cn: é
sn: E

dn: cn=all,DC=test,
 dc=org
objectClass: groupOfNames
cn: all
member: cn=\\c3\\a9,ou=People,dc=test,dc=org
member: cn=elsewhere,dc=other
"""


def test_under_replaces_the_base_of_the_file(store):
    report = load(store, FOREIGN, under=UNDER)
    assert totals(report) == (3, 0, 1, 0, 0)
    assert attributes(store, f"cn=all,{UNDER}")["member"] == [
        f"cn=é,ou=People,{UNDER}".encode(),
        b"cn=elsewhere,dc=other",
    ]
    assert found(store, f"cn=é,ou=people,{UNDER}").dn == f"cn=é,ou=people,{UNDER}"
    assert totals(load(store, FOREIGN, under=UNDER)) == (0, 0, 4, 0, 0)


def test_under_reads_a_pipe_once(embedded):
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    report = import_source.import_ldif(
        embedded, SCOPE, Pipe(FOREIGN.encode()), name="-", under=UNDER, processes=0
    )
    assert report.added == 3


def test_thunderbird_cards_become_entries_below_the_place(store):
    text = """
    dn: cn=Jean Dupont,mail=jean@example.org
    objectclass: top
    objectclass: person
    objectclass: organizationalPerson
    objectclass: inetOrgPerson
    objectclass: mozillaAbPersonAlpha
    givenName: Jean
    sn: Dupont
    cn: Jean Dupont
    mail: jean@example.org
    mozillaHomeLocalityName: Lille
    modifytimestamp: 0Z

    dn: cn=Amis,mail=
    objectclass: top
    objectclass: groupOfNames
    cn: Amis
    member: cn=Jean Dupont,mail=jean@example.org
    """
    report = load(store, text, under=UNDER)
    assert totals(report) == (2, 0, 0, 0, 0)
    assert report.warnings == 1
    card = f"cn=Jean Dupont+mail=jean@example.org,{UNDER}"
    assert attributes(store, card)["mozillaHomeLocalityName"] == [b"Lille"]
    assert attributes(store, f"cn=Amis,{UNDER}")["member"] == [card.encode()]


def test_a_file_with_one_entry_keeps_its_own_name(embedded):
    report = load(embedded, person("anne", "ou=people,dc=test,dc=org"), under=UNDER)
    assert report.added == 1
    assert found(embedded, f"uid=anne,{UNDER}") is not None


@pytest.mark.parametrize(
    ("under", "error"),
    [
        ("nonsense", Malformed),
        (f"ou=absent,{UNDER}", NotFound),
        (f"ou=personnes,{SUFFIX}", Refused),
        ("dc=elsewhere", Refused),
    ],
)
def test_a_place_that_cannot_be_is_said_before_anything_is_read(embedded, under, error):
    with pytest.raises(error, match="--under"):
        load(embedded, FOREIGN, under=under)


# --- Rejects, memory, processes ---


def test_rejects_hold_each_refused_record_to_be_corrected(store):
    text = (
        person("anne")
        + person("anne", UNDER, "userPassword:: e1NTSEF9eA==")
        + "dn: uid=x,dc=elsewhere\nobjectClass: account\nuid: x\n\n"
        + "dn: uid=y\nnonsense\n"
    )
    rejects = io.BytesIO()
    load(store, text, continue_=True, rejects=rejects)
    written = rejects.getvalue().decode()
    assert written.count("# Error: ") == 3
    assert "# Error: Already exists (68), additional info: line 7:" in written
    assert "dn: uid=x,dc=elsewhere\nobjectClass: account\nuid: x\n" in written
    assert "nonsense" in written
    corrected = written.replace("dc=elsewhere", UNDER).replace("nonsense", "objectClass: account")
    assert load(store, corrected, continue_=True).added == 1


def test_a_report_holds_some_refusals_and_the_store_all(store, monkeypatch):
    monkeypatch.setattr(import_report, "REFUSALS_REPORTED", 3)
    text = "".join(person(f"p{number}", f"ou=absent,{UNDER}") for number in range(8))
    report = load(store, text)
    assert report.refused == 8
    assert len(report.refusals) == 3
    with store.reading() as reader:
        assert len(reader.refusals(1)) == 8


def test_several_processes_give_what_one_gives(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "CHUNKS_HERE", 1)
    monkeypatch.setattr("annuaire.importing.ldif.CHUNK_SIZE", 2000)
    text = "".join(person(f"p{number}") for number in range(200))
    text += person("p7") + person("z", f"ou=absent,{UNDER}") + "dn: uid=x\nnonsense\n\n"
    seen = []
    for processes in (0, 2):
        with directory("sqlite", tmp_path / str(processes)) as store:
            report = load(store, text, continue_=True, processes=processes)
            with store.reading() as reader:
                rows = [row._replace(uuid=b"", created_at="", modified_at="") for row in reader.entries()]
            seen.append((report, rows))
    assert seen[0] == seen[1]
    assert totals(seen[0][0]) == (200, 0, 0, 0, 3)


def test_progress_tells_bytes_and_records(embedded, tmp_path):
    path = tmp_path / "people.ldif"
    path.write_text("".join(person(f"p{number}") for number in range(30)))
    told = []
    with path.open("rb") as stream:
        import_source.import_ldif(embedded, SCOPE, stream, name="x", progress=told.append)
    assert [one.phase for one in told] == ["read", "compare", "apply"]
    assert told[0].done == told[0].total == path.stat().st_size
    assert told[0].records == 30


def test_an_empty_file_is_an_import_of_nothing(store):
    report = load(store, "")
    assert totals(report) == (0, 0, 0, 0, 0)
    assert report.applied


def test_working_files_are_private_and_go_away(embedded):
    seen = []

    def look(_progress) -> None:
        folder = embedded.state / "imports"
        seen.extend((path.suffix, path.stat().st_mode & 0o777) for path in folder.iterdir())

    load(embedded, person("anne"), progress=look)
    assert set(seen) == {(".db", 0o600), (".lock", 0o600)}
    assert (embedded.state / "imports").stat().st_mode & 0o777 == 0o700
    assert list((embedded.state / "imports").iterdir()) == []


# --- Other writers meanwhile ---


def during_comparison(store: Store, text: str, meanwhile, **options) -> Report:
    """Import, and let another writer act between the comparison and the write lock."""
    acted = []

    def act(progress) -> None:
        if progress.phase == "apply" and not acted:
            acted.append(True)
            meanwhile()

    return load(store, text, progress=act, **options)


@pytest.mark.parametrize("few", [0, 2000])
def test_what_others_added_meanwhile_is_taken_in(store, monkeypatch, few):
    monkeypatch.setattr(import_source, "FEW", few)
    text = person("anne") + person("jean", UNDER, "title: Dr")
    report = during_comparison(store, text, lambda: load(store, person("jean")))
    assert totals(report) == (1, 1, 0, 0, 0)
    assert attributes(store, f"uid=jean,{UNDER}")["title"] == [b"Dr"]


@pytest.mark.parametrize("few", [0, 2000])
def test_what_others_changed_or_removed_meanwhile_is_taken_in(store, monkeypatch, few):
    monkeypatch.setattr(import_source, "FEW", few)
    load(store, person("anne") + person("jean") + person("luc"))
    meanwhile = f"dn: uid=anne,{UNDER}\nchangetype: delete\n\n"
    meanwhile += f"dn: uid=jean,{UNDER}\nchangetype: modify\nreplace: title\ntitle: Dr\n-\n\n"
    meanwhile += f"dn: uid=luc,{UNDER}\nchangetype: modrdn\nnewrdn: uid=luke\ndeleteoldrdn: 1\n\n"
    text = person("anne") + person("jean") + person("luc")
    report = during_comparison(store, text, lambda: load(store, meanwhile))
    assert totals(report) == (2, 1, 0, 0, 0)
    assert "title" not in attributes(store, f"uid=jean,{UNDER}")
    assert {f"uid={name},{UNDER}" for name in ("anne", "jean", "luc", "luke")} <= names(store)


@pytest.mark.parametrize("few", [0, 2000])
def test_a_parent_removed_meanwhile_refuses_its_children(store, monkeypatch, few):
    monkeypatch.setattr(import_source, "FEW", few)
    load(store, f"dn: ou=lyon,{UNDER}\nobjectClass: organizationalUnit\nou: lyon\n")
    text = person("anne", f"ou=lyon,{UNDER}") + person("jean")
    remove = f"dn: ou=lyon,{UNDER}\nchangetype: delete\n"
    report = during_comparison(store, text, lambda: load(store, remove), continue_=True)
    assert totals(report) == (1, 0, 0, 0, 1)


@pytest.mark.parametrize("few", [0, 2000])
def test_steps_are_taken_again_when_others_wrote_meanwhile(store, monkeypatch, few):
    monkeypatch.setattr(import_source, "FEW", few)
    load(store, person("anne"))
    text = f"dn: uid=anne,{UNDER}\nchangetype: modify\nadd: title\ntitle: Dr\n-\n"
    report = during_comparison(
        store, text, lambda: load(store, text.replace("title", "description")), continue_=True
    )
    assert totals(report) == (0, 1, 0, 0, 0)
    assert attributes(store, f"uid=anne,{UNDER}")["description"] == [b"Dr"]


def test_an_import_overtaken_by_many_changes_compares_again(embedded, monkeypatch):
    monkeypatch.setattr(import_source, "FEW", 0)
    monkeypatch.setattr(import_source, "MOVED_MAX", 2)
    others = "".join(person(f"p{number}") for number in range(5))
    report = during_comparison(embedded, person("p3", UNDER, "title: Dr"), lambda: load(embedded, others))
    assert totals(report) == (0, 1, 0, 0, 0)


def test_a_file_being_read_stops_no_writer(embedded):
    """A writer goes through while an import waits for its next bytes."""
    reading, writing = os.pipe()
    reports = []
    with os.fdopen(reading, "rb") as stream:
        thread = threading.Thread(
            target=lambda: reports.append(
                import_source.import_ldif(embedded, SCOPE, stream, name="-", processes=0)
            )
        )
        thread.start()
        os.write(writing, person("anne").encode())
        time.sleep(0.2)
        assert load(embedded, person("jean")).applied
        os.close(writing)
        thread.join()
    assert totals(reports[0]) == (1, 0, 0, 0, 0)


# --- Killed ---


KILLED = """
import os, signal, sys
from pathlib import Path
from annuaire.actions import import_source
from annuaire.ldap import schema
from annuaire.store import engine, staging

moment, state, path = sys.argv[1:]
store = engine.open("", Path(state))

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def progress(told):
    if told.phase == moment:
        die()

if moment in ("applied", "committed"):
    from annuaire.store import applying
    if moment == "applied":
        applying.record = die
    else:
        staging.Staging.settle = die
scope = import_source.Scope(tuple(schema.shipped()), "o=apicrypt,c=FR")
with open(path, "rb") as stream:
    import_source.import_ldif(store, scope, stream, name=path, processes=0, progress=progress)
"""


@pytest.mark.parametrize("moment", ["read", "compare", "apply", "applied", "committed"])
def test_killed_at_any_moment_the_store_is_as_before_or_as_after(embedded, tmp_path, moment):
    path = tmp_path / "people.ldif"
    path.write_text("".join(person(f"p{number}") for number in range(50)))
    done = subprocess.run(
        [sys.executable, "-c", KILLED, moment, str(embedded.state), str(path)],
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    after = 53 if moment == "committed" else 3
    with embedded.reading() as reader:
        assert reader.count() == reader.head() == after
    assert len(list((embedded.state / "imports").iterdir())) == 2
    report = load(embedded, path.read_bytes())
    assert report.added == 53 - after
    assert list((embedded.state / "imports").iterdir()) == []


def test_a_worker_that_is_killed_ends_the_import_and_changes_nothing(embedded, monkeypatch):
    from annuaire.errors import Unavailable

    monkeypatch.setattr(workers, "CHUNKS_HERE", 1)
    monkeypatch.setattr("annuaire.importing.ldif.CHUNK_SIZE", 500)
    monkeypatch.setattr(workers, "_work", _die)
    text = "".join(person(f"p{number}") for number in range(60))
    with pytest.raises(Unavailable):
        load(embedded, text, processes=1)
    with embedded.reading() as reader:
        assert reader.count() == 3


def _die(_pipe, _order) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
