"""Passwords set, changed and made anew over the wire: by the tools of OpenLDAP and ldap3, against a real server."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import ldap3
import pytest
import serving
from ldap3.core.exceptions import LDAPOperationResult
from serving import SUFFIX

from annuaire.ldap import ber, dn
from annuaire.ldap import schema as schemas
from annuaire.passwords import hashes
from annuaire.store import engine

APICRYPT = f"ou=apicrypt,{SUFFIX}"
COMPTES = f"ou=comptes,{SUFFIX}"
TREE = "dc=clinique,dc=example"
FIRST = "premier-mot-de-passe"
SECOND = "second mot de passe é"
# By slappasswd, of `correct cheval pile agrafe é`.
OLD = "{SSHA}RtjOLgPc2XemTWkqIc3OKaE9lt2L6YKK"
OLD_SECRET = "correct cheval pile agrafe é"
POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"


def person(uid: str, kept: str) -> str:
    return (
        f"dn: uid={uid},{APICRYPT}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\nuid: {uid}\n"
        f"cn: {uid}\nsn: {uid}\nmail: {uid}@medical59.apicrypt.org\napicryptVersion: 2\nuserPassword: {kept}\n"
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    state = tmp_path_factory.mktemp("passwords") / "var"
    kept = hashes.own(FIRST.encode()).decode()
    ldif = state.parent / "people.ldif"
    people = [person(uid, kept) for uid in ("anne", "bruno", "claire", "denis", "emma", "farid", "gael")]
    people += [person(uid, OLD) for uid in ("ancien", "antique", "jadis")]
    people.append(
        f"dn: uid=relais,{COMPTES}\nobjectClass: account\nobjectClass: annuaireCompte\nuid: relais\n"
        f"annuaireAudience: routage\nuserPassword: {kept}\n"
    )
    ldif.write_text("\n".join(people))
    serving.fill(state, ldif)
    trees = {"ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]'}
    with serving.serving(state, workers=2, **trees) as running:
        yield running


def name(uid: str) -> str:
    return f"uid={uid},{APICRYPT}"


@contextlib.contextmanager
def bound(server: serving.Server, who: str, secret: str) -> Iterator[ldap3.Connection]:
    place = ldap3.Server("127.0.0.1", server.port(), get_info=ldap3.NONE)
    connection = ldap3.Connection(place, who, secret, raise_exceptions=True)
    try:
        connection.bind()
        yield connection
    finally:
        connection.unbind()


def binds(server: serving.Server, who: str, secret: str) -> bool:
    with contextlib.suppress(LDAPOperationResult), bound(server, who, secret):
        return True
    return False


def kept(server: serving.Server, who: str) -> tuple[bytes, ...]:
    store = engine.open("", server.state)
    with store.reading() as reader:
        row = reader.entry(dn.key(dn.parse(who), schemas.standard()))
    store.close()
    assert row is not None
    return tuple(ber.decode_attributes(row.passwords or b"").get("userPassword", ()))


def tool(
    server: serving.Server, program: str, who: str, secret: str, *more: str
) -> subprocess.CompletedProcess:
    login = ["-D", who, "-w", secret] if who else []
    return subprocess.run(
        [program, "-x", "-H", server.uri, *login, *more],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_ones_own_password_by_ldappasswd_with_the_old_one(server: serving.Server) -> None:
    done = tool(server, "ldappasswd", name("anne"), FIRST, "-a", FIRST, "-s", SECOND)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert binds(server, name("anne"), SECOND)
    assert not binds(server, name("anne"), FIRST)
    assert [hashes.scheme(value) for value in kept(server, name("anne"))] == [b"ARGON2", b"SCRAM-SHA-256"]


def test_a_password_is_chosen_by_the_server_when_none_is_given(server: serving.Server) -> None:
    done = tool(server, "ldappasswd", name("bruno"), FIRST)
    assert done.returncode == 0
    title, _, secret = done.stdout.strip().partition(": ")
    assert title == "New password"
    assert len(secret) >= 19
    assert binds(server, name("bruno"), secret)
    assert not binds(server, name("bruno"), FIRST)


@pytest.mark.parametrize(
    "whose",
    [
        name("claire"),
        f"dn:{name('claire')}",
        "claire@medical59.apicrypt.org",
        "u:claire@medical59.apicrypt.org",
        f"UID=Claire, {APICRYPT}",
    ],
)
def test_administrators_change_anybodys_by_any_of_their_names(server: serving.Server, whose: str) -> None:
    secret = f"pour {time.monotonic_ns()}"
    done = tool(server, "ldappasswd", serving.ADMIN, serving.PASSWORD, "-s", secret, whose)
    assert done.returncode == 0, done.stderr
    assert binds(server, name("claire"), secret)


def test_people_change_nobody_elses_and_are_told_the_same_whoever_it_is(server: serving.Server) -> None:
    told = {
        tool(server, "ldappasswd", name("emma"), FIRST, "-s", SECOND, whose).stdout.replace(whose, "…")
        + tool(server, "ldappasswd", name("emma"), FIRST, "-a", FIRST, "-s", SECOND, whose).stderr
        for whose in (
            name("denis"),
            name("nobody"),
            "denis@medical59.apicrypt.org",
            "nobody@nowhere.example",
            "x",
        )
    }
    assert len(told) == 1
    assert "Insufficient access (50)" in told.pop()
    assert binds(server, name("denis"), FIRST)


def test_a_stranger_changes_nothing(server: serving.Server) -> None:
    done = tool(server, "ldappasswd", "", "", "-a", FIRST, "-s", SECOND, name("denis"))
    assert done.returncode == 1
    assert "(50)" in done.stdout + done.stderr
    assert binds(server, name("denis"), FIRST)


@pytest.mark.parametrize(
    ("old", "new", "code", "policy"),
    [
        ("pas celui-là", SECOND, "Server is unwilling to perform (53)", ""),
        (FIRST, "court", "Constraint violation (19)", "Password is too short for policy"),
        (FIRST, "aaaaaaaaaaaaaaaa", "Constraint violation (19)", "Password fails quality checks"),
    ],
)
def test_what_is_refused_says_why(server: serving.Server, old: str, new: str, code: str, policy: str) -> None:
    done = tool(server, "ldappasswd", name("denis"), FIRST, "-e", "ppolicy", "-a", old, "-s", new)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert code in said
    assert policy.lower() in said.lower()
    assert new not in said
    assert binds(server, name("denis"), FIRST)


def test_the_policy_control_goes_with_binds_that_ask_for_it(server: serving.Server) -> None:
    done = tool(server, "ldapwhoami", name("denis"), FIRST, "-e", "ppolicy")
    assert (done.returncode, done.stdout.strip()) == (0, f"dn:{name('denis')}")
    done = tool(server, "ldapwhoami", name("denis"), "autre chose", "-e", "ppolicy")
    assert done.returncode == 49
    assert "ppolicy" not in done.stdout.lower()


def test_a_service_account_changes_its_own(server: serving.Server) -> None:
    relay = f"uid=relais,{COMPTES}"
    done = tool(server, "ldappasswd", relay, FIRST, "-a", FIRST, "-s", SECOND)
    assert done.returncode == 0, done.stderr
    assert binds(server, relay, SECOND)


def test_the_first_administrator_is_in_the_configuration(server: serving.Server) -> None:
    done = tool(server, "ldappasswd", serving.ADMIN, serving.PASSWORD, "-s", SECOND)
    assert done.returncode == 1
    assert "configuration" in done.stdout + done.stderr
    nobody = tool(server, "ldappasswd", serving.ADMIN, serving.PASSWORD, "-s", SECOND, name("personne"))
    assert "No such object (32)" in nobody.stdout + nobody.stderr


def test_a_password_in_clear_is_hashed_whichever_write_gives_it(server: serving.Server) -> None:
    made = f"uid=clair,{APICRYPT}"
    with bound(server, serving.ADMIN, serving.PASSWORD) as admin:
        attributes = {
            "cn": "clair",
            "sn": "clair",
            "mail": "clair@medical59.apicrypt.org",
            "apicryptVersion": "2",
        }
        admin.add(made, ["inetOrgPerson", "apicryptUtilisateur"], {**attributes, "userPassword": FIRST})
        assert binds(server, made, FIRST)
        admin.modify(made, {"userPassword": [(ldap3.MODIFY_REPLACE, [SECOND])]})
        assert not binds(server, made, FIRST)
        assert binds(server, made, SECOND)
        admin.modify(made, {"userPassword": [(ldap3.MODIFY_ADD, [FIRST])]})
        assert binds(server, made, FIRST)
        assert binds(server, made, SECOND)
        admin.modify(made, {"userPassword": [(ldap3.MODIFY_DELETE, [SECOND])]})
        assert binds(server, made, FIRST)
        assert not binds(server, made, SECOND)
        assert len(kept(server, made)) == 2
        admin.modify(made, {"userPassword": [(ldap3.MODIFY_REPLACE, [OLD])]})
        assert kept(server, made) == (OLD.encode(),)
        admin.search(made, "(objectClass=*)", attributes=["*", "+", "userPassword"])
        assert not admin.response[0]["raw_attributes"].get("userPassword")
        for wrong, code in (("court", 19), ("{MD4}abcdefghijkl", 19), ("{CLEARTEXT}abcdefghijkl", 19)):
            with pytest.raises(LDAPOperationResult) as refused:
                admin.modify(made, {"userPassword": [(ldap3.MODIFY_REPLACE, [wrong])]})
            assert refused.value.result == code
            assert wrong not in str(refused.value)
        with pytest.raises(LDAPOperationResult) as refused:
            admin.modify(made, {"userPassword": [(ldap3.MODIFY_DELETE, ["jamais"])]})
        assert refused.value.result == 16
        assert "jamais" not in str(refused.value)
        with pytest.raises(LDAPOperationResult) as refused:
            admin.modify(name("personne"), {"userPassword": [(ldap3.MODIFY_DELETE, ["jamais"])]})
        assert (refused.value.result, refused.value.dn) == (32, APICRYPT)


def test_people_give_their_password_and_never_a_hash_of_it(server: serving.Server) -> None:
    with bound(server, name("farid"), FIRST) as farid:
        asked = [(POLICY, False, None)]
        with pytest.raises(LDAPOperationResult) as refused:
            farid.modify(name("farid"), {"userPassword": [(ldap3.MODIFY_REPLACE, [OLD])]}, controls=asked)
        assert refused.value.result == 19
        # insufficientPasswordQuality
        assert farid.result["controls"][POLICY]["value"] == b"\x30\x03\x81\x01\x05"
        changes = [(ldap3.MODIFY_DELETE, [FIRST]), (ldap3.MODIFY_ADD, [SECOND])]
        farid.modify(name("farid"), {"userPassword": changes})
    assert binds(server, name("farid"), SECOND)
    assert not binds(server, name("farid"), FIRST)


def stamps(server: serving.Server, who: str) -> tuple[str, str]:
    with bound(server, serving.ADMIN, serving.PASSWORD) as admin:
        admin.search(who, "(objectClass=*)", attributes=["modifyTimestamp", "modifiersName"])
        return str(admin.entries[0].modifyTimestamp), str(admin.entries[0].modifiersName)


def until(condition, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_an_old_hash_is_made_anew_at_the_next_bind_and_nobody_modified_the_entry(
    server: serving.Server,
) -> None:
    before = stamps(server, name("ancien"))
    assert not binds(server, name("ancien"), "pas celui-là")
    assert kept(server, name("ancien")) == (OLD.encode(),)
    assert binds(server, name("ancien"), OLD_SECRET)
    assert until(lambda: not hashes.outdated(kept(server, name("ancien"))))
    assert binds(server, name("ancien"), OLD_SECRET)
    assert not binds(server, name("ancien"), "pas celui-là")
    assert stamps(server, name("ancien")) == before


def test_a_password_changed_while_its_hash_is_made_anew_is_the_new_one(server: serving.Server) -> None:
    """The bind leaves a hash to be made; the change comes at once behind it, and both want the same value."""
    for uid in ("antique", "jadis"):
        with bound(server, name(uid), OLD_SECRET) as connection:
            assert connection.extend.standard.modify_password(name(uid), OLD_SECRET, SECOND)
        assert binds(server, name(uid), SECOND)
        time.sleep(0.3)
        assert not binds(server, name(uid), OLD_SECRET)
        assert len(kept(server, name(uid))) == 2


def change(connection: ldap3.Connection, secret: str) -> bool:
    try:
        return bool(connection.extend.standard.modify_password(name("gael"), FIRST, secret))
    except LDAPOperationResult:
        return False


def test_of_two_changes_with_the_same_old_password_one_holds(server: serving.Server) -> None:
    wanted = ("mot de passe numéro un", "mot de passe numéro deux")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(bound(server, name("gael"), FIRST)) for _ in wanted]
        with ThreadPoolExecutor() as threads:
            changed = list(threads.map(change, connections, wanted))
    assert changed.count(True) == 1
    works = [binds(server, name("gael"), secret) for secret in wanted]
    assert works.count(True) == 1
    assert not binds(server, name("gael"), FIRST)
    assert len(kept(server, name("gael"))) == 2


def test_entries_of_further_trees_have_passwords_too(server: serving.Server) -> None:
    with bound(server, serving.ADMIN, serving.PASSWORD) as admin:
        admin.add(TREE, ["dcObject", "organization"], {"dc": "clinique", "o": "Clinique"})
        agent = f"uid=agent,{TREE}"
        admin.add(
            agent,
            ["inetOrgPerson", "annuaireCompte"],
            {"cn": "a", "sn": "a", "annuaireAudience": "mssante", "userPassword": FIRST},
        )
    assert binds(server, agent, FIRST)
    assert tool(server, "ldappasswd", agent, FIRST, "-a", FIRST, "-s", SECOND).returncode == 0
    assert binds(server, agent, SECOND)


def test_no_password_is_in_the_log(server: serving.Server) -> None:
    written = server.log.read_text()
    for secret in (FIRST, SECOND, OLD_SECRET, "pas celui", "jamais", "court"):
        assert secret not in written
