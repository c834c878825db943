"""What writes over LDAP leave in the journal: exactly their records, from several processes at once."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ldap3
import pytest
import serving
from ldap3.core.exceptions import LDAPOperationResult
from serving import ADMIN, PASSWORD, SUFFIX
from told_records import is_well, told
from waiting import PATIENCE_SECONDS, until

from annuaire.ldap.controls import PROXIED_AUTHORIZATION
from annuaire.passwords import hashes

APICRYPT, COMPTES = f"ou=apicrypt,{SUFFIX}", f"ou=comptes,{SUFFIX}"
SECRET, NEXT = "premier-mot-de-passe", "second-mot-de-passe"
# By slappasswd, of `correct cheval pile agrafe é`.
OLD = "{SSHA}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK"
OLD_SECRET = "correct cheval pile agrafe é"


def mail(uid: str) -> str:
    return f"{uid}@medical59.apicrypt.org"


def name(uid: str) -> str:
    return f"uid={uid},{APICRYPT}"


def person(uid: str, kept: str, *more: str) -> str:
    return "\n".join(
        [
            f"dn: {name(uid)}",
            "objectClass: inetOrgPerson",
            "objectClass: apicryptUtilisateur",
            *(f"uid: {uid}", f"cn: {uid}", f"givenName: {uid}", "sn: Essai", f"mail: {mail(uid)}"),
            *("apicryptVersion: 2", "profession: 10", f"userPassword: {kept}"),
            *more,
            "",
        ]
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("told") / "var"
    kept = hashes.own(SECRET.encode()).decode()
    people = [person(uid, kept) for uid in ("anne", "bruno", "claire", *(f"p{n}" for n in range(8)))]
    people += [person("ancien", OLD), person("v1", kept).replace("Version: 2", "Version: 1")]
    (state.parent / "people.ldif").write_text("\n".join(people))
    serving.fill(state, state.parent / "people.ldif")
    with serving.serving(state, workers=2, ANNUAIRE_JOURNAL_ADDRESSES="clear") as running:
        yield running


class Journal:
    """The records that come while one looks."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._seen = len(told(state))

    def new(self, count: int) -> list[dict[str, Any]]:
        """So many, and not one more; where clients are is left out. Records are on the disk within 50 ms."""
        until(lambda: len(told(self._state)) >= self._seen + count)
        time.sleep(0.2)
        found = told(self._state)[self._seen :]
        assert all(one.pop("client").startswith("127.0.0.1:") for one in found)
        return found


@pytest.fixture
def journal(server: serving.Server) -> Journal:
    return Journal(server.state)


@contextlib.contextmanager
def bound(server: serving.Server, who: str = ADMIN, secret: str = PASSWORD) -> Iterator[ldap3.Connection]:
    place = ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE)
    connection = ldap3.Connection(place, who, secret, raise_exceptions=True)
    try:
        connection.bind()
        yield connection
    finally:
        connection.unbind()


BY_ADMIN = {"door": "ldap", "actor": ADMIN}
BY_SELF = {"door": "ldap", "actor": "self"}


def replaced(*values: str) -> list[tuple[str, list[str]]]:
    return [(ldap3.MODIFY_REPLACE, list(values))]


def test_the_life_of_an_account(server: serving.Server, journal: Journal) -> None:
    attributes = {"cn": "neuf", "sn": "Neuf", "givenName": "Paul", "mail": mail("neuf"), "profession": "10"}
    with bound(server) as admin:
        admin.add(
            name("neuf"), ["inetOrgPerson", "apicryptUtilisateur"], {**attributes, "apicryptVersion": 2}
        )
        admin.modify(
            name("neuf"),
            {"telephoneNumber": replaced("+33 3 53 01 00 01"), "apicryptInterop": replaced("TRUE")},
        )
        admin.modify_dn(name("neuf"), "uid=paul")
        admin.delete(name("paul"))
    account = {"kind": "account", "account": mail("neuf"), **BY_ADMIN}
    interop = "paul.neuf@interop-mssante.apicrypt.org"
    found = journal.new(5)
    assert found[:3] == [
        {**account, "done": "added"},
        {
            **account,
            "done": "changed",
            "interop": interop,
            "attributes": ["apicryptInteropMail", "telephoneNumber"],
        },
        {**account, "kind": "choice", "choice": "apicryptInterop", "value": True},
    ]
    assert found[3] == {**account, "done": "renamed"}
    # The new name brought a value of uid.
    assert found[4:-1] == [{**account, "done": "changed", "attributes": ["uid"]}]
    assert found[-1] == {**account, "done": "removed"}


def test_what_people_do_to_their_own_entries_names_them_once(
    server: serving.Server, journal: Journal
) -> None:
    with bound(server, name("anne"), SECRET) as anne:
        anne.modify(name("anne"), {"apicryptInterop": replaced("TRUE")})
        anne.modify(name("anne"), {"listeRouge": replaced("TRUE")})
        anne.modify(name("anne"), {"telephoneNumber": replaced("+33 3 53 01 00 02")})
        with pytest.raises(LDAPOperationResult):
            anne.modify(name("anne"), {"apicryptVersion": replaced("1")})
    account = {"kind": "account", "account": mail("anne"), **BY_SELF, "done": "changed"}
    choice = {"kind": "choice", "account": mail("anne"), **BY_SELF, "value": True}
    *first, refusal = journal.new(5)
    assert first == [
        {
            **account,
            "attributes": ["apicryptInteropMail"],
            "interop": "anne.essai@interop-mssante.apicrypt.org",
        },
        {**choice, "choice": "apicryptInterop"},
        {**choice, "choice": "listeRouge"},
        {**account, "attributes": ["telephoneNumber"]},
    ]
    assert "apicryptVersion" in refusal.pop("text")
    assert refusal == {
        "kind": "refusal",
        "entry": name("anne"),
        "operation": "modify",
        "reason": "insufficientAccessRights",
        **BY_SELF,
    }


def test_of_a_password_that_it_is_another_and_nothing_else(server: serving.Server, journal: Journal) -> None:
    with bound(server, name("bruno"), SECRET) as bruno:
        assert bruno.extend.standard.modify_password(name("bruno"), SECRET, NEXT)
    with bound(server) as admin:
        assert admin.extend.standard.modify_password(name("bruno"), None, SECRET)
        admin.modify(name("bruno"), {"userPassword": replaced(NEXT)})
    changed = {"kind": "account", "account": mail("bruno"), "done": "changed", "attributes": ["userPassword"]}
    assert journal.new(3) == [{**changed, **BY_SELF}, *[{**changed, **BY_ADMIN}] * 2]
    everything = b"".join(path.read_bytes() for path in (server.state / "journal").iterdir())
    for secret in (SECRET, NEXT, "ARGON2", "argon2"):
        assert secret.encode() not in everything


def test_what_the_policy_of_passwords_refuses_is_told_without_it(
    server: serving.Server, journal: Journal
) -> None:
    short, hashed = "court", "{SSHA}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK"
    with bound(server, name("claire"), SECRET) as claire:
        for given in (short, hashed):
            with pytest.raises(LDAPOperationResult):
                claire.modify(name("claire"), {"userPassword": replaced(given)})
        with pytest.raises(LDAPOperationResult):
            claire.extend.standard.modify_password(name("claire"), SECRET, short)
        # A wrong one is a guess, not a refusal: the log has it, like those of binds.
        with pytest.raises(LDAPOperationResult):
            claire.extend.standard.modify_password(name("claire"), "faux", NEXT)
    with bound(server) as admin, pytest.raises(LDAPOperationResult):
        admin.add(
            name("court"),
            ["inetOrgPerson", "apicryptUtilisateur"],
            {"cn": "c", "sn": "c", "mail": mail("court"), "apicryptVersion": 2, "userPassword": short},
        )
    found = journal.new(4)
    assert [(one["operation"], one["actor"]) for one in found] == [
        *[("modify", "self")] * 2,
        ("passwordchange", "self"),
        ("add", ADMIN),
    ]
    assert {(one["kind"], one["door"], one["reason"]) for one in found} == {
        ("refusal", "ldap", "constraintViolation")
    }
    assert all("12" in one["text"] for one in (found[0], *found[2:])), found
    everything = b"".join(path.read_bytes() for path in (server.state / "journal").iterdir())
    assert hashed.encode() not in everything


def test_who_acts_in_the_name_of_another_is_told_beside_them(
    server: serving.Server, journal: Journal
) -> None:
    def as_(who: str) -> list[tuple[str, bool, bytes]]:
        return [(PROXIED_AUTHORIZATION, True, f"dn:{who}".encode())]

    second = f"uid=second,{COMPTES}"
    with bound(server) as admin:
        admin.add(second, ["account", "annuaireCompte"], {"annuaireAudience": "admin"})
        number = {"telephoneNumber": replaced("+33 3 53 01 00 77")}
        admin.modify(name("claire"), number, controls=as_(name("claire")))
        with pytest.raises(LDAPOperationResult):
            admin.modify(name("claire"), {"sn": replaced("Autre")}, controls=as_(name("claire")))
        admin.modify(name("claire"), {"telephoneNumber": replaced()}, controls=as_(second))
        admin.modify(name("claire"), number, controls=as_(ADMIN))
        admin.delete(second)
    made, own, refused, others, same, gone = journal.new(6)
    assert (own["actor"], own["bound"]) == ("self", ADMIN)
    assert (refused["kind"], refused["actor"], refused["bound"]) == ("refusal", "self", ADMIN)
    assert (others["actor"], others["bound"]) == (second, ADMIN)
    assert [(one["actor"], "bound" in one) for one in (made, same, gone)] == [(ADMIN, False)] * 3


def test_an_old_hash_made_anew_is_nobodys_change(server: serving.Server, journal: Journal) -> None:
    with bound(server, name("ancien"), OLD_SECRET):
        pass
    assert journal.new(0) == []


def test_what_the_rules_refuse_and_not_what_is_misspelt(server: serving.Server, journal: Journal) -> None:
    with bound(server) as admin:
        for uid, changes in (
            ("v1", {"apicryptInterop": replaced("TRUE")}),
            ("nobody", {"apicryptInterop": replaced("TRUE")}),
            ("claire", {"apicryptVersion": replaced("neuf")}),
        ):
            with pytest.raises(LDAPOperationResult):
                admin.modify(name(uid), changes)
    (refusal,) = journal.new(1)
    assert (refusal["kind"], refusal["entry"], refusal["reason"]) == (
        "refusal",
        name("v1"),
        "unwillingToPerform",
    )


def test_service_accounts_are_told_by_name_and_other_entries_are_not(
    server: serving.Server, journal: Journal
) -> None:
    relais = f"uid=relais,{COMPTES}"
    with bound(server) as admin:
        admin.add(relais, ["account", "annuaireCompte"], {"annuaireAudience": "routage"})
        admin.modify(relais, {"annuaireAudience": replaced("admin")})
        admin.delete(relais)
        admin.add(f"ou=equipe,{APICRYPT}", "organizationalUnit")
        admin.add(f"cn=g,ou=equipe,{APICRYPT}", "groupOfNames", {"member": name("anne")})
    service = {"kind": "account", "service": "relais", **BY_ADMIN}
    assert journal.new(3) == [
        {**service, "audience": "routage", "done": "added"},
        {**service, "audience": "admin", "done": "changed", "attributes": ["annuaireAudience"]},
        {**service, "audience": "admin", "done": "removed"},
    ]


def test_workers_and_commands_at_once_leave_every_record_and_a_journal_that_is_well(
    server: serving.Server,
) -> None:
    before = len(told(server.state))
    rounds = 6

    def write(uid: str) -> None:
        # A connection each time, so that both workers have their share.
        for number in range(rounds):
            with bound(server) as admin:
                admin.modify(name(uid), {"telephoneNumber": replaced(f"+33 3 53 01 00 {number:02}")})

    writers = [threading.Thread(target=write, args=(f"p{number}",)) for number in range(8)]
    commands = [
        subprocess.Popen(
            ["annuaire", "interop", "on", mail(uid)],
            env={**server.environment, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            cwd=server.state.parent,
            stdout=subprocess.DEVNULL,
        )
        for uid in ("p0", "claire")
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [command.wait(PATIENCE_SECONDS) for command in commands] == [0, 0]
    until(lambda: len(told(server.state)) >= before + 8 * rounds + 4)
    # A worker that is killed loses at most the last moment, and breaks no chain.
    os.kill(server.worker_pids()[0], signal.SIGKILL)
    found = told(server.state)[before:]
    for number in range(8):
        mine = [one for one in found if one["account"] == mail(f"p{number}") and one["door"] == "ldap"]
        assert [one["attributes"] for one in mine] == [["telephoneNumber"]] * rounds
    opened = [one for one in found if one["door"] == "cli"]
    assert sorted(one["kind"] for one in opened) == ["account", "account", "choice", "choice"]
    assert len(found) == 8 * rounds + 4
    done = server.annuaire("journal", "verify", "--json")
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["chains"] >= 3
    assert is_well(server.state)
