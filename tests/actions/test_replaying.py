"""Files of changes: each record sees what the ones before it did, and what cannot be done is refused alone."""

import io
import textwrap

import pytest
import store_places

from annuaire.actions import import_source, initialise
from annuaire.actions.import_report import Report
from annuaire.actions.import_source import Scope
from annuaire.ldap import ber, dn, schema, tree

SUFFIX = "o=apicrypt,c=FR"
UNDER = f"ou=apicrypt,{SUFFIX}"
STANDARD = schema.standard()
SCOPE = Scope(tuple(schema.shipped()), SUFFIX)

START = f"""
dn: ou=lyon,{UNDER}
objectClass: organizationalUnit
ou: lyon

dn: ou=nord,ou=lyon,{UNDER}
objectClass: organizationalUnit
ou: nord

dn: uid=anne,ou=nord,ou=lyon,{UNDER}
objectClass: inetOrgPerson
uid: anne
cn: Anne MARTIN
sn: MARTIN
userPassword: {{SSHA}}secret

dn: uid=jean,{UNDER}
objectClass: inetOrgPerson
uid: jean
cn: Jean DUPONT
sn: DUPONT
employeeNumber: 7
"""


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        initialise.initialise(opened, tree.plant(SUFFIX, (), STANDARD), STANDARD)
        load(opened, START)
        yield opened


def load(store, text: str, **options) -> Report:
    data = textwrap.dedent(text).replace("UNDER", UNDER).encode()
    options = {"continue_": True, "processes": 0} | options
    return import_source.import_ldif(store, SCOPE, io.BytesIO(data), name="changes", **options)


def found(store, name: str):
    with store.reading() as reader:
        return reader.entry(dn.key(dn.parse(name.replace("UNDER", UNDER)), STANDARD))


def attributes(store, name: str) -> dict[str, list[bytes]]:
    return ber.decode_attributes(found(store, name).attributes)


def kinds(store, after: int) -> list[str]:
    with store.reading() as reader:
        return [change.kind for change in reader.changes_since(after, 100)]


def totals(report: Report) -> tuple[int, int, int, int, int]:
    return (report.added, report.changed, report.unchanged, report.removed, report.refused)


def test_all_four_kinds_in_one_file(store):
    report = load(
        store,
        """
        version: 1

        dn: uid=luc,UNDER
        changetype: add
        objectClass: account
        uid: luc

        dn: uid=jean,UNDER
        changetype: modify
        add: mail
        mail: a@b.fr
        -
        add: objectClass
        objectClass: extensibleObject
        -
        add: uidNumber
        uidNumber: 7
        -
        increment: uidNumber
        uidNumber: 5
        -
        replace: title

        dn: uid=jean,UNDER
        changetype: modrdn
        newrdn: uid=jeannot
        deleteoldrdn: 1

        dn: uid=anne,ou=nord,ou=lyon,UNDER
        changetype: delete
        """,
    )
    assert totals(report) == (1, 2, 0, 1, 0)
    assert found(store, "uid=jean,UNDER") is None
    assert found(store, "uid=anne,ou=nord,ou=lyon,UNDER") is None
    renamed = attributes(store, "uid=jeannot,UNDER")
    assert renamed["uid"] == [b"jeannot"]
    assert renamed["mail"] == [b"a@b.fr"]
    assert renamed["uidNumber"] == [b"12"]
    assert kinds(store, 7) == ["delete", "rename", "add"]


def test_each_record_sees_what_the_ones_before_it_did(store):
    report = load(
        store,
        """
        dn: uid=jean,UNDER
        changetype: delete

        dn: uid=jean,UNDER
        changetype: add
        objectClass: account
        uid: jean

        dn: uid=jean,UNDER
        changetype: modify
        add: description
        description: new
        -

        dn: uid=jean,UNDER
        changetype: moddn
        newrdn: uid=paul
        deleteoldrdn: 0
        newsuperior: ou=lyon,UNDER

        dn: uid=jean,UNDER
        changetype: delete
        """,
    )
    assert totals(report) == (1, 2, 0, 1, 1)
    assert report.refusals[0].code == 32
    assert attributes(store, "uid=paul,ou=lyon,UNDER") == {
        "objectClass": [b"account"],
        "uid": [b"jean", b"paul"],
        "description": [b"new"],
    }
    assert kinds(store, 7) == ["delete", "add"]


def test_what_a_file_adds_and_removes_was_never_there(store):
    report = load(
        store,
        """
        dn: uid=luc,UNDER
        changetype: add
        objectClass: account
        uid: luc

        dn: uid=luc,UNDER
        changetype: delete
        """,
    )
    assert totals(report) == (1, 0, 0, 1, 0)
    assert kinds(store, 7) == []


def test_a_subtree_moves_whole_and_keeps_its_uuids(store):
    before = found(store, "uid=anne,ou=nord,ou=lyon,UNDER")
    report = load(
        store,
        """
        dn: ou=lyon,UNDER
        changetype: modrdn
        newrdn: ou=Lille
        deleteoldrdn: 1

        dn: uid=luc,ou=nord,ou=Lille,UNDER
        changetype: add
        objectClass: account
        uid: luc

        dn: ou=nord,ou=lille,UNDER
        changetype: modrdn
        newrdn: ou=sud
        deleteoldrdn: 1
        """,
    )
    assert totals(report) == (1, 2, 0, 0, 0)
    after = found(store, "uid=anne,ou=sud,ou=lille,UNDER")
    assert after.dn == f"uid=anne,ou=sud,ou=Lille,{UNDER}"
    assert (after.id, after.uuid, after.passwords) == (before.id, before.uuid, before.passwords)
    assert found(store, "uid=luc,ou=sud,ou=lille,UNDER") is not None
    assert attributes(store, "ou=lille,UNDER")["ou"] == [b"Lille"]
    with store.reading() as reader:
        changes = reader.changes_since(7, 20)
        assert [change.kind for change in changes] == ["rename", "rename", "rename", "add"]
        assert changes[0].key == dn.key(dn.parse(f"ou=lyon,{UNDER}"), STANDARD)
        assert not list(reader.subtree(dn.key(dn.parse(f"ou=lyon,{UNDER}"), STANDARD)))


def test_two_entries_exchange_their_names(store):
    jean, lyon = found(store, "uid=jean,UNDER"), found(store, "ou=nord,ou=lyon,UNDER")
    load(store, "dn: uid=luc,UNDER\nchangetype: add\nobjectClass: account\nuid: luc\n")
    luc = found(store, "uid=luc,UNDER")
    steps = "".join(
        f"dn: uid={old},UNDER\nchangetype: modrdn\nnewrdn: uid={new}\ndeleteoldrdn: 1\n\n"
        for old, new in (("jean", "x"), ("luc", "jean"), ("x", "luc"))
    )
    assert totals(load(store, steps)) == (0, 3, 0, 0, 0)
    assert found(store, "uid=jean,UNDER").uuid == luc.uuid
    assert found(store, "uid=luc,UNDER").uuid == jean.uuid
    assert found(store, "ou=nord,ou=lyon,UNDER") == lyon


def test_a_rename_of_case_alone_is_taken(store):
    report = load(store, "dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: uid=JEAN\ndeleteoldrdn: 1\n")
    assert totals(report) == (0, 1, 0, 0, 0)
    assert found(store, "uid=jean,UNDER").dn == f"uid=JEAN,{UNDER}"
    assert attributes(store, "uid=jean,UNDER")["uid"] == [b"JEAN"]


def test_added_parents_may_come_later(store):
    report = load(
        store,
        """
        dn: uid=luc,ou=est,UNDER
        changetype: add
        objectClass: account
        uid: luc

        dn: uid=jean,UNDER
        changetype: delete

        dn: ou=est,UNDER
        changetype: add
        objectClass: organizationalUnit
        ou: est
        """,
    )
    assert totals(report) == (2, 0, 0, 1, 0)


def test_an_added_entry_that_nothing_holds_is_refused_at_the_end(store):
    report = load(
        store,
        """
        dn: uid=luc,ou=est,UNDER
        changetype: add
        objectClass: account
        uid: luc

        dn: uid=jean,UNDER
        changetype: delete
        """,
    )
    assert totals(report) == (0, 0, 0, 1, 1)
    assert found(store, "uid=luc,ou=est,UNDER") is None


def test_a_modification_that_changes_nothing_is_said_so(store):
    step = "dn: uid=jean,UNDER\nchangetype: modify\nreplace: employeeNumber\nemployeeNumber: 7\n-\n"
    assert totals(load(store, step)) == (0, 0, 1, 0, 0)
    assert kinds(store, 7) == []


def test_passwords_are_modified_apart(store):
    name = "uid=anne,ou=nord,ou=lyon,UNDER"
    load(store, f"dn: {name}\nchangetype: modify\nadd: userPassword\nuserPassword: {{SSHA}}second\n-\n")
    row = found(store, name)
    assert ber.decode_attributes(row.passwords) == {"userPassword": [b"{SSHA}secret", b"{SSHA}second"]}
    assert b"second" not in row.attributes
    load(store, f"dn: {name}\nchangetype: modify\ndelete: userPassword\n-\n")
    assert found(store, name).passwords is None


def test_what_a_server_notes_of_itself_is_passed_over(store):
    report = load(
        store,
        """
        dn: uid=jean,UNDER
        changetype: modify
        add: title
        title: Dr
        -
        replace: modifiersName
        modifiersName: cn=other
        -
        replace: modifyTimestamp
        modifyTimestamp: 20000101000000Z
        -
        """,
    )
    assert totals(report) == (0, 1, 0, 0, 0)
    assert report.warnings == 1
    assert set(report.ignored) == {"modifiersName", "modifyTimestamp"}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("dn: uid=nobody,UNDER\nchangetype: delete\n", 32),
        ("dn: uid=nobody,UNDER\nchangetype: modify\nadd: cn\ncn: x\n-\n", 32),
        ("dn: ou=lyon,UNDER\nchangetype: delete\n", 66),
        ("dn: UNDER\nchangetype: delete\n", 53),
        ("dn: UNDER\nchangetype: modify\nadd: description\ndescription: x\n-\n", 53),
        ("dn: uid=a,ou=personnes,o=apicrypt,c=FR\nchangetype: delete\n", 53),
        ("dn: uid=a,dc=elsewhere\nchangetype: delete\n", 32),
        ("dn: uid=jean,UNDER\nchangetype: add\nobjectClass: account\nuid: jean\n", 68),
        ("dn: uid=jean,UNDER\nchangetype: modify\ndelete: sn\n-\n", 65),
        ("dn: uid=jean,UNDER\nchangetype: modify\ndelete: uid\nuid: jean\n-\n", 67),
        ("dn: uid=jean,UNDER\nchangetype: modify\nadd: cn\ncn: JEAN dupont\n-\n", 20),
        ("dn: uid=jean,UNDER\nchangetype: modify\ndelete: mail\nmail: x@y.fr\n-\n", 16),
        ("dn: uid=jean,UNDER\nchangetype: modify\nadd: colour\ncolour: x\n-\n", 17),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: nonsense\ndeleteoldrdn: 1\n", 34),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: sn=X\ndeleteoldrdn: 0\n", 0),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: sn=X\ndeleteoldrdn: 1\n", 0),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: ou=x\ndeleteoldrdn: 0\n", 0),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: dc=x\ndeleteoldrdn: 0\n", 65),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: ou=lyon\ndeleteoldrdn: 0\n", 68),
        ("dn: ou=lyon,UNDER\nchangetype: modrdn\nnewrdn: ou=x\ndeleteoldrdn: 1\nnewsuperior: ou=lyon,UNDER\n", 53),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: uid=x\ndeleteoldrdn: 1\nnewsuperior: ou=no,UNDER\n", 32),
        ("dn: uid=jean,UNDER\nchangetype: modrdn\nnewrdn: uid=x\ndeleteoldrdn: 1\nnewsuperior: dc=else\n", 71),
        ("dn: uid=jean,UNDER\ncontrol: 1.2.3 true\nchangetype: delete\n", 12),
        ("dn: uid=jean,UNDER\ncontrol: 1.2.3 false\nchangetype: delete\n", 0),
        ("dn: uid=jean,UNDER\ncontrol: 2.16.840.1.113730.3.4.2 true\nchangetype: delete\n", 0),
        ("dn: uid=jean,UNDER\nchangetype: rename\n", 2),
    ],
)  # fmt: skip
def test_a_step_that_cannot_be_taken_is_refused_with_its_code(store, step, code):
    with store.reading() as reader:
        before = reader.entries()
    report = load(store, step)
    assert [one.code for one in report.refusals] == ([code] if code else [])
    with store.reading() as reader:
        assert (reader.entries() == before) == bool(code)


def test_refused_steps_come_back_as_rejects(store):
    rejects = io.BytesIO()
    load(
        store,
        "dn: uid=jean,UNDER\nchangetype: modify\nadd: colour\ncolour: x\n-\n\n"
        "dn: uid=jean,UNDER\nchangetype: add\nobjectClass: account\nuid: jean\n",
        rejects=rejects,
    )
    written = rejects.getvalue().decode()
    assert f"dn: uid=jean,{UNDER}\nchangetype: modify\nadd: colour\ncolour: x\n-\n" in written
    assert f"dn: uid=jean,{UNDER}\nchangetype: add\nobjectClass: account\n" in written


def test_one_refused_step_stops_all_of_them(store):
    report = load(
        store,
        "dn: uid=jean,UNDER\nchangetype: delete\n\ndn: uid=nobody,UNDER\nchangetype: delete\n",
        continue_=False,
    )
    assert totals(report) == (0, 0, 0, 1, 1)
    assert not report.applied
    assert found(store, "uid=jean,UNDER") is not None


def test_adds_alone_refuse_what_exists(store):
    text = "".join(
        f"dn: uid={uid},UNDER\nchangetype: add\nobjectClass: account\nuid: {uid}\n\n"
        for uid in ("jean", "luc")
    )
    report = load(store, text)
    assert totals(report) == (1, 0, 0, 0, 1)
    assert report.refusals[0].code == 68


def test_content_and_changes_in_one_file_are_told_apart_by_line(store):
    text = "dn: uid=a,UNDER\nobjectClass: account\nuid: a\n\ndn: uid=jean,UNDER\nchangetype: delete\n"
    report = load(store, text)
    assert totals(report) == (1, 0, 0, 0, 1)
    assert report.refusals[0].line == 5
