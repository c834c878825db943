"""The assertion control (RFC 4528) on searches: what must be true of the base, as whoever asks sees it."""

from collections.abc import Iterator
from pathlib import Path

import asking
import invented_directory as invented
import pytest
from invented_directory import EVERYBODY, SUFFIX, Answered, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index.folder import IndexFolder
from annuaire.ldap import controls, messages
from annuaire.ldap.controls import SortKey
from annuaire.ldap.results import ResultCode

PLACE = f"ou=Équipe,{SUFFIX}"
ALL = "(objectClass=*)"
STRANGERS, SPHERE, ADMIN = Audience.PUBLIC, Audience.APICRYPT, Audience.ADMIN
ADMIN_ONLY = int(ADMIN)


def person(name: str, audiences: int = int(EVERYBODY), above: str = PLACE) -> Thing:
    told = {"objectClass": [b"inetOrgPerson"], "cn": [name.encode()], "sn": [b"x"]}
    return Thing(f"cn={name},{above}", told, audiences)


FOLDER = Thing(
    PLACE,
    {
        "objectClass": [b"organizationalUnit"],
        "ou": ["Équipe".encode()],
        "description": [b"un"],
        "l": ["Orléans".encode()],
    },
)
THINGS = [
    Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]}),
    FOLDER,
    *(person(name) for name in "abcde"),
    person("caché", ADMIN_ONLY),
    person("dessous", ADMIN_ONLY, f"cn=a,{PLACE}"),
    Thing(
        f"ou=loin,{PLACE}",
        {
            "objectClass": [b"referral", b"extensibleObject"],
            "ou": [b"loin"],
            "ref": [b"ldap://ailleurs.example/"],
        },
        int(SPHERE),
    ),
]


@pytest.fixture
def folder(tmp_path: Path) -> IndexFolder:
    return IndexFolder(tmp_path / "index")


@pytest.fixture(params=["base", "recent"])
def client(request: pytest.FixtureRequest, folder: IndexFolder) -> Iterator[Client]:
    invented.make_base(folder, THINGS if request.param == "base" else THINGS[:1])
    if request.param == "recent":
        invented.write(folder, [], THINGS[1:])
    client = Client(folder)
    yield client
    client.close()


def ask(
    client: Client,
    asserted: str,
    text: str = ALL,
    audience: Audience = STRANGERS,
    base: str = PLACE,
    scope: int = messages.SUBTREE,
    critical: bool = True,
    **others: object,
) -> Answered:
    sent = (asking.asserting(asserted, critical), *others.pop("controls", ()))  # type: ignore[misc]
    return client.ask(text, audience, base=base, scope=scope, controls=sent, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("scope", [messages.BASE, messages.ONE_LEVEL, messages.SUBTREE])
def test_what_is_as_asserted_is_searched_as_without_the_control(
    client: Client, scope: int, critical: bool
) -> None:
    for asserted in ("(ou=équipe)", "(&)", "(&(description=un)(!(l=Paris)))", "(modifyTimestamp=*)"):
        answer = ask(client, asserted, scope=scope, critical=critical)
        assert answer.octets == client.ask(ALL, STRANGERS, base=PLACE, scope=scope).octets, asserted


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    "asserted",
    ["(description=deux)", "(|)", "(cn=*)", "(couleur=rouge)", "(!(couleur=rouge))", "(l=orleans)"],
    ids=["false", "absolutely false", "absent", "unknown", "undefined", "by the schema's rules"],
)
def test_nothing_is_sent_where_the_base_is_not_as_asserted(
    client: Client, asserted: str, critical: bool
) -> None:
    for scope in (messages.BASE, messages.ONE_LEVEL, messages.SUBTREE):
        answer = ask(client, asserted, scope=scope, critical=critical)
        assert (answer.code, answer.names) == (ResultCode.assertionFailed, [])
    # The folding of names is for what people type.
    assert client.ask("(l=orleans)", STRANGERS, base=PLACE, scope=messages.BASE).names == [PLACE]


def test_it_is_the_base_that_is_asserted_not_what_is_found(client: Client) -> None:
    assert ask(client, "(ou=équipe)", "(cn=a)").names == [f"cn=a,{PLACE}"]
    assert ask(client, "(cn=a)", "(cn=a)").code == ResultCode.assertionFailed
    assert ask(client, "(o=apicrypt)", "(cn=a)", base="").names == [f"cn=a,{PLACE}"], "the empty base"


@pytest.mark.parametrize("asserted", ["(cn=*)", "(cn=x)", "(&)", "(!(cn=caché))"])
def test_who_is_hidden_is_answered_as_who_is_not_there(client: Client, asserted: str) -> None:
    for name in (f"cn=caché,{PLACE}", f"cn=absent,{PLACE}"):
        answer = ask(client, asserted, base=name)
        assert answer.octets == client.ask(ALL, STRANGERS, base=name).octets
        assert (answer.code, answer.result.matched) == (ResultCode.noSuchObject, PLACE.encode())
    # Who sees the entry is told whether it is so.
    seen = ask(client, asserted, base=f"cn=caché,{PLACE}", audience=ADMIN)
    expected = asserted in ("(cn=*)", "(&)")
    assert seen.code == (ResultCode.success if expected else ResultCode.assertionFailed)


def test_what_lies_below_is_what_whoever_asks_sees_there(client: Client) -> None:
    base = f"cn=a,{PLACE}"
    for audience, below in ((STRANGERS, False), (ADMIN, True)):
        wanted = f"(hasSubordinates={str(below).upper()})"
        assert ask(client, wanted, audience=audience, base=base).code == ResultCode.success
        assert ask(client, f"(!{wanted})", audience=audience, base=base).code == ResultCode.assertionFailed
    assert ask(client, "(numSubordinates=5)").code == ResultCode.success
    assert ask(client, "(numSubordinates=6)", audience=ADMIN).code == ResultCode.success


def test_it_holds_for_a_lone_equality_which_has_a_short_way(client: Client) -> None:
    assert ask(client, "(l=paris)", "(cn=a)").code == ResultCode.assertionFailed
    assert ask(client, "(l=Orléans)", "(cn=a)").names == [f"cn=a,{PLACE}"]


def test_each_page_is_asked_of_the_entry_as_it_is_then(client: Client, folder: IndexFolder) -> None:
    sort = controls.sort_request([SortKey("cn")])

    def page(cookie: bytes, asserted: str = "(description=un)") -> Answered:
        return ask(client, asserted, "(cn=*)", controls=(controls.paged_results(2, cookie), sort))

    first = page(b"")
    assert len(first.names) == 2
    cookie = controls.decode_paged_results(first.controls[controls.PAGED_RESULTS]).cookie
    assert cookie
    again = page(cookie)
    assert (again.code, len(again.names)) == (ResultCode.success, 2)
    changed = Thing(PLACE, {**FOLDER.attributes, "description": [b"deux"]})
    invented.write(folder, [], [changed], 3)
    assert page(cookie).code == ResultCode.assertionFailed
    assert page(cookie, "(description=deux)").names == again.names


def test_what_is_held_elsewhere_is_referred(client: Client) -> None:
    there = f"ou=loin,{PLACE}"
    for asserted in ("(&)", "(|)"):
        assert ask(client, asserted, audience=SPHERE, base=there).code == ResultCode.referral
    manages = (messages.Control(controls.MANAGE_DSA_IT),)
    answer = ask(client, "(ou=proche)", audience=SPHERE, base=there, controls=manages)
    assert answer.code == ResultCode.assertionFailed
    # Nor is anybody sent there by a search that is not done (RFC 4528 §3).
    for asserted, sent in (("(ou=équipe)", 1), ("(ou=autre)", 0)):
        octets = b"".join(client.chunks(ALL, SPHERE, base=PLACE, controls=(asking.asserting(asserted),)))
        assert octets.count(b"ldap://ailleurs.example/") == sent


def test_a_password_is_asserted_of_nobody(tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "index")
    # Where it was stored among the attributes by mistake it would still not be told.
    spoilt = Thing(PLACE, {**FOLDER.attributes, "userPassword": [b"secret"]})
    invented.make_base(folder, [THINGS[0], spoilt])
    client = Client(folder)
    for asserted in ("(userPassword=*)", "(userPassword=secret)"):
        assert ask(client, asserted, audience=ADMIN).code == ResultCode.assertionFailed
    client.close()


@pytest.mark.parametrize("value", [None, b"", b"\x87", b"\xa3\x02\x04\x00", b"\x87\x02cn\x00"])
def test_what_is_no_filter_is_said_to_be_none(client: Client, value: bytes | None) -> None:
    sent = (messages.Control(controls.ASSERTION, True, value),)
    answer = client.ask(ALL, STRANGERS, base=PLACE, controls=sent)
    assert (answer.code, answer.names) == (ResultCode.protocolError, [])
