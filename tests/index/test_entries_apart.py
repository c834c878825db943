"""Referrals (RFC 3296), subentries (RFC 3672) and who has entries below: each audience is shown its own."""

from collections.abc import Iterator

import asking
import invented_directory as invented
import pytest
from invented_directory import EVERYBODY, SUFFIX, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import family
from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, controls, messages, responses, virtual_list
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode
from annuaire.ldap.virtual_list import View

PLACE = f"ou=groupe,{SUFFIX}"
THERE = b"ldap://ailleurs.example/ou=l%C3%A0,dc=example?cn?one?(cn=x)"
MANAGE = Control(controls.MANAGE_DSA_IT, True)
ALL = "(objectClass=*)"


def unit(name: str, audiences: int = int(EVERYBODY)) -> Thing:
    rdn = name.partition(",")[0].partition("=")[2]
    return Thing(name, {"objectClass": [b"organizationalUnit"], "ou": [rdn.encode()]}, audiences)


def referral(name: str, refs: list[bytes], audiences: int = int(EVERYBODY)) -> Thing:
    rdn = name.partition(",")[0].partition("=")[2]
    kinds = [b"referral", b"extensibleObject"]
    return Thing(name, {"objectClass": kinds, "ou": [rdn.encode()], "ref": refs}, audiences)


def person(name: str, audiences: int = int(EVERYBODY)) -> Thing:
    return Thing(
        f"cn={name},{PLACE}", {"objectClass": [b"person"], "cn": [name.encode()], "sn": [b"x"]}, audiences
    )


def subentry(name: str) -> Thing:
    return Thing(
        f"cn={name},{PLACE}",
        {"objectClass": [b"subentry"], "cn": [name.encode()], "subtreeSpecification": [b"{}"]},
    )


ADMIN_ONLY = int(Audience.ADMIN)
THINGS = [
    Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]}),
    unit(PLACE),
    *(person(name) for name in "abcd"),
    person("caché", ADMIN_ONLY),
    referral(f"ou=loin,{PLACE}", [THERE, b"ldap://autre.example", b"https://autre.example/x Autre"]),
    referral(f"ou=secret,{PLACE}", [b"ldap://secret.example"], ADMIN_ONLY),
    subentry("règle"),
]


@pytest.fixture(scope="module", params=["base", "recent"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = IndexFolder(tmp_path_factory.mktemp("index") / "index")
    first = THINGS if request.param == "base" else THINGS[:3]
    invented.make_base(folder, first)
    if request.param == "recent":
        invented.write(folder, [], THINGS[3:])
    client = Client(folder)
    yield client
    client.close()


def said(
    client: Client,
    base: str,
    scope: int,
    audience: Audience = Audience.PUBLIC,
    *sent: Control,
    text: str = ALL,
):  # type: ignore[no-untyped-def]
    """Names, references and the result of one search."""
    octets = b"".join(client.chunks(text, audience, base=base, scope=scope, controls=sent))
    answers = [answer.operation for answer in asking.read(octets)]
    names = [one.dn.decode() for one in answers if isinstance(one, responses.Entry)]
    references = [
        [uri.decode() for uri in one.uris] for one in answers if isinstance(one, responses.Reference)
    ]
    assert isinstance(answers[-1], responses.Result)
    return [name.partition(",")[0] for name in names], references, answers[-1]


# ------------------------------------------------------------------ referrals


def test_a_search_is_referred_to_what_lies_below_it(client: Client) -> None:
    names, references, result = said(client, SUFFIX, messages.SUBTREE)
    assert "ou=loin" not in names
    assert references == [
        [
            "ldap://ailleurs.example/ou=l%C3%A0,dc=example??sub",
            f"ldap://autre.example/ou=loin,{PLACE}??sub",
            "https://autre.example/x",
        ]
    ]
    assert result.code == ResultCode.success
    _, references, _ = said(client, PLACE, messages.ONE_LEVEL)
    assert references[0][0] == "ldap://ailleurs.example/ou=l%C3%A0,dc=example??base"
    assert said(client, f"cn=a,{PLACE}", messages.SUBTREE)[1] == []
    assert said(client, PLACE, messages.BASE)[1] == []


@pytest.mark.parametrize("scope", [messages.BASE, messages.ONE_LEVEL, messages.SUBTREE])
def test_a_base_that_is_held_elsewhere_is_a_referral(client: Client, scope: int) -> None:
    shown = ("base", "one", "sub")[scope]
    names, _, result = said(client, f"cn=X Y,ou=Loin,{PLACE}", scope)
    assert (names, result.code, result.matched.decode()) == ([], ResultCode.referral, f"ou=loin,{PLACE}")
    assert result.referrals[0].decode() == f"ldap://ailleurs.example/cn=X%20Y,ou=l%C3%A0,dc=example??{shown}"
    assert said(client, f"ou=loin,{PLACE}", scope)[2].code == ResultCode.referral


def test_an_exact_search_is_referred_as_well(client: Client) -> None:
    names, references, _ = said(client, SUFFIX, messages.SUBTREE, text="(cn=a)")
    assert (names, len(references)) == (["cn=a"], 1)


@pytest.mark.parametrize("value", [None, b""])
def test_with_domain_scope_nothing_is_said_of_elsewhere(client: Client, value: bytes | None) -> None:
    """As slapd answers it."""
    alone = Control(controls.DOMAIN_SCOPE, True, value)
    plain, _, _ = said(client, SUFFIX, messages.SUBTREE)
    names, references, result = said(client, SUFFIX, messages.SUBTREE, Audience.PUBLIC, alone)
    assert (names, references, result.code) == (plain, [], ResultCode.success)
    for base in (f"ou=loin,{PLACE}", f"cn=x,ou=loin,{PLACE}"):
        names, references, result = said(client, base, messages.SUBTREE, Audience.PUBLIC, alone)
        assert (names, references, result.referrals) == ([], [], [])
        assert (result.code, result.matched.decode()) == (ResultCode.noSuchObject, f"ou=loin,{PLACE}")
    # With ManageDsaIT too nothing is a referral.
    assert "ou=loin" in said(client, SUFFIX, messages.SUBTREE, Audience.PUBLIC, alone, MANAGE)[0]


def test_domain_scope_takes_no_value(client: Client) -> None:
    wrong = Control(controls.DOMAIN_SCOPE, False, b"x")
    result = said(client, SUFFIX, messages.BASE, Audience.PUBLIC, wrong)[2]
    assert result.code == ResultCode.protocolError


def test_with_manage_dsa_it_they_are_entries_like_others(client: Client) -> None:
    names, references, _ = said(client, SUFFIX, messages.SUBTREE, Audience.PUBLIC, MANAGE)
    assert "ou=loin" in names
    assert references == []
    assert said(client, f"ou=loin,{PLACE}", messages.BASE, Audience.PUBLIC, MANAGE)[0] == ["ou=loin"]
    below = said(client, f"cn=x,ou=loin,{PLACE}", messages.BASE, Audience.PUBLIC, MANAGE)[2]
    assert (below.code, below.matched.decode()) == (ResultCode.noSuchObject, f"ou=loin,{PLACE}")


def test_who_does_not_see_a_referral_is_not_referred(client: Client) -> None:
    hidden = said(client, f"cn=x,ou=secret,{PLACE}", messages.BASE)[2]
    absent = said(client, f"cn=x,ou=absent,{PLACE}", messages.BASE)[2]
    assert hidden == absent
    assert hidden.code == ResultCode.noSuchObject
    assert len(said(client, SUFFIX, messages.SUBTREE)[1]) == 1
    assert len(said(client, SUFFIX, messages.SUBTREE, Audience.ADMIN)[1]) == 2
    seen = said(client, f"cn=x,ou=secret,{PLACE}", messages.BASE, Audience.ADMIN)[2]
    assert [uri.decode() for uri in seen.referrals] == [f"ldap://secret.example/cn=x,ou=secret,{PLACE}??base"]


def test_pages_refer_once_at_their_end_and_windows_never(client: Client) -> None:
    cookie, count = b"", 0
    while True:
        page = controls.paged_results(2, cookie)
        octets = b"".join(client.chunks(ALL, Audience.PUBLIC, controls=(page,)))
        answers = asking.read(octets)
        count += sum(isinstance(answer.operation, responses.Reference) for answer in answers)
        cookie = controls.decode_paged_results(answers[-1].controls[0].value).cookie
        if not cookie:
            break
        assert count == 0
    assert count == 1
    window = controls.sort_request([SortKey("cn")]), virtual_list.request(View(0, 9, 1))
    assert said(client, SUFFIX, messages.SUBTREE, Audience.PUBLIC, *window)[1] == []


# ------------------------------------------------------------------ subentries


def subentries(visible: bool) -> Control:
    return Control(controls.SUBENTRIES, True, ber.boolean(visible))


def test_a_subentry_is_found_by_its_name_or_when_it_is_asked_for(client: Client) -> None:
    # As slapd does, case by case.
    for scope in (messages.ONE_LEVEL, messages.SUBTREE):
        assert "cn=règle" not in said(client, PLACE, scope)[0]
        assert "cn=règle" not in said(client, PLACE, scope, Audience.PUBLIC, subentries(False))[0]
        assert said(client, PLACE, scope, Audience.PUBLIC, subentries(True))[:2] == (["cn=règle"], [])
    name = f"cn=règle,{PLACE}"
    assert said(client, name, messages.BASE)[0] == ["cn=règle"]
    assert said(client, name, messages.BASE, Audience.PUBLIC, subentries(True))[0] == ["cn=règle"]
    assert said(client, name, messages.BASE, Audience.PUBLIC, subentries(False))[0] == []
    assert said(client, PLACE, messages.BASE, Audience.PUBLIC, subentries(True))[0] == []
    assert said(client, SUFFIX, messages.SUBTREE, text="(cn=règle)")[0] == []


@pytest.mark.parametrize("value", [None, b"", b"\x01\x01\xff\x00", b"\x04\x00", b"\x01\x02\xff\xff"])
def test_a_malformed_control_is_a_protocol_error(client: Client, value: bytes | None) -> None:
    sent = Control(controls.SUBENTRIES, True, value)
    assert said(client, PLACE, messages.SUBTREE, Audience.PUBLIC, sent)[2].code == ResultCode.protocolError


def test_a_control_given_twice_is_a_protocol_error(client: Client) -> None:
    sent = (subentries(True), subentries(False))
    assert said(client, PLACE, messages.SUBTREE, Audience.PUBLIC, *sent)[2].code == ResultCode.protocolError


# ------------------------------------------------------------------ what is below


@pytest.mark.parametrize("parents_max", [0, 1000])
def test_filters_know_how_many_are_below_as_the_asker_sees_it(
    client: Client, parents_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family, "PARENTS_MAX", parents_max)
    again = Client(client.reader._folder)
    # a to d, the referral and the subentry; administrators see two more.
    for audience, count in ((Audience.PUBLIC, 6), (Audience.ADMIN, 8)):
        for text, names in [
            ("(hasSubordinates=TRUE)", {"o=apicrypt", "ou=groupe"}),
            ("(2.5.18.9=TRUE)", {"o=apicrypt", "ou=groupe"}),
            (f"(numSubordinates={count})", {"ou=groupe"}),
            (f"(numSubordinates>={count + 1})", set()),
            ("(&(numSubordinates<=1)(numSubordinates>=1))", {"o=apicrypt"}),
            ("(&(cn=a)(!(hasSubordinates=TRUE)))", {"cn=a"}),
            ("(&(sn=x)(hasSubordinates=*)(description>=a))", set()),
            ("(numSubordinates:integerMatch:=1)", {"o=apicrypt"}),
            ("(hasSubordinates=peut-être)", set()),
            ("(!(hasSubordinates=peut-être))", set()),
        ]:
            found = said(again, SUFFIX, messages.SUBTREE, audience, text=text)[0]
            assert set(found) == names, (audience, text)
        entry = again.ask(ALL, audience, base=PLACE, scope=0, attributes=("numSubordinates",)).entries[0]
        assert entry[1] == {"numSubordinates": [b"%d" % count]}
    again.close()
