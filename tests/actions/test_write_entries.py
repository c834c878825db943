"""LDAP writes on the store, by themselves and together: who is named follows, nobody is blamed for another's fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asking
import pytest
import store_places
from invented_accounts import APICRYPT, STANDARD, SUFFIX, State, ldif
from ldap_writes import ADMIN, Doors, add, delete, job, modify, rename

from annuaire.actions import verifying
from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.errors import AnnuaireError, Unavailable
from annuaire.ldap import ber, controls, dn, tree
from annuaire.ldap.messages import AddRequest, Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteOutcome
from annuaire.store.entries import EntryRow, EntryWriter

TREE = "dc=exemple,dc=fr"
GROUP = f"cn=groupe,{APICRYPT}"
A, B = f"cn=a,{APICRYPT}", f"cn=b,{APICRYPT}"
RELAX = Control(controls.RELAX, True)


@pytest.fixture(params=store_places.PLACES)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    with store_places.opened(request.param, tmp_path / "var") as opened:
        yield State(opened)


@pytest.fixture
def doors(state: State) -> Doors:
    return Doors(state, (TREE,))


def done(*outcomes: WriteOutcome | AnnuaireError) -> None:
    for outcome in outcomes:
        assert isinstance(outcome, WriteOutcome)
        assert (outcome.code, outcome.text) == (ResultCode.success, "")


def person(name: str, **more: str) -> AddRequest:
    return add(name, objectClass="inetOrgPerson", sn="x", **more)


def stored(state: State, name: str) -> dict[str, list[str]]:
    row = row_of(state, name)
    assert row is not None, name
    return {
        key: [one.decode() for one in some] for key, some in ber.decode_attributes(row.attributes).items()
    }


def row_of(state: State, name: str) -> EntryRow | None:
    with state.store.reading() as reader:
        return reader.entry(dn.key(dn.parse(name), STANDARD))


@pytest.fixture
def group(doors: Doors) -> Doors:
    for name in (A, B):
        done(doors.administrator(person(name)))
    done(doors.administrator(add(GROUP, objectClass="groupOfNames", member=[A.upper(), B], seeAlso=A)))
    return doors


# --- Who is named follows ---


def test_a_renamed_member_is_followed_in_every_attribute_that_names_it(state: State, group: Doors) -> None:
    done(group.administrator(rename(A, "cn=é\\,x")))
    found = stored(state, GROUP)
    assert found["member"] == [f"cn=é\\,x,{APICRYPT}", B]
    assert found["seeAlso"] == [f"cn=é\\,x,{APICRYPT}"]


def test_a_deleted_member_goes_from_the_group_and_the_last_one_leaves_the_administrator(
    state: State, group: Doors
) -> None:
    done(group.administrator(delete(A)))
    found = stored(state, GROUP)
    assert found["member"] == [B]
    assert "seeAlso" not in found
    done(group.administrator(delete(B)))
    assert stored(state, GROUP)["member"] == [ADMIN]


def test_what_a_group_may_lack_is_not_given_to_the_administrator_with_its_last_member(
    state: State, group: Doors
) -> None:
    done(group.administrator(delete(B)))
    done(group.administrator(delete(A)))
    found = stored(state, GROUP)
    assert found["member"] == [ADMIN]
    assert "seeAlso" not in found


def test_a_member_who_is_renamed_to_another_ones_name_is_named_once(state: State, group: Doors) -> None:
    elsewhere = f"cn=c,{APICRYPT}"
    done(group.administrator(modify(GROUP, ("add", "member", elsewhere))))
    done(group.administrator(rename(A, "cn=c")))
    assert stored(state, GROUP)["member"] == [elsewhere, B]


def test_members_below_what_moves_are_followed(state: State, doors: Doors) -> None:
    old, new = f"ou=lyon,{APICRYPT}", f"ou=rhone,{APICRYPT}"
    outcomes = doors.all(
        job(add(old, objectClass="organizationalUnit")),
        job(add(new, objectClass="organizationalUnit")),
        job(person(f"cn=a,{old}")),
        job(add(GROUP, objectClass="groupOfNames", member=f"cn=a,{old}")),
        job(rename(old, "ou=lyon", superior=new)),
    )
    done(*outcomes)
    assert stored(state, GROUP)["member"] == [f"cn=a,ou=lyon,{new}"]
    done(doors.administrator(delete(new), Control(controls.TREE_DELETE, True)))
    assert stored(state, GROUP)["member"] == [ADMIN]
    assert list(verifying.verify(state.store, tree.plant(SUFFIX, (TREE,), STANDARD), STANDARD)) == []


def test_who_was_named_in_the_same_commit_is_followed(state: State, doors: Doors) -> None:
    """The index knows nothing yet of what the transaction has written."""
    outcomes = doors.all(
        job(person(A)),
        job(person(B)),
        job(add(GROUP, objectClass="groupOfNames", member=[A, B])),
        job(rename(A, "cn=c")),
        job(rename(GROUP, "cn=autre")),
        job(delete(B)),
    )
    done(*outcomes)
    assert stored(state, f"cn=autre,{APICRYPT}")["member"] == [f"cn=c,{APICRYPT}"]


# --- Together ---


def test_writes_of_several_people_are_one_commit_each_in_their_own_name(state: State, doors: Doors) -> None:
    other = WriteJob(person(B), (), f"uid=autre,ou=comptes,{SUFFIX}", Audience.ADMIN, Grant(), "x")
    with state.store.reading() as reader:
        before = reader.head()
    done(*doors.all(job(person(A)), other, job(delete(A))))
    with state.store.reading() as reader:
        assert [one.kind for one in reader.changes_since(before, 9)] == ["add", "add", "delete"]
    row = row_of(state, B)
    assert (row.created_by, row.modified_by) == (other.actor, other.actor)


def test_a_fault_of_ours_is_one_writes_alone(
    state: State, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EntryWriter.add

    def add_or_fail(self, new, *more):
        if new.dn == B:
            raise ZeroDivisionError
        return real(self, new, *more)

    monkeypatch.setattr(EntryWriter, "add", add_or_fail)
    first, second, third = doors.all(job(person(A)), job(person(B)), job(person(f"cn=c,{APICRYPT}")))
    done(first, third)
    assert isinstance(second, AnnuaireError)
    assert not isinstance(second, Unavailable)
    assert isinstance(second.__cause__, ZeroDivisionError)
    assert row_of(state, A) is not None
    assert row_of(state, B) is None


def test_a_store_that_goes_away_in_the_middle_is_everybodys_trouble(
    state: State, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EntryWriter.add

    def add_or_fail(self, new, *more):
        if new.dn == B:
            self._connection.exec_driver_sql("SELECT * FROM nowhere")
        return real(self, new, *more)

    monkeypatch.setattr(EntryWriter, "add", add_or_fail)
    outcomes = doors.all(job(person(A)), job(person(B)))
    if state.store.embedded:  # where it is an OperationalError
        assert [type(one) for one in outcomes] == [Unavailable, Unavailable]
        assert row_of(state, A) is None


# --- Trees ---


def test_an_entry_is_added_if_it_will_be_as_asserted(state: State, doors: Doors) -> None:
    for asserted in ("(sn=autre)", "(couleur=x)", "(!(cn=a))"):
        refused = doors.administrator(person(A), asking.asserting(asserted))
        assert (refused.code, row_of(state, A)) == (ResultCode.assertionFailed, None), asserted
    done(doors.administrator(person(A), asking.asserting("(&(cn=A)(objectClass=person))")))
    assert stored(state, A)


def test_the_base_of_a_further_tree_is_added_like_any_entry(state: State, doors: Doors) -> None:
    assert doors.administrator(person(f"cn=a,{TREE}")).code == ResultCode.noSuchObject
    done(doors.administrator(add(TREE, objectClass=["dcObject", "organization"], o="Exemple")))
    done(doors.administrator(person(f"cn=a,{TREE}")))
    assert doors.administrator(delete(TREE)).code == ResultCode.notAllowedOnNonLeaf
    assert doors.administrator(rename(TREE, "dc=autre")).code == ResultCode.affectsMultipleDSAs
    done(doors.administrator(delete(TREE), Control(controls.TREE_DELETE, True)))
    assert row_of(state, TREE) is None


def test_nothing_moves_from_one_tree_to_another(state: State, doors: Doors) -> None:
    done(doors.administrator(add(TREE, objectClass=["dcObject", "organization"], o="Exemple")))
    done(doors.administrator(person(A)))
    assert doors.administrator(rename(A, "cn=a", superior=TREE)).code == ResultCode.affectsMultipleDSAs
    done(doors.administrator(rename(A, "cn=a", superior=f"ou=comptes,{SUFFIX}")))


def test_an_account_lies_below_ou_apicrypt_alone(state: State, doors: Doors) -> None:
    done(doors.administrator(add(TREE, objectClass=["dcObject", "organization"], o="Exemple")))
    account = {
        "objectClass": ["inetOrgPerson", "apicryptUtilisateur"],
        "sn": "x",
        "mail": "x@medical59.apicrypt.org",
        "apicryptVersion": "2",
    }
    for above in (TREE, f"ou=comptes,{SUFFIX}"):
        refused = doors.administrator(add(f"cn=x,{above}", **account))
        assert refused.code == ResultCode.namingViolation
        assert "ou=apicrypt" in refused.text
    done(doors.administrator(person(f"cn=x,{TREE}")))
    become = [("add", "objectClass", "apicryptUtilisateur"), ("add", "mail", "x@medical59.apicrypt.org")]
    refused = doors.administrator(modify(f"cn=x,{TREE}", *become, ("add", "apicryptVersion", "2")))
    assert refused.code == ResultCode.namingViolation
    folder = f"ou=lyon,{APICRYPT}"
    done(doors.administrator(add(folder, objectClass="organizationalUnit")))
    done(doors.administrator(add(f"cn=x,{folder}", **account)))
    moved = doors.administrator(rename(folder, "ou=lyon", superior=f"ou=comptes,{SUFFIX}"))
    assert moved.code == ResultCode.namingViolation
    report = state.load(ldif().replace(APICRYPT, f"ou=comptes,{SUFFIX}"))
    assert [one.code for one in report.refusals] == [ResultCode.namingViolation]


# --- Relax ---


def test_an_administrator_says_who_an_entry_is_and_when_it_was_made(state: State, doors: Doors) -> None:
    said = {
        "entryUUID": "00000000-0000-4000-8000-00000000000a",
        "createTimestamp": "20200101120000.5+0100",
        "creatorsName": "cn=Quelqu'un,dc=ailleurs",
        "modifyTimestamp": "20210101000000Z",
    }
    assert doors.administrator(person(A, **said)).code == ResultCode.constraintViolation
    done(doors.administrator(person(A, **said), RELAX))
    row = row_of(state, A)
    assert row.uuid.hex() == said["entryUUID"].replace("-", "")
    assert (row.created_at, row.created_by) == ("20200101110000Z", "cn=Quelqu'un,dc=ailleurs")
    assert (row.modified_at, row.modified_by) == ("20210101000000Z", ADMIN)
    again = doors.administrator(person(B, entryUUID=said["entryUUID"]), RELAX)
    assert again.code == ResultCode.constraintViolation
    for name, value in (("entryDN", B), ("structuralObjectClass", "person"), ("hasSubordinates", "TRUE")):
        refused = doors.administrator(person(B, **{name: value}), RELAX)
        assert refused.code == ResultCode.constraintViolation, name


def test_a_structural_class_changes_when_an_administrator_insists(state: State, doors: Doors) -> None:
    done(doors.administrator(add(A, objectClass="person", sn="x")))
    become = modify(A, ("replace", "objectClass", "inetOrgPerson"))
    refused = doors.administrator(become)
    assert refused.code == ResultCode.objectClassModsProhibited
    assert "person, not inetOrgPerson" in refused.text
    done(doors.administrator(become, RELAX))
    assert row_of(state, A).structural == "inetOrgPerson"
    nonsense = doors.administrator(modify(A, ("replace", "objectClass", "device")), RELAX)
    assert nonsense.code == ResultCode.objectClassViolation


@pytest.mark.parametrize(
    ("classes", "attributes", "code"),
    [
        (
            ["referral", "extensibleObject"],
            {"ref": "ldap://ailleurs.exemple/"},
            ResultCode.affectsMultipleDSAs,
        ),
        (["alias", "extensibleObject"], {"aliasedObjectName": A}, ResultCode.aliasProblem),
        (["subentry"], {"subtreeSpecification": "{}"}, ResultCode.objectClassViolation),
    ],
)
def test_nothing_is_put_below_what_is_closed_nor_is_closed_what_has_something_below(
    doors: Doors, classes: list[str], attributes: dict[str, str], code: int
) -> None:
    """Clients are referred by what the index knows; what was written in the same moment it does not know yet."""
    closed = f"cn=fermée,{APICRYPT}"
    outcomes = doors.all(
        job(add(closed, objectClass=classes, **attributes)), job(person(f"cn=b,{closed}")), job(person(A))
    )
    done(outcomes[0], outcomes[2])
    assert isinstance(outcomes[1], WriteOutcome)
    assert outcomes[1].code == code
    assert doors.administrator(rename(A, "cn=a", superior=closed)).code == code
    done(doors.administrator(person(B)), doors.administrator(person(f"cn=c,{B}")))
    closing = modify(
        B,
        ("replace", "objectClass", *classes),
        ("delete", "sn"),
        *(("add", *one) for one in attributes.items()),
    )
    assert doors.administrator(closing, RELAX).code == code
    done(doors.administrator(delete(f"cn=c,{B}")), doors.administrator(closing, RELAX))
