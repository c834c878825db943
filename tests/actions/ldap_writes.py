"""LDAP writes without a server: requests as values, given to the store's writer as a worker gives them."""

from __future__ import annotations

from collections.abc import Sequence

from invented_accounts import SUFFIX, State

from annuaire.actions import account_writes
from annuaire.actions.write_entries import Writes
from annuaire.domain.access import SELF_WRITABLE, Grant
from annuaire.domain.audience import Audience
from annuaire.errors import AnnuaireError
from annuaire.ldap.messages import (
    ADD_VALUES,
    DELETE_VALUES,
    INCREMENT,
    REPLACE_VALUES,
    AddRequest,
    Control,
    DeleteRequest,
    ModifyDnRequest,
    ModifyRequest,
)
from annuaire.ldap.writing import WriteJob, WriteOutcome, WriteRequest

ADMIN = f"cn=admin,{SUFFIX}"
OPERATIONS = {
    "add": ADD_VALUES,
    "delete": DELETE_VALUES,
    "replace": REPLACE_VALUES,
    "increment": INCREMENT,
}


def add(name: str, **attributes: str | Sequence[str]) -> AddRequest:
    given = [
        (key, [one.encode() for one in ([values] if isinstance(values, str) else values)])
        for key, values in attributes.items()
    ]
    return AddRequest(name.encode(), given)


def modify(name: str, *changes: tuple[str, ...]) -> ModifyRequest:
    """Changes as ("replace", attribute, value…)."""
    return ModifyRequest(
        name.encode(),
        [(OPERATIONS[change[0]], change[1], [one.encode() for one in change[2:]]) for change in changes],
    )


def delete(name: str) -> DeleteRequest:
    return DeleteRequest(name.encode())


def rename(name: str, rdn: str, delete_old: bool = True, superior: str | None = None) -> ModifyDnRequest:
    return ModifyDnRequest(
        name.encode(), rdn.encode(), delete_old, None if superior is None else superior.encode()
    )


class Doors:
    """The ways into one state: over LDAP as an administrator or as oneself; files come through the state."""

    def __init__(self, state: State, trees: tuple[str, ...] = ()) -> None:
        self.state = state
        source = state.source
        self.writes = Writes(source, state.folder, trees, account_writes.rules(source), ADMIN)

    def all(self, *jobs: WriteJob) -> list[WriteOutcome | AnnuaireError]:
        return self.writes.perform(jobs)

    def administrator(self, request: WriteRequest, *controls: Control) -> WriteOutcome:
        [outcome] = self.all(job(request, *controls))
        assert isinstance(outcome, WriteOutcome), outcome
        return outcome

    def person(self, request: ModifyRequest, *controls: Control) -> WriteOutcome:
        """Bound as the entry that is changed."""
        grant = Grant(frozenset([name.lower() for name in SELF_WRITABLE]))
        [outcome] = self.all(
            WriteJob(request, controls, request.dn.decode(), Audience.APICRYPT, grant, "test")
        )
        assert isinstance(outcome, WriteOutcome), outcome
        return outcome


def job(request: WriteRequest, *controls: Control) -> WriteJob:
    return WriteJob(request, controls, ADMIN, Audience.ADMIN, Grant(), "test")
