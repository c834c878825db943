"""`annuaire check --access` line by line against a server: each audience, each part, what it reads and writes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import ldap3
import pytest
import serving
from serving import ADMIN, PASSWORD, SUFFIX, Server

from annuaire.domain.access import SELF_WRITABLE, Part
from annuaire.domain.audience import NAMES

TREE = "o=groupes"
ACCOUNTS = f"ou=comptes,{SUFFIX}"
PERSON = f"uid=jeanne,ou=apicrypt,{SUFFIX}"
NATIVE = "jeanne@medical59.apicrypt.org"
SECRET = "un-mot-de-passe-assez-long"
HASH = b"{SSHA}" + base64.b64encode(
    hashlib.sha1(SECRET.encode() + b"sel", usedforsecurity=False).digest() + b"sel"
)
# Where each part is read, and below what an entry would be added.
PLACES = {
    Part.SERVER: "cn=Subschema",
    Part.MONITOR: "cn=Monitor",
    Part.SUFFIX: SUFFIX,
    Part.COMPUTED: f"ou=personnes,{SUFFIX}",
    Part.APICRYPT: f"ou=dossier,ou=apicrypt,{SUFFIX}",
    Part.ACCOUNTS: f"ou=dossier,{ACCOUNTS}",
    Part.TREE: TREE,
}
VALUES = {
    "userPassword": [SECRET],  # in clear: a hash tells nothing of how good it is
    "userCertificate": [b"\x30\x03\x02\x01\x01"],
    "telephoneNumber": ["+33 3 53 01 00 01"],
    "listeRouge": ["FALSE"],
    "apicryptInterop": ["FALSE"],
    "description": ["x"],
    "sn": ["MARTIN"],
    "apicryptEtat": ["suspendu"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = tmp_path_factory.mktemp("access") / "var"
    variables = {"ANNUAIRE_TREES_SUFFIXES": f'["{TREE}"]', "ANNUAIRE_TREES_READERS": '["apicrypt", "dgs"]'}
    with serving.serving(state, **variables) as running:
        with connected(running, "admin") as admin:
            for name in (PLACES[Part.APICRYPT], PLACES[Part.ACCOUNTS]):
                assert admin.add(name, "organizationalUnit"), admin.result
            assert admin.add(TREE, "organization"), admin.result
            for name in NAMES:
                compte = {"annuaireAudience": name, "userPassword": HASH}
                assert admin.add(f"uid={name},{ACCOUNTS}", ["account", "annuaireCompte"], compte), (
                    admin.result
                )
            person = {
                "cn": "Jeanne",
                "givenName": "Jeanne",
                "sn": "DUPONT",
                "mail": NATIVE,
                "apicryptVersion": "2",
                "userPassword": HASH,
            }
            classes = ["inetOrgPerson", "apicryptUtilisateur"]
            assert admin.add(PERSON, classes, {**person, "profession": "10", "postalCode": "59000"}), (
                admin.result
            )
        yield running


def own_name(audience: str) -> str | None:
    """As whom each audience is bound, when it has an entry of its own."""
    return {"public": None, "apicrypt": PERSON}.get(audience, f"uid={audience},{ACCOUNTS}")


def connected(server: Server, audience: str) -> ldap3.Connection:
    """The first administrator for `admin`, who is there before any entry."""
    name, secret = (ADMIN, PASSWORD) if audience == "admin" else (own_name(audience), SECRET)
    return ldap3.Connection(server.uri, name, secret if name else None, check_names=False)


@pytest.fixture(scope="module")
def table(server: Server) -> dict[tuple[str, str], dict]:
    done = server.annuaire("check", "--access", "--json")
    assert done.returncode == 0, done.stderr
    return {(line["part"], line["audience"]): line for line in json.loads(done.stdout)}


def test_every_audience_has_a_line_in_every_part(table) -> None:
    assert table.keys() == {(part.value, name) for part in Part for name in NAMES}


@pytest.mark.parametrize("audience", NAMES)
@pytest.mark.parametrize("part", list(PLACES))
def test_a_line_is_what_the_server_does(server: Server, table, part: Part, audience: str) -> None:
    line = table[part.value, audience]
    place = PLACES[part]
    with connected(server, audience) as client, connected(server, "admin") as admin:
        read = client.search(place, "(objectClass=*)", ldap3.BASE, attributes=["objectClass"])
        assert bool(read and client.entries) == line["reads"], client.result
        below = f"cn=essai,{place}"
        assert client.add(below, "device") == line["adds"], client.result
        if line["adds"]:
            admin.delete(below)
        there = line["adds"] and admin.add(below, "device")
        changed = client.modify(below if there else place, {"description": [(ldap3.MODIFY_REPLACE, ["x"])]})
        assert changed == bool(line["modifies"]), client.result
        assert client.delete(below if there else place) == line["deletes"], client.result


@pytest.mark.parametrize("audience", [name for name in NAMES if name != "public"])
def test_the_line_of_ones_own_entry_is_what_the_server_does(server: Server, table, audience: str) -> None:
    line = table[Part.OWN.value, audience]
    own = own_name(audience)
    assert own is not None
    with ldap3.Connection(server.uri, own, SECRET, check_names=False) as client:
        read = client.search(own, "(objectClass=*)", ldap3.BASE, attributes=["*"])
        assert bool(read and client.entries) == line["reads"]
        assert client.add(f"cn=essai,{own}", "device") == line["adds"], client.result
        assert client.delete(f"cn=essai,{own}") == line["deletes"], client.result
        allowed = line["modifies"]
        if isinstance(allowed, list):
            assert allowed == list(SELF_WRITABLE)
            taken = [name for name, values in VALUES.items() if changes(client, own, name, values)]
            assert sorted(taken) == sorted(allowed)
        else:
            assert changes(client, own, "description", ["x"]) == allowed, client.result


def changes(client: ldap3.Connection, name: str, attribute: str, values: list) -> bool:
    description = f"{attribute};binary" if attribute == "userCertificate" else attribute
    done = client.modify(name, {description: [(ldap3.MODIFY_REPLACE, values)]})
    assert done or client.result["result"] == 50, client.result
    return done


def test_a_refusal_says_nothing_of_what_exists(server: Server) -> None:
    with connected(server, "apicrypt") as client:
        said = set()
        for name in (
            f"uid=nobody,ou=apicrypt,{SUFFIX}",
            f"uid=dgs,{ACCOUNTS}",
            "dc=ailleurs",
            f"cn=x,{TREE}",
        ):
            client.modify(name, {"sn": [(ldap3.MODIFY_REPLACE, ["x"])]})
            said.add((client.result["result"], client.result["message"], client.result["dn"]))
            client.delete(name)
            said.add((client.result["result"], client.result["message"], client.result["dn"]))
        assert len(said) == 1
        assert said.pop()[0] == 50


@pytest.mark.parametrize("name", ["", "cn=Subschema", "cn=Monitor", "cn=Time,cn=Monitor"])
def test_nobody_writes_what_the_server_says_of_itself(server: Server, name: str) -> None:
    for audience, code, text in (("admin", 53, "this entry is the server's own"), ("mssante", 50, "")):
        with connected(server, audience) as client:
            client.modify(name, {"description": [(ldap3.MODIFY_REPLACE, ["x"])]})
            assert client.result["result"] == code
            assert text in client.result["message"]


@pytest.mark.parametrize("name", [PERSON, PERSON.upper().replace("UID", "uid"), NATIVE])
def test_a_person_is_themselves_whatever_name_they_bind_with(server: Server, name: str) -> None:
    with ldap3.Connection(server.uri, name, SECRET, check_names=False) as client:
        assert changes(client, PERSON, "telephoneNumber", ["+33 3 53 01 00 02"])
        assert client.search(PERSON, "(objectClass=*)", ldap3.BASE, attributes=["*", "+"])
        [entry] = client.entries
        assert entry.telephoneNumber.value == "+33 3 53 01 00 02"
        assert entry.modifiersName.value == PERSON
        assert "userPassword" not in entry.entry_attributes
        assert client.compare(PERSON, "sn", "dupont")


@pytest.mark.parametrize("name", [PERSON, PERSON.upper().replace(",", " , "), PERSON.replace(",", ";")])
def test_a_person_finds_their_own_entry_below_its_name_as_at_it(server: Server, name: str) -> None:
    with connected(server, "admin") as client:
        assert client.add(f"cn=dessous,{PERSON}", "device"), client.result
    try:
        with ldap3.Connection(server.uri, NATIVE, SECRET, check_names=False) as client:
            assert client.search(name, "(objectClass=*)", ldap3.SUBTREE, attributes=["*"])
            assert [entry.entry_dn for entry in client.entries] == [PERSON]
            for base, scope in ((name, ldap3.LEVEL), (f"cn=dessous,{PERSON}", ldap3.SUBTREE)):
                assert not client.search(base, "(objectClass=*)", scope)
                assert (client.result["result"], client.result["dn"]) == (32, SUFFIX)
    finally:
        with connected(server, "admin") as client:
            assert client.delete(f"cn=dessous,{PERSON}"), client.result


def test_a_choice_is_refused_with_its_reason_and_then_outlives_the_next_file(
    server: Server, tmp_path
) -> None:
    with ldap3.Connection(server.uri, NATIVE, SECRET, check_names=False) as client:
        assert not client.modify(PERSON, {"listeRouge": [(ldap3.MODIFY_REPLACE, ["TRUE"])]})
        assert client.result["result"] == 53
        assert client.result["message"] == "listeRouge: possible once exchanges with the trust space are open"
        on = {one: [(ldap3.MODIFY_REPLACE, ["TRUE"])] for one in ("apicryptInterop", "listeRouge")}
        assert client.modify(PERSON, on), client.result
        file = tmp_path / "f.ldif"
        file.write_text(
            f"dn: {PERSON}\nobjectClass: inetOrgPerson\nobjectClass: apicryptUtilisateur\nuid: jeanne\n"
            f"cn: Jeanne\ngivenName: Jeanne\nsn: DUPONT\nmail: {NATIVE}\napicryptVersion: 2\nprofession: 10\n"
            "postalCode: 59000\napicryptInterop: FALSE\nlisteRouge: FALSE\n"
        )
        done = server.annuaire("import", str(file))
        assert done.returncode == 0, done.stdout + done.stderr
        client.search(PERSON, "(objectClass=*)", ldap3.BASE, attributes=["*"])
        [entry] = client.entries
        assert (entry.apicryptInterop.value, entry.listeRouge.value) == ("TRUE", "TRUE")
        assert entry.apicryptInteropMail.value == "jeanne.dupont@interop-mssante.apicrypt.org"


def test_the_first_administrator_has_no_entry_and_is_somebody_all_the_same(server: Server) -> None:
    with connected(server, "admin") as client:
        assert client.extend.standard.who_am_i() == f"dn:{ADMIN}"
        assert not client.search(ADMIN, "(objectClass=*)", ldap3.BASE)
        assert (client.result["result"], client.result["dn"]) == (32, SUFFIX)
        assert not client.compare(ADMIN, "cn", "admin")
        assert client.result["result"] == 32
        assert not client.modify(ADMIN, {"description": [(ldap3.MODIFY_REPLACE, ["x"])]})
        assert client.result["result"] == 32
        assert not client.add(ADMIN, "device")
        assert client.result["result"] == 53
