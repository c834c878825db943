"""Whom an account describes follows its attributes, whatever changes them, and a change tells the one before."""

import io
import textwrap

import pytest
import store_places

from annuaire.actions import import_source, initialise, verifying
from annuaire.actions.import_source import Scope
from annuaire.ldap import dn, schema, tree

SUFFIX = "o=apicrypt,c=FR"
UNDER = f"ou=apicrypt,{SUFFIX}"
STANDARD = schema.standard()
TREE = tree.plant(SUFFIX, (), STANDARD)
ANNE = f"uid=anne,{UNDER}"

ACCOUNT = f"""\
dn: {ANNE}
objectClass: inetOrgPerson
objectClass: apicryptUtilisateur
uid: anne
cn: Anne
sn: Anne
mail: anne@medical59.apicrypt.org
apicryptVersion: 2
"""
NATIONAL = "TypeIdentifiantPP: 8\nIdentifiantPP: 99900000011\n"


@pytest.fixture(params=store_places.PLACES)
def store(request, tmp_path):
    with store_places.opened(request.param, tmp_path / "var") as opened:
        initialise.initialise(opened, TREE, STANDARD)
        yield opened


def load(store, text: str) -> None:
    data = textwrap.dedent(text).encode()
    scope = Scope(tuple(schema.shipped()), SUFFIX)
    report = import_source.import_ldif(store, scope, io.BytesIO(data), name="test.ldif", processes=0)
    assert report.applied, report.refusals


def found(store, name: str = ANNE):
    with store.reading() as reader:
        return reader.entry(dn.key(dn.parse(name), STANDARD))


def changes(store, after: int) -> list[tuple[str, str | None]]:
    with store.reading() as reader:
        return [(change.kind, change.holder) for change in reader.changes_since(after, 99)]


def test_the_same_national_identification_is_the_same_person(store):
    load(store, ACCOUNT + NATIONAL)
    assert found(store).person == "899900000011"
    assert changes(store, 3) == [("add", None)]


@pytest.mark.parametrize("identifier", ["x" * 3000, "999 0000", "99900000011\0"])
def test_without_a_usable_one_a_person_is_the_account(store, identifier):
    load(store, ACCOUNT + f"TypeIdentifiantPP: 8\nIdentifiantPP: {identifier}\n".replace("\0", "é"))
    assert found(store).person == "a-" + found(store).uuid.hex()


def test_what_is_no_account_describes_nobody(store):
    load(store, f"dn: ou=lyon,{UNDER}\nobjectClass: organizationalUnit\nou: lyon\n")
    assert found(store, f"ou=lyon,{UNDER}").person is None


def test_a_newer_file_moves_an_account_to_its_person(store):
    load(store, ACCOUNT)
    own = found(store).person
    assert own == "a-" + found(store).uuid.hex()
    load(store, ACCOUNT + NATIONAL)
    assert found(store).person == "899900000011"
    load(store, ACCOUNT)
    assert found(store).person == own
    assert changes(store, 4) == [("modify", own), ("modify", "899900000011")]


def test_each_kind_of_step_tells_whom_the_entry_described_before(store):
    load(store, ACCOUNT + NATIONAL)
    load(
        store,
        f"""\
        dn: {ANNE}
        changetype: modify
        replace: IdentifiantPP
        IdentifiantPP: 99900000029
        -

        dn: {ANNE}
        changetype: modrdn
        newrdn: uid=jeanne
        deleteoldrdn: 1
        """,
    )
    jeanne = f"uid=jeanne,{UNDER}"
    assert found(store, jeanne).person == "899900000029"
    load(store, f"dn: {jeanne}\nchangetype: delete\n")
    load(store, ACCOUNT.replace("objectClass: inet", "changetype: add\nobjectClass: inet") + NATIONAL)
    assert found(store).person == "899900000011"
    assert changes(store, 4) == [("rename", "899900000011"), ("delete", "899900000029"), ("add", None)]
    assert list(verifying.verify(store, TREE, STANDARD)) == []


def test_a_moved_subtree_keeps_its_persons(store):
    load(store, f"dn: ou=lyon,{UNDER}\nobjectClass: organizationalUnit\nou: lyon\n")
    load(store, ACCOUNT.replace(ANNE, f"uid=anne,ou=lyon,{UNDER}") + NATIONAL)
    load(store, f"dn: ou=lyon,{UNDER}\nchangetype: modrdn\nnewrdn: ou=lille\ndeleteoldrdn: 1\n")
    assert found(store, f"uid=anne,ou=lille,{UNDER}").person == "899900000011"
    assert changes(store, 5) == [("rename", None), ("rename", "899900000011")]


def test_an_account_kept_as_somebody_elses_is_found(store):
    load(store, ACCOUNT + NATIONAL)
    with store.writing() as writer:
        writer.identify({found(store).id: ("899900000029", found(store).account)})
    assert list(verifying.verify(store, TREE, STANDARD)) == [
        f"{ANNE}: is kept as the account of somebody else"
    ]
