"""Which values an answer holds: matched values (RFC 3876), languages and their ranges (RFC 3866), types only."""

from collections.abc import Iterator
from pathlib import Path

import asking
import invented_directory as invented
import pytest
from invented_directory import SUFFIX, Answered, Client, Thing

from annuaire.index.folder import IndexFolder
from annuaire.index.query import SizeLimits
from annuaire.index.search import Directory, Settings
from annuaire.ldap import ber, controls, filters
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control
from annuaire.ldap.results import ResultCode

PERSON = Thing(
    f"cn=Élise,{SUFFIX}",
    {
        "objectClass": [b"inetOrgPerson"],
        "cn": ["Élise".encode()],
        "cn;lang-fr": ["Élise la Française".encode(), b"Elise F"],
        "cn;lang-fr-ca": [b"Elise de Montreal"],
        "cn;lang-en": [b"Elisa"],
        "sn": [b"DURAND", b"Martin"],
        "mail": [b"a@x.fr", b"b@y.fr", b"c@x.fr"],
        "description": [b"1", b"2"],
        "userCertificate;binary": [b"\x30\x01\x02"],
    },
)
OTHER = Thing(
    f"cn=Zoé,{SUFFIX}",
    {"objectClass": [b"inetOrgPerson"], "cn": ["Zoé".encode()], "cn;lang-en": [b"Aby"], "sn": [b"x"]},
)
ROOT = Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = IndexFolder(tmp_path_factory.mktemp("index") / "index")
    invented.make_base(folder, [ROOT, PERSON])
    invented.write(folder, [], [OTHER])
    client = Client(folder)
    yield client
    client.close()


def values(*items: str) -> Control:
    return Control(
        controls.MATCHED_VALUES, True, ber.sequence([asking.encoded(filters.parse(one)) for one in items])
    )


def ask(client: Client, *items: str, attributes: tuple[str, ...] = (), types_only: bool = False) -> Answered:
    return client.ask("(sn=durand)", attributes=attributes, types_only=types_only, controls=(values(*items),))


def shown(answer: Answered) -> dict[str, list[bytes]]:
    assert answer.code == ResultCode.success
    assert len(answer.entries) == 1
    return answer.entries[0][1]


# ------------------------------------------------------------------ matched values


@pytest.mark.parametrize(
    ("items", "kept"),
    [
        (("(mail=b@y.fr)",), [b"b@y.fr"]),
        (("(mail=*@x.fr)",), [b"a@x.fr", b"c@x.fr"]),
        (("(mail=A@X.FR)", "(mail=*@y.fr)"), [b"a@x.fr", b"b@y.fr"]),
        (("(mail=*)",), [b"a@x.fr", b"b@y.fr", b"c@x.fr"]),
        (("(mail>=b)",), [b"b@y.fr", b"c@x.fr"]),
        (("(mail:caseIgnoreIA5Match:=c@x.fr)",), [b"c@x.fr"]),
        (("(inconnu=x)",), []),
        (("(sn=durand)",), []),
    ],
)
def test_only_values_that_match_an_item_are_returned(
    client: Client, items: tuple[str, ...], kept: list[bytes]
) -> None:
    assert shown(ask(client, *items, attributes=("mail",))) == {"mail": kept}


def test_each_item_speaks_of_its_attribute_and_the_rest_is_empty(client: Client) -> None:
    found = shown(ask(client, "(sn=martin)", "(description>=2)", attributes=("sn", "description", "mail")))
    assert found == {"sn": [b"Martin"], "description": [b"2"], "mail": []}


def test_without_a_list_every_user_attribute_is_asked(client: Client) -> None:
    found = shown(ask(client, "(mail=a@x.fr)"))
    assert found["mail"] == [b"a@x.fr"]
    assert found.keys() == PERSON.attributes.keys()
    assert [name for name, some in found.items() if some] == ["mail"]
    operational = shown(
        ask(client, "(hasSubordinates=FALSE)", attributes=("hasSubordinates", "numSubordinates"))
    )
    assert operational == {"hasSubordinates": [b"FALSE"], "numSubordinates": []}


def test_the_control_leaves_types_and_no_attributes_alone(client: Client) -> None:
    assert shown(ask(client, "(mail=b@y.fr)", attributes=("mail", "sn"), types_only=True)) == {
        "sn": [],
        "mail": [],
    }
    assert shown(ask(client, "(mail=b@y.fr)", attributes=("1.1",))) == {}


def test_an_item_speaks_of_languages_too(client: Client) -> None:
    found = shown(ask(client, "(cn;lang-fr-=*)", attributes=("cn",)))
    assert {name: len(some) for name, some in found.items()} == {
        "cn": 0, "cn;lang-fr": 2, "cn;lang-fr-ca": 1, "cn;lang-en": 0
    }  # fmt: skip
    assert shown(ask(client, "(cn=elis*)", attributes=("cn;lang-en",))) == {"cn;lang-en": [b"Elisa"]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\x30\x00",
        b"junk",
        values("(&(mail=*))").value,
        values("(!(mail=*))").value,
        values("(mail:dn:=x)").value,
        ber.sequence([asking.encoded(filters.parse("(cn=x)"))] * 101),
    ],
)
def test_a_filter_of_values_that_is_none_is_a_protocol_error(client: Client, value: bytes | None) -> None:
    answer = client.ask("(sn=durand)", controls=(Control(controls.MATCHED_VALUES, True, value),))
    assert (answer.code, answer.names) == (ResultCode.protocolError, [])


# ------------------------------------------------------------------ languages


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(cn=elisa)", True),  # RFC 3866 §3.2: subtypes
        ("(cn;lang-en=elisa)", True),
        ("(cn;lang-fr=elisa)", False),
        ("(cn;LANG-FR=elise f)", True),
        ("(cn;lang-fr=elise de montreal)", False),
        ("(cn;lang-fr-=elise de montreal)", True),
        ("(cn;lang-fr-=elise f)", True),
        ("(cn;lang-fr-=elisa)", False),
        ("(cn;lang-=elisa)", True),
        ("(cn;lang-=élise)", False),
        ("(name;lang-en=elisa)", True),
        ("(cn;lang-fr=*montreal*)", False),
        ("(cn;lang-fr-=*montreal*)", True),
        ("(cn;lang-e-=*)", False),
        ("(cn;x-autre-=*)", False),
    ],
)
def test_filters_choose_among_languages(client: Client, text: str, found: bool) -> None:
    assert client.ask(f"(&(mail=a@x.fr){text})").names == ([PERSON.dn] if found else [])


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("cn", {"cn", "cn;lang-fr", "cn;lang-fr-ca", "cn;lang-en"}),
        ("cn;lang-fr", {"cn;lang-fr"}),
        ("CN;Lang-FR-", {"cn;lang-fr", "cn;lang-fr-ca"}),
        ("cn;lang-", {"cn;lang-fr", "cn;lang-fr-ca", "cn;lang-en"}),
        ("name;lang-en", {"cn;lang-en"}),
        ("cn;lang-de", set()),
        ("userCertificate", {"userCertificate"}),
        ("userCertificate;binary", {"userCertificate;binary"}),
    ],
)
def test_selection_chooses_among_languages(client: Client, asked: str, names: set[str]) -> None:
    assert set(client.ask("(sn=durand)", attributes=(asked,)).entries[0][1]) == names


def test_a_sort_by_a_language_looks_at_its_values_alone(client: Client) -> None:
    for attribute, order in (
        ("cn", [OTHER, PERSON]),
        ("cn;lang-en", [OTHER, PERSON]),
        ("cn;lang-fr", [PERSON, OTHER]),
    ):
        sort = controls.sort_request([SortKey(attribute)], True)
        assert client.ask("(sn=*)", controls=(sort,)).names == [thing.dn for thing in order], attribute


def test_inside_a_further_tree_values_match_by_the_schemas_rules(tmp_path: Path) -> None:
    tree = "o=arbre"
    names = ["Hélène".encode(), b"Helene", b"HELENE"]
    person = {"objectClass": [b"person"], "cn": [b"x"], "sn": names}
    folder = IndexFolder(tmp_path / "index")
    root = Thing(tree, {"objectClass": [b"organization"], "o": [b"arbre"]})
    people = [Thing(f"cn=x,{base}", person) for base in (SUFFIX, tree)]
    invented.make_base(folder, [ROOT, root, *people])
    client = Client(folder)
    settings = Settings(SUFFIX, SizeLimits({}, {}), 0, trees=(tree,))
    client.directory = Directory(client.reader, invented.NUMBERING, settings, invented.COOKIE_KEY)
    for base, kept in ((SUFFIX, names), (tree, names[1:])):
        for item in ("(sn=helene)", "(sn=hel*)", "(sn=*len*)"):
            answer = client.ask("(cn=x)", base=base, attributes=("sn",), controls=(values(item),))
            assert shown(answer) == {"sn": kept}, (base, item)
    client.close()
