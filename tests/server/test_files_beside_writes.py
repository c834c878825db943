"""The same entries and changes by LDAP and in files: what one door refuses the others refuse, for the same reason.

Each entry is added over LDAP to a served tree; imported as it is to be; and added by a file of changes, whose records
are replayed one after the other. Of what all take, all keep the same. Each change is tried by LDAP and in a file.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asking
import pytest
import serving
import store_places
from hostile_entries import CASES, CHANGES, GROUND, SUFFIX, TREE, Attributes, Case, Change

from annuaire.actions import import_source, initialise, preparing
from annuaire.actions.import_report import Report
from annuaire.actions.import_source import Scope
from annuaire.ldap import controls, dn, tree
from annuaire.ldap import schema as schemas
from annuaire.ldap.messages import ADD_VALUES, DELETE_VALUES, INCREMENT, REPLACE_VALUES, Control
from annuaire.ldap.responses import Result
from annuaire.ldap.results import ResultCode
from annuaire.store import engine
from annuaire.store.engine import Store

STANDARD = schemas.standard()
SCOPE = Scope(tuple(schemas.shipped()), SUFFIX, (TREE,))
VARIABLES = {"ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]'}
# A file of changes is replayed once one of them is no addition.
A_CHANGE = f"dn: {TREE}\nchangetype: modify\nreplace: o\no: Autre\n-\n\n"
# LDAP then does nothing and says that it could (draft-zeilenga-ldap-noop).
TRIED = Control(controls.NO_OPERATION, True, None)
REFERRALS_AS_ENTRIES = Control(controls.MANAGE_DSA_IT, True, None)
WORDS = {
    "+": ("add", ADD_VALUES),
    "-": ("delete", DELETE_VALUES),
    "=": ("replace", REPLACE_VALUES),
    "#": ("increment", INCREMENT),
}


def as_ldif(name: str, attributes: Attributes, changetype: str = "") -> str:
    lines = [f"dn:: {_base64(name.encode())}"]
    if changetype:
        lines.append(f"changetype: {changetype}")
    for attribute, values in attributes.items():
        lines += [f"{attribute}:: {_base64(value)}" for value in values]
    return "\n".join([*lines, "", ""])


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def as_change(change: Change) -> str:
    lines = [f"dn:: {_base64(change.name.encode())}"]
    if change.rdn:
        lines += ["changetype: modrdn", f"newrdn:: {_base64(change.rdn.encode())}"]
        lines.append(f"deleteoldrdn: {int(not change.keep_old)}")
        if change.superior is not None:
            lines.append(f"newsuperior: {change.superior}")
    elif change.values:
        lines.append("changetype: modify")
        for kind, attribute, *values in change.values:
            lines.append(f"{WORDS[kind][0]}: {attribute}")
            lines += [f"{attribute}:: {_base64(value.encode())}" for value in values]
            lines.append("-")
    else:
        lines.append("changetype: delete")
    return "\n".join([*lines, "", ""])


def as_request(change: Change) -> bytes:
    sent = (TRIED, REFERRALS_AS_ENTRIES)
    if change.rdn:
        return asking.modify_dn(3, change.name, change.rdn, change.superior, not change.keep_old, sent)
    if change.values:
        wanted = [
            (WORDS[kind][1], attribute, [value.encode() for value in values])
            for kind, attribute, *values in change.values
        ]
        return asking.changes(3, change.name, wanted, sent)
    return asking.delete(3, change.name, sent)


def load(store: Store, text: str, dry_run: bool = False) -> Report:
    options = {"name": "test.ldif", "processes": 0, "continue_": True, "dry_run": dry_run}
    return import_source.import_ldif(store, SCOPE, io.BytesIO(text.encode()), **options)  # type: ignore[arg-type]


class Served(NamedTuple):
    """A state that is served, and a connection of its administrator."""

    state: Path
    connection: socket.socket

    def asked(self, request: bytes) -> Result:
        self.connection.sendall(request)
        answer = asking.read(serving.receive(self.connection))[-1].operation
        assert isinstance(answer, Result)
        return answer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state = tmp_path_factory.mktemp("served") / "var"
    with serving.serving(state, **VARIABLES) as server, server.connect() as connection:
        made = Served(state, connection)
        assert made.asked(asking.bind(1, serving.ADMIN, serving.PASSWORD)).code == ResultCode.success
        for name, attributes in GROUND.items():
            answer = made.asked(asking.add(2, name, attributes))
            assert answer.code == ResultCode.success, (name, answer.text)
        yield made


@functools.cache
def added(served: Served, says: str) -> Result:
    return served.asked(asking.add(2, CASES[says].name, dict(CASES[says].attributes)))


@pytest.fixture(params=store_places.PLACES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Another one, for files, with the same in it."""
    with store_places.opened(request.param, tmp_path / "var") as opened:
        initialise.initialise(opened, tree.plant(SUFFIX, (TREE,), STANDARD), STANDARD)
        assert load(opened, "".join(as_ldif(*one) for one in GROUND.items())).refusals == []
        yield opened


def kept(store: Store, name: str) -> dict[str, set[bytes]] | None:
    """What there is of an entry, but for passwords, which are hashed as they come."""
    with store.reading() as reader:
        row = reader.entry(dn.key(dn.parse(name), STANDARD))
    if row is None:
        return None
    return {name: set(values) for name, values in preparing.decode(row.attributes, None).items()}


def codes(case: Case | Change, doors: int) -> tuple[int, ...]:
    return case.codes if isinstance(case.codes, tuple) else (case.codes,) * doors


def test_each_difference_between_doors_has_its_reason() -> None:
    for case in (*CASES.values(), *CHANGES.values()):
        assert isinstance(case.codes, tuple) == bool(case.why), case
        assert isinstance(case.codes, int) or len(set(case.codes)) > 1, case


def judged(store: Store, changetype: str) -> dict[str, int]:
    """Import all entries by one file; the code of each refusal, 0 of what is taken."""
    text, at = A_CHANGE if changetype else "", {}
    for says, case in CASES.items():
        at[text.count("\n") + 1] = says
        text += as_ldif(case.name, case.attributes, changetype)
    found = dict.fromkeys(CASES, 0)
    for refusal in load(store, text).refusals:
        says = at[refusal.line]
        assert refusal.dn == CASES[says].name or dn.parse(refusal.dn) == dn.parse(CASES[says].name)
        assert refusal.reason
        found[says] = refusal.code
    return found


@pytest.mark.parametrize(("door", "changetype"), [(1, ""), (2, "add")], ids=["contents", "changes"])
def test_an_entry_is_taken_or_refused_by_whatever_door(
    door: int, changetype: str, served: Served, store: Store
) -> None:
    found = judged(store, changetype)
    for says, case in CASES.items():
        assert found[says] == codes(case, 3)[door], says
    with contextlib.closing(engine.open("", served.state)) as theirs:
        for says, case in CASES.items():
            answer = added(served, says)
            assert answer.code == codes(case, 3)[0], (says, answer)
            if codes(case, 3) == (0, 0, 0):
                assert kept(store, case.name) == kept(theirs, case.name) is not None, says


def test_a_change_is_made_or_refused_by_whatever_door(served: Served, store: Store) -> None:
    wrong = []
    for says, case in CHANGES.items():
        answer = served.asked(as_request(case))
        report = load(store, as_change(case), dry_run=True)
        by_ldap = 0 if answer.code == ResultCode.noOperation else int(answer.code)
        by_file = report.refusals[0].code if report.refusals else 0
        if (by_ldap, by_file) != codes(case, 2):
            wrong.append((says, (by_ldap, by_file), answer.text, report.refusals))
    assert not wrong
