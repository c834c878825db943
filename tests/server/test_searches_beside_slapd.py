"""Searches with controls at a real server, asked by OpenLDAP's tools and beside a real slapd that is asked the same."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import asking
import pytest
import serving
import slapd_beside
from serving import ADMIN, PASSWORD, Server
from slapd_beside import MODULES, SLAPD, Slapd

from annuaire.ldap import ber, controls, filters, responses, virtual_list
from annuaire.ldap import schema as schemas
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import BASE, ONE_LEVEL, SUBORDINATES, SUBTREE, Control
from annuaire.ldap.virtual_list import View

TREE = "dc=essai"
SSSVLV = MODULES / "sssvlv.so"
pytestmark = pytest.mark.skipif(shutil.which("ldapsearch") is None, reason="ldap-utils")
beside = pytest.mark.skipif(SLAPD is None or not SSSVLV.exists(), reason="slapd with sssvlv")

ENTRIES = """\
dn: dc=essai
objectClass: domain
dc: essai

dn: ou=bas,dc=essai
objectClass: organizationalUnit
ou: bas

""" + "".join(
    f"""\
dn: uid={letter},{"ou=bas," if letter in "gh" else ""}dc=essai
objectClass: inetOrgPerson
uid: {letter}
cn: Nom {letter}
cn;lang-fr: Nom français {letter}
cn;lang-fr-ca: Nom canadien {letter}
sn: {"pair" if number % 2 else "impair"}
mail: {letter}@un.example
mail: {letter}@deux.example
title: {9 - number}

"""
    for number, letter in enumerate("abcdefgh")
)
APART = """\
dn: ou=loin,dc=essai
objectClass: referral
objectClass: extensibleObject
ou: loin
ref: ldap://autre.example/ou=la,dc=autre

dn: cn=regle,dc=essai
objectClass: subentry
cn: regle
subtreeSpecification: {}

"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = tmp_path_factory.mktemp("beside") / "state"
    with serving.serving(state, 2, ANNUAIRE_TREES_SUFFIXES=f'["{TREE}"]') as server:
        file = state.parent / "essai.ldif"
        file.write_text(ENTRIES + APART)
        tool("ldapadd", server.uri, ADMIN, "-M", "-f", str(file))
        yield server


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    folder = tmp_path_factory.mktemp("slapd")
    schema = [path for path in schemas.shipped() if path.stem != "system"]
    with slapd_beside.slapd(folder, schema, [TREE], "moduleload sssvlv\noverlay sssvlv") as slapd:
        file = folder / "essai.ldif"
        file.write_text(ENTRIES + APART)
        tool("ldapadd", slapd.uri, f"cn=admin,{TREE}", "-M", "-f", str(file))
        yield slapd


def tool(program: str, uri: str, name: str, *arguments: str, check: bool = True) -> str:
    """What an OpenLDAP tool says, as the administrator."""
    done = subprocess.run(
        [program, "-x", "-H", uri, "-D", name, "-w", PASSWORD, *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert not check or done.returncode == 0, done.stderr + done.stdout
    return done.stdout + done.stderr


# ------------------------------------------------------------------ the same as slapd


class Said(NamedTuple):
    entries: list[tuple[bytes, dict[str, list[bytes]]]]
    references: list[list[bytes]]
    result: tuple[int, bytes, list[bytes]]
    window: tuple[int, int] | None


def ask(place: Server | Slapd, request: bytes) -> Said:
    """One search on a connection of its own: slapd keeps a sort for each."""
    with place.connect() as connection:
        connection.sendall(request)
        answers = asking.read(serving.receive(connection))
        connection.shutdown(socket.SHUT_WR)
    found, references, window = [], [], None
    for answer in answers:
        operation = answer.operation
        if isinstance(operation, responses.Entry):
            kept = {name: sorted(values) for name, values in operation.attributes.items()}
            found.append((operation.dn, kept))
        elif isinstance(operation, responses.Reference):
            references.append(operation.uris)
        else:
            assert isinstance(operation, responses.Result)
            result = (operation.code, operation.matched, operation.referrals)
            window = position(answer.controls)
    return Said(found, references, result, window)


def position(given: tuple[Control, ...]) -> tuple[int, int] | None:
    for control in given:
        if control.oid == controls.VLV_RESPONSE:
            assert control.value is not None
            start, end = ber.expect(control.value, 0, len(control.value), ber.SEQUENCE)
            place, start = ber.read_number(control.value, start, end, 0, 10**9, "position")
            return place, ber.read_number(control.value, start, end, 0, 10**9, "count")[0]
    return None


def sort(*names: str) -> Control:
    """slapd sorts by what has an ordering rule, which these types have not of themselves."""
    return controls.sort_request(
        [SortKey(name.lstrip("-"), "caseIgnoreOrderingMatch", name.startswith("-")) for name in names], True
    )


def values(*items: str) -> Control:
    encoded = [asking.encoded(filters.parse(item)) for item in items]
    return Control(controls.MATCHED_VALUES, True, ber.sequence(encoded))


MANAGE = Control(controls.MANAGE_DSA_IT, True)
PEOPLE = "(objectClass=inetOrgPerson)"
VIEWS = [
    View(0, 2, 1),
    View(0, 2, 3),
    View(1, 1, 8, 8),
    View(2, 3, 5, 8),
    View(0, 0, 1, 100),
    View(0, 0, 100, 100),
    View(0, 0, 4, 16),
    View(1, 1, value=b"a"),
    View(1, 1, value=b"C"),
    View(1, 1, value=b"bb"),
    View(1, 1, value=b"z"),
    View(0, 3, value=b""),
    View(9, 9, 4),
]


@beside
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("key", ["uid", "cn"])
def test_a_window_is_the_one_of_slapd(server: Server, slapd: Slapd, view: View, key: str) -> None:
    request = asking.search(
        3, PEOPLE, TREE, SUBTREE, ["uid"], sent=(sort(key), virtual_list.request(view, True))
    )
    ours, theirs = ask(server, request), ask(slapd, request)
    # slapd refers with a window too; ours is the list and nothing else.
    assert ours == theirs._replace(references=[])
    assert ours.window is not None


@beside
@pytest.mark.parametrize(
    "keys", [("uid",), ("-uid",), ("sn", "-uid"), ("-sn", "uid"), ("title",), ("sn", "title")]
)
@pytest.mark.parametrize("size", [0, 3])
def test_a_sort_is_the_one_of_slapd(server: Server, slapd: Slapd, keys: tuple[str, ...], size: int) -> None:
    request = asking.search(3, PEOPLE, TREE, SUBTREE, ["uid"], size, sent=(sort(*keys), MANAGE))
    assert ask(server, request) == ask(slapd, request)


SAME: list[tuple[str, str, int, tuple[str, ...], tuple[Control, ...]]] = [
    ("(uid=a)", TREE, SUBTREE, ("mail",), (values("(mail=*@un.example)"),)),
    ("(uid=a)", TREE, SUBTREE, ("mail", "sn"), (values("(mail>=b)", "(sn=*)", "(mail=a@deux.example)"),)),
    ("(uid=a)", TREE, SUBTREE, ("1.1",), (values("(mail=*)"),)),
    ("(cn;lang-fr=nom français b)", TREE, SUBTREE, ("cn;lang-fr-",), ()),
    ("(cn;lang-=nom canadien b)", TREE, SUBTREE, ("cn;lang-fr-ca", "uid"), ()),
    ("(cn;lang-fr-=nom canadien c)", TREE, SUBTREE, ("cn",), ()),
    ("(cn;lang-fr=nom canadien c)", TREE, SUBTREE, ("cn",), ()),
    ("(cn=nom c)", TREE, SUBTREE, ("cn;lang-de",), ()),
    ("(hasSubordinates=TRUE)", TREE, SUBTREE, ("ou", "dc", "hasSubordinates"), ()),
    ("(&(uid=*)(hasSubordinates=FALSE))", f"ou=bas,{TREE}", SUBTREE, ("uid",), ()),
    ("(entryDN=uid=a,dc=essai)", TREE, SUBTREE, ("entryDN",), ()),
    ("(objectClass=*)", f"ou=loin,{TREE}", BASE, (), ()),
    ("(objectClass=*)", f"cn=x,ou=loin,{TREE}", BASE, (), ()),
    ("(objectClass=*)", f"cn=x,ou=loin,{TREE}", SUBTREE, (), ()),
    ("(objectClass=*)", f"ou=loin,{TREE}", BASE, ("ref", "ou"), (MANAGE,)),
    ("(objectClass=*)", f"ou=loin,{TREE}", BASE, (), (MANAGE,)),
    ("(objectClass=*)", f"ou=loin,{TREE}", BASE, ("*", "ref"), (MANAGE,)),
    ("(ref=*)", TREE, SUBTREE, ("ou",), (MANAGE,)),
    ("(ref=ldap://autre.example/ou=la,dc=autre)", TREE, SUBTREE, ("ou",), (MANAGE,)),
    ("(objectClass=*)", f"cn=regle,{TREE}", BASE, (), ()),
    ("(objectClass=*)", f"cn=regle,{TREE}", BASE, ("subtreeSpecification",), ()),
    ("(objectClass:=person)", TREE, SUBTREE, ("uid",), (MANAGE,)),
    ("(objectClass:dn:=person)", TREE, SUBTREE, ("uid",), (MANAGE,)),
    ("(objectClass=*)", f"cn=regle,{TREE}", BASE, ("cn",), ()),
    ("(objectClass=*)", TREE, SUBTREE, ("cn",), (Control(controls.SUBENTRIES, True, ber.boolean(True)), MANAGE)),
    ("(cn=regle)", TREE, SUBTREE, ("cn",), (Control(controls.SUBENTRIES, True, ber.boolean(False)), MANAGE)),
    ("(cn=regle)", TREE, SUBTREE, ("cn",), (MANAGE,)),
    ("(objectClass=*)", f"cn=regle,{TREE}", BASE, (), (Control(controls.SUBENTRIES, True, ber.boolean(False)),)),
    ("(uid=a)", TREE, SUBTREE, ("@person",), (MANAGE,)),
    ("(|(ou=bas)(dc=*))", TREE, SUBORDINATES, ("ou", "dc"), (MANAGE,)),
    ("(objectClass=domain)", TREE, SUBORDINATES, ("dc",), ()),
    ("(objectClass=*)", f"ou=bas,{TREE}", SUBORDINATES, ("uid",), ()),
    ("(objectClass=*)", f"uid=a,{TREE}", SUBORDINATES, ("uid",), ()),
    ("(objectClass=*)", f"uid=absent,{TREE}", SUBORDINATES, ("uid",), ()),
]  # fmt: skip


@beside
@pytest.mark.parametrize("case", range(len(SAME)))
@pytest.mark.parametrize("types_only", [False, True])
def test_an_answer_is_the_one_of_slapd(server: Server, slapd: Slapd, case: int, types_only: bool) -> None:
    text, base, scope, attributes, sent = SAME[case]
    request = asking.search(3, text, base, scope, attributes, types_only=types_only, sent=sent)
    ours, theirs = ask(server, request), ask(slapd, request)
    references = [[re.sub(rb"\?\?\w+$", b"", uri) for uri in one] for one in theirs.references]
    kept = [[re.sub(rb"\?\?\w+$", b"", uri) for uri in one] for one in ours.references]
    assert (ours._replace(references=kept)) == theirs._replace(references=references)


@beside
def test_references_are_those_of_slapd(server: Server, slapd: Slapd) -> None:
    for scope in (ONE_LEVEL, SUBTREE, SUBORDINATES):
        request = asking.search(3, "(uid=a)", TREE, scope, ["uid"])
        assert ask(server, request).entries == ask(slapd, request).entries
        assert [uri.partition(b"?")[0] for uri in ask(server, request).references[0]] == [
            uri.partition(b"?")[0] for uri in ask(slapd, request).references[0]
        ]


# ------------------------------------------------------------------ OpenLDAP's tools


def names(text: str) -> list[str]:
    return re.findall(r"^dn: uid=(\w)", text, re.MULTILINE)


def search(server: Server, *arguments: str, check: bool = True) -> str:
    return tool("ldapsearch", server.uri, ADMIN, "-LLL", "-b", TREE, *arguments, check=check)


def test_ldapsearch_finds_what_lies_below_a_name_without_it(server: Server) -> None:
    said = search(server, "-s", "children", "-M", "(objectClass=*)", "1.1")
    assert len(re.findall(r"^dn:", said, re.MULTILINE)) == 10
    assert not re.search(rf"^dn: {TREE}$", said, re.MULTILINE)


def test_ldapsearch_browses_a_list(server: Server) -> None:
    # It scrolls on by itself, until there is no further entry.
    said = search(server, "-E", "!sss=cn", "-E", "!vlv=1/2/3/0", "(mail=*)", "uid", check=False)
    assert names(said)[:4] == list("bcde")
    assert re.search(r"vlvResult\s*pos=3 count=8 ", said.replace("\n ", ""))
    assert names(said)[-3:] == list("fgh")
    typed = search(server, "-E", "!sss=-title", "-E", "!vlv=0/1:7", "(mail=*)", "uid", check=False)
    assert names(typed)[:2] == ["c", "d"]


def test_ldapsearch_sorts_pages_and_chooses(server: Server) -> None:
    assert names(search(server, "-E", "!sss=sn/-uid", "(mail=*)", "uid")) == list("gecahfdb")
    pages = search(server, "-E", "pr=3/noprompt", "-E", "!sss=-uid", "(mail=*)", "uid")
    assert names(pages) == list("hgfedcba")
    assert names(search(server, "-E", "pr=3/noprompt", "(mail=*)", "uid")) == list("abcdefgh")
    said = search(server, "-E", "!mv=(mail=*@un.example)", "(uid=a)", "mail")
    assert re.findall("mail: (.*)", said) == ["a@un.example"]
    assert "dn: cn=regle" in search(server, "-E", "!subentries=true", "(objectClass=*)", "cn")
    assert "dn: ou=loin" in search(server, "-M", "(ou=*)", "ou")
    assert "# refldap://autre.example/ou=la,dc=autre??sub" in search(server, "(ou=*)", "ou")


def test_ldapwhoami_and_ldapsearch_act_for_others(server: Server) -> None:
    assert tool("ldapwhoami", server.uri, ADMIN, "-e", "!authzid=").strip() == "anonymous"
    assert "anonymous" not in tool("ldapwhoami", server.uri, ADMIN, "-e", f"!authzid=dn:{ADMIN}")
    denied = tool("ldapwhoami", server.uri, ADMIN, "-e", "!authzid=u:nobody@x.example", check=False)
    assert "Proxied Authorization Denied (123)" in denied
    there = ["-s", "base", "-b", f"ou=comptes,{serving.SUFFIX}"]
    assert "dn: ou=comptes" in tool("ldapsearch", server.uri, ADMIN, "-LLL", *there)
    hidden = tool("ldapsearch", server.uri, ADMIN, "-LLL", "-e", "!authzid=", *there, check=False)
    assert "No such object (32)" in hidden


def test_cn_monitor_counts_what_all_workers_do_and_is_for_administrators(server: Server) -> None:
    def count(name: str) -> int:
        said = tool("ldapsearch", server.uri, ADMIN, "-LLL", "-b", f"cn={name},cn=Monitor", "-s", "base", "+")
        return int(re.findall(r"monitor(?:Counter|OpCompleted): (\d+)", said)[0])

    before = count("Search,cn=Operations"), count("Total,cn=Connections")
    for _ in range(12):
        search(server, "(uid=a)")
    assert count("Search,cn=Operations") >= before[0] + 13
    assert count("Total,cn=Connections") >= before[1] + 13
    each = [count(f"Operations,cn=Worker {number},cn=Workers") for number in range(2)]
    assert sum(each) <= count("Operations")
    compared = tool(
        "ldapcompare", server.uri, ADMIN, "cn=Current,cn=Connections,cn=Monitor", "cn:Current", check=False
    )
    assert "TRUE" in compared
    root = tool("ldapsearch", server.uri, ADMIN, "-LLL", "-b", "", "-s", "base", "monitorContext")
    assert "monitorContext: cn=Monitor" in root

    def stranger(base: str) -> str:
        done = subprocess.run(
            ["ldapsearch", "-x", "-LLL", "-H", server.uri, "-b", base],
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr

    assert stranger("cn=Monitor") == stranger("cn=Absent")
    assert "No such object (32)" in stranger("cn=Current,cn=Connections,cn=Monitor")
