"""Writes of somebody who bound long ago: they are done as long as the store knows that somebody as they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import store_places
from invented_accounts import APICRYPT, SUFFIX, State, ldif
from ldap_writes import Doors, add, delete, job, modify, rename

from annuaire.domain.access import SELF_WRITABLE, Grant
from annuaire.domain.audience import Audience
from annuaire.ldap import dn
from annuaire.ldap.messages import ModifyRequest
from annuaire.ldap.results import ResultCode
from annuaire.ldap.standing import GONE, Standing
from annuaire.ldap.writing import WriteGroup, WriteJob, WriteOutcome

CHEF = f"uid=chef,ou=comptes,{SUFFIX}"
JEANNE = f"uid=jeanne,{APICRYPT}"
UNIT = f"ou=nouveau,{APICRYPT}"
REFUSED = (ResultCode.insufficientAccessRights, GONE)
DONE = (ResultCode.success, "")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with store_places.opened("sqlite", tmp_path / "var") as opened:
        yield State(opened)


@pytest.fixture
def doors(state: State) -> Doors:
    doors = Doors(state)
    account = add(CHEF, objectClass=["account", "annuaireCompte"], uid="chef", annuaireAudience="admin")
    assert ended(doors.administrator(account)) == DONE
    state.load(ldif())
    return doors


def ended(outcome: object) -> tuple[int, str]:
    assert isinstance(outcome, WriteOutcome), outcome
    return outcome.code, outcome.text


def bound(state: State, name: str, audience: Audience) -> Standing:
    with state.store.reading() as reader:
        row = reader.entry(dn.key(dn.parse(name), state.source.schema()))
    assert row is not None
    return Standing(row.dn, row.key, row.uuid, audience)


def by_chef(state: State, unit: str = UNIT) -> WriteJob:
    standing = bound(state, CHEF, Audience.ADMIN)
    return replace(job(add(unit, objectClass="organizationalUnit")), actor=CHEF, standings=(standing,))


def by_jeanne(state: State) -> WriteJob:
    own = Grant(frozenset([name.lower() for name in SELF_WRITABLE]))
    request = modify(JEANNE, ("replace", "telephoneNumber", "+33 1 99 00 00 01"))
    standing = bound(state, JEANNE, Audience.APICRYPT)
    return WriteJob(request, (), JEANNE, Audience.APICRYPT, own, "x", standings=(standing,))


def test_whoever_is_as_they_were_writes(state: State, doors: Doors) -> None:
    assert [ended(one) for one in doors.all(by_chef(state), by_jeanne(state))] == [DONE, DONE]


@pytest.mark.parametrize(
    "changes",
    [
        [delete(CHEF)],
        [modify(CHEF, ("replace", "annuaireAudience", "mssante"))],
        [rename(CHEF, "uid=ancien")],
        [
            delete(CHEF),
            add(CHEF, objectClass=["account", "annuaireCompte"], uid="chef", annuaireAudience="admin"),
        ],
    ],
    ids=["removed", "another audience", "another name", "another entry of that name"],
)
def test_an_administrator_who_is_not_there_as_before_writes_no_more(
    state: State, doors: Doors, changes: list
) -> None:
    late = by_chef(state)
    # In one batch, as writes of several connections are: what the one before did holds for the next.
    outcomes = [ended(one) for one in doors.all(*map(job, changes), late)]
    assert outcomes == [DONE] * len(changes) + [REFUSED]
    with state.store.reading() as reader:
        assert reader.entry(dn.key(dn.parse(UNIT), state.source.schema())) is None


@pytest.mark.parametrize(
    "change",
    [
        modify(JEANNE, ("replace", "apicryptEtat", "suspendu")),
        delete(JEANNE),
        rename(JEANNE, "uid=jeanne2"),
    ],
    ids=["suspended", "deleted", "renamed"],
)
def test_people_write_to_their_entry_as_long_as_it_is_theirs(
    state: State, doors: Doors, change: ModifyRequest
) -> None:
    late = by_jeanne(state)
    assert [ended(one) for one in doors.all(job(change), late)] == [DONE, REFUSED]


def test_a_change_that_leaves_somebody_who_they_are_costs_them_nothing(state: State, doors: Doors) -> None:
    late = by_jeanne(state)
    assert ended(doors.administrator(modify(JEANNE, ("replace", "sn", "Autre")))) == DONE
    assert ended(doors.all(late)[0]) == DONE


@pytest.mark.parametrize("gone", [CHEF, JEANNE])
def test_who_acts_for_another_needs_both_to_be_there(state: State, doors: Doors, gone: str) -> None:
    both = (bound(state, CHEF, Audience.ADMIN), bound(state, JEANNE, Audience.APICRYPT))
    late = replace(by_jeanne(state), bound=CHEF, standings=both)
    assert [ended(one) for one in doors.all(late, job(delete(gone)), late)] == [DONE, DONE, REFUSED]


def test_of_a_transaction_nothing_is_done_once_its_client_is_gone(state: State, doors: Doors) -> None:
    one, other = by_chef(state), by_chef(state, f"ou=second,{APICRYPT}")
    group = replace(job(WriteGroup((one, other), (1, 2))))
    assert [ended(outcome) for outcome in doors.all(job(delete(CHEF)), group)] == [DONE, REFUSED]
