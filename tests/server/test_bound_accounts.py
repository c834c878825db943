"""Accounts that are removed, suspended or changed while they are bound, on real connections."""

from __future__ import annotations

import time
from collections.abc import Iterator

import ldap3
import pytest
import serving
from waiting import until

from annuaire.ldap.standing import GONE, LOOK_SECONDS
from annuaire.passwords import hashes

SECRET = "un-mot-de-passe"
APICRYPT = f"ou=apicrypt,{serving.SUFFIX}"
COMPTES = f"ou=comptes,{serving.SUFFIX}"
DONE, REFUSED = "success", "insufficientAccessRights"


def person(uid: str) -> str:
    return (
        f"dn: uid={uid},{APICRYPT}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\nuid: {uid}\n"
        f"cn: {uid}\nsn: {uid}\nmail: {uid}@medical59.apicrypt.org\napicryptVersion: 2\nprofession: 10\n"
        f"userPassword: {hashes.own(SECRET.encode()).decode()}\n"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("standing") / "var"
    ldif = state.parent / "people.ldif"
    ldif.write_text("\n".join(person(uid) for uid in ("jeanne", "paul")))
    serving.fill(state, ldif)
    with serving.serving(state, workers=2) as running:
        yield running


def account(server: serving.Server, name: str, audience: str) -> str:
    done = server.annuaire(
        "account", "add", name, "--audience", audience, "--password-stdin", input=SECRET + "\n"
    )
    assert done.returncode == 0, done.stderr
    return f"uid={name},{COMPTES}"


def bound(server: serving.Server, name: str, secret: str = SECRET) -> ldap3.Connection:
    place = ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE)
    connection = ldap3.Connection(place, name, secret)
    assert connection.bind(), connection.result
    return connection


def said(connection: ldap3.Connection) -> tuple[str, str]:
    return connection.result["description"], connection.result["message"]


def reads(connection: ldap3.Connection) -> str:
    connection.search(serving.SUFFIX, "(objectClass=*)", ldap3.BASE)
    return connection.result["description"]


def test_an_administrator_who_was_removed_writes_and_reads_no_more(server: serving.Server) -> None:
    name = account(server, "chef", "admin")
    chef = bound(server, name)
    assert chef.add(f"ou=avant,{APICRYPT}", "organizationalUnit")
    assert reads(chef) == DONE
    assert server.annuaire("account", "remove", "chef").returncode == 0
    chef.add(f"ou=apres,{APICRYPT}", "organizationalUnit")
    assert said(chef) == (REFUSED, GONE)
    until(lambda: reads(chef) == REFUSED)
    assert said(chef) == (REFUSED, GONE)
    # It is refused as long as nobody binds, not only when it was looked.
    assert reads(chef) == REFUSED
    chef.compare(f"ou=avant,{APICRYPT}", "ou", "avant")
    assert said(chef) == (REFUSED, GONE)
    assert chef.rebind(serving.ADMIN, serving.PASSWORD)
    assert reads(chef) == DONE
    chef.search(f"ou=apres,{APICRYPT}", "(objectClass=*)", ldap3.BASE)
    assert chef.result["description"] == "noSuchObject"
    chef.unbind()


def test_the_same_account_made_anew_is_another_one(server: serving.Server) -> None:
    name = account(server, "relais", "mssante")
    relais = bound(server, name)
    assert server.annuaire("account", "remove", "relais").returncode == 0
    account(server, "relais", "mssante")
    until(lambda: reads(relais) == REFUSED)
    assert relais.rebind(name, SECRET)
    assert reads(relais) == DONE
    relais.unbind()


def test_a_suspended_person_writes_no_more_to_their_entry(server: serving.Server) -> None:
    name = f"uid=jeanne,{APICRYPT}"
    jeanne, admin = bound(server, name), bound(server, serving.ADMIN, serving.PASSWORD)
    telephone = {"telephoneNumber": [(ldap3.MODIFY_REPLACE, ["+33 1 99 00 00 01"])]}
    assert jeanne.modify(name, telephone)
    assert admin.modify(name, {"apicryptEtat": [(ldap3.MODIFY_REPLACE, ["suspendu"])]})
    assert not jeanne.modify(name, telephone)
    assert said(jeanne) == (REFUSED, GONE)
    until(lambda: reads(jeanne) == REFUSED)
    for connection in (jeanne, admin):
        connection.unbind()


def test_nobody_else_is_asked_to_bind_again(server: serving.Server) -> None:
    paul, admin = bound(server, f"uid=paul,{APICRYPT}"), bound(server, serving.ADMIN, serving.PASSWORD)
    stranger = ldap3.Connection(ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE))
    assert stranger.bind()
    assert admin.modify(f"uid=paul,{APICRYPT}", {"l": [(ldap3.MODIFY_REPLACE, ["LILLE"])]})
    time.sleep(LOOK_SECONDS + 0.2)
    for connection in (paul, admin, stranger):
        assert reads(connection) == DONE
        connection.unbind()
