"""Whoever writes announces before the commit that somebody hides.

The index is not brought up to the commit here, as if the writer had been killed behind it: strangers are then told
to come back, and see nobody who hides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asking
import hidden_people
import pytest
import two_directories
from hidden_people import SEEN, Account, Invention
from test_commands import run
from two_directories import Client, Place

from annuaire.actions import account_writes, recording, refresh
from annuaire.actions.write_entries import Writes
from annuaire.domain.access import Grant
from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.ldap import requests
from annuaire.ldap.messages import Message
from annuaire.ldap.results import ResultCode
from annuaire.ldap.writing import WriteJob, WriteOutcome

ADMIN = f"cn=admin,{hidden_people.SUFFIX}"
EVERYBODY = asking.search(1, "(objectClass=inetOrgPerson)")


@pytest.fixture(scope="module")
def account() -> Account:
    invention = Invention(1)
    return invention.account(invention.person("DUPONT"), SEEN)


@pytest.fixture
def place(tmp_path: Path, account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with two_directories.held_time() as held:
        place = Place(tmp_path / "var", held)
        place.import_ldif(hidden_people.folders() + hidden_people.ldif_of([account]))
        place.refresh()
        # As if killed: nothing brings the index up to a commit.
        monkeypatch.setattr(recording, "show", lambda *_: None)
        yield place
        place.close()


def code(place: Place) -> int:
    return asking.codes(Client(place.service()).say(EVERYBODY))[-1][1]


def job(octets: bytes) -> WriteJob:
    message = requests.decode(octets, 10)
    assert isinstance(message, Message)
    return WriteJob(message.operation, message.controls, ADMIN, Audience.ADMIN, Grant(), "test")  # type: ignore[arg-type]


def performed(place: Place, octets: bytes) -> None:
    writes = Writes(place.source, place.folder, (), account_writes.rules(place.source), ADMIN)
    [outcome] = writes.perform([job(octets)])
    assert isinstance(outcome, WriteOutcome)
    assert outcome.code == ResultCode.success, outcome


HIDING = {
    "listeRouge": [b"TRUE"],
    "apicryptInterop": [b"FALSE"],
    "apicryptEtat": [b"suspendu"],
    "apicryptVersion": [b"1"],
    "profession": [b"71"],
}


@pytest.mark.parametrize("attribute", list(HIDING))
def test_a_modification_that_hides_somebody_is_announced(
    place: Place, account: Account, attribute: str
) -> None:
    performed(place, asking.modify(1, account.dn, attribute, HIDING[attribute]))
    assert code(place) == ResultCode.busy
    place.refresh()
    answer = Client(place.service()).say(EVERYBODY)
    assert asking.codes(answer)[-1][1] == ResultCode.success
    assert account.interop.encode() not in answer


def test_a_deletion_is_announced(place: Place, account: Account) -> None:
    performed(place, asking.delete(1, account.dn))
    assert code(place) == ResultCode.busy


def test_a_modification_that_hides_nobody_is_not(place: Place, account: Account) -> None:
    performed(place, asking.modify(1, account.dn, "description", [b"x"]))
    assert code(place) == ResultCode.success


@pytest.mark.parametrize("kind", ["content", "modification", "deletion"])
def test_annuaire_import_announces(
    place: Place, account: Account, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {
        "content": hidden_people.ldif_of([account], hidden_people.HIDDEN["liste rouge"]),
        "modification": f"dn: {account.dn}\nchangetype: modify\nreplace: listeRouge\nlisteRouge: TRUE\n".encode(),
        "deletion": hidden_people.deletions([account]),
    }[kind]
    file = tmp_path / "f.ldif"
    file.write_bytes(data)

    def fail(*_: object) -> None:
        raise Unavailable("killed")

    with monkeypatch.context() as patch:
        patch.setattr(refresh, "refresh", fail)
        done = run(place, "import", str(file))
        assert done.exit_code == 75, done.output
    assert code(place) == ResultCode.busy
