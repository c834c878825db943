"""Inside a further tree a filter means what RFC 4517 and RFC 4518 say; elsewhere names are folded."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

import asking
import pytest

from annuaire.actions import import_source, initialise, refresh
from annuaire.actions.source import StoreSource
from annuaire.domain.audience import Audience
from annuaire.index.folder import IndexFolder
from annuaire.index.prepare import Numbering
from annuaire.index.query import SizeLimits
from annuaire.index.reader import Reader
from annuaire.index.search import Directory, Settings
from annuaire.ldap import dn, evaluation, filters, requests, responses
from annuaire.ldap import schema as schemas
from annuaire.ldap import tree as trees
from annuaire.ldap.messages import Message
from annuaire.publishing import ldif

SUFFIX, TREE = "o=apicrypt,c=FR", "o=groupes"
SCHEMA = schemas.standard()
NAMES = [
    "Hélène",
    "helene",
    "HELENE",
    "Jean-Pierre",
    "Jean  Pierre",
    "jean pierre",
    "Lefèvre",
    "œuf",
    "oeuf",
    "-",
    "d'A",
]
UIDS = ["a  b", "a b", "A B", "ab", "é", "E"]
MAILS = ["a-b@exemple.fr", "A-B@exemple.fr", "ab@exemple.fr"]


def people(count: int) -> Iterator[bytes]:
    yield ldif.format_entry(TREE, [("objectClass", b"organization"), ("o", b"groupes")])
    choose = random.Random(4)
    for number in range(count):
        pairs = [
            ("objectClass", "inetOrgPerson"),
            ("employeeNumber", str(number)),
            ("sn", choose.choice(NAMES)),
        ]
        pairs += [("cn", one) for one in (choose.choice(NAMES), f"x{number}")]
        if choose.random() < 0.5:
            pairs.append(("uid", choose.choice(UIDS)))
        if choose.random() < 0.5:
            pairs.append(("mail", choose.choice(MAILS)))
        if choose.random() < 0.5:
            pairs.append(("description;lang-fr", choose.choice(NAMES)))
        name = f"employeeNumber={number},{TREE}"
        yield ldif.format_entry(name, [(key, value.encode()) for key, value in pairs])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Directory:
    state = tmp_path_factory.mktemp("strict") / "var"
    source = StoreSource("", state, SUFFIX, trees=(TREE,))
    store = source.store()
    initialise.initialise(store, trees.plant(SUFFIX, (TREE,), SCHEMA), SCHEMA)
    scope = import_source.Scope(tuple(schemas.shipped()), SUFFIX, (TREE,))
    folded = ldif.format_entry(
        f"cn=x,ou=apicrypt,{SUFFIX}", [("objectClass", b"person"), ("cn", b"x"), ("sn", "Hélène".encode())]
    )
    data = io.BytesIO(b"".join([*people(60), folded]))
    report = import_source.import_ldif(store, scope, data, name="f.ldif", processes=0)
    assert report.applied, report.refusals
    store.close()
    folder = IndexFolder(state / "index")
    refresh.refresh(source, folder)
    numbering = Numbering(SCHEMA)
    settings = Settings(SUFFIX, SizeLimits({}, {}), 0.0, trees=(TREE,))
    return Directory(Reader(folder, numbering), numbering, settings, bytes(32))


def found(
    directory: Directory, filter_: str, base: str = TREE, size: int = 0
) -> dict[bytes, responses.Entry]:
    message = requests.decode(asking.search(1, filter_, base, attributes=["*", "+"], size_limit=size))
    assert isinstance(message, Message)
    answer = directory.search(message, Audience.ADMIN, 0.0)
    data = answer if isinstance(answer, bytes) else b"".join(answer)
    return {entry.dn: entry for entry in asking.entries(data)}


@pytest.fixture(scope="module")
def everything(directory: Directory) -> dict[bytes, responses.Entry]:
    return found(directory, "(objectClass=*)")


def expected(everything: dict[bytes, responses.Entry], filter_: str) -> set[bytes]:
    prepared = evaluation.prepare(filters.parse(filter_, depth_max=50), SCHEMA)
    return {
        name
        for name, entry in everything.items()
        if prepared.matches(dn.parse(name.decode()), entry.attributes) is True
    }


@pytest.mark.parametrize(
    ("filter_", "folded", "strict"),
    [
        ("(sn=helene)", True, False),
        ("(sn=hélène)", True, True),
        ("(sn=HÉL*)", True, True),
        ("(sn=hel*)", True, False),
        ("(!(sn=helene))", False, True),
    ],
)
def test_an_accent_counts_in_a_further_tree_alone(
    directory: Directory, everything: dict[bytes, responses.Entry], filter_: str, folded: bool, strict: bool
) -> None:
    beside = found(directory, filter_, f"cn=x,ou=apicrypt,{SUFFIX}")
    assert bool(beside) is folded
    accented = {
        name
        for name, one in everything.items()
        if [v.lower() for v in one.attributes.get("sn", [])] == ["hélène".encode()]
    }
    assert accented
    assert (accented <= found(directory, filter_).keys()) is strict


def written(choose: random.Random, depth: int = 0) -> str:
    if depth < 3 and choose.random() < 0.4:
        sign = choose.choice("&|!")
        parts = [written(choose, depth + 1) for _ in range(1 if sign == "!" else choose.choice([0, 1, 2, 3]))]
        return f"({sign}{''.join(parts)})"
    attribute, values = choose.choice(
        [("cn", NAMES), ("sn", NAMES), ("uid", UIDS), ("mail", MAILS), ("name", NAMES), ("description", NAMES),
         ("description;lang-fr", NAMES), ("employeeNumber", ["1", "12", "x"]), ("objectClass", ["person", "x"]),
         ("nothing", ["x"]), ("entryDN", [f"employeeNumber=1,{TREE}"]), ("createTimestamp", ["20000101000000Z", "x"])]
    )  # fmt: skip
    value = choose.choice(values)
    kind = choose.random()
    if kind < 0.35:
        return f"({attribute}={value})"
    if kind < 0.6:
        cut = choose.randrange(len(value) + 1)
        pieces = [value[:cut], choose.choice(["", value[cut : cut + 1]]), value[cut + 1 :]]
        return f"({attribute}={'*'.join([pieces[0], *[one for one in pieces[1:2] if one], pieces[2]])})"
    if kind < 0.7:
        return f"({attribute}=*)"
    if kind < 0.8:
        return f"({attribute}{choose.choice(['>=', '<='])}{value})"
    if kind < 0.9:
        rule = choose.choice(["", ":caseExactMatch", ":caseIgnoreMatch", ":1.2.3"])
        return f"({attribute}{rule}:={value})"
    return f"({attribute}:dn:={value})"


def test_generated_filters_find_what_the_rules_say(
    directory: Directory, everything: dict[bytes, responses.Entry]
) -> None:
    choose = random.Random(7)
    some = 0
    for _ in range(600):
        filter_ = written(choose)
        wanted = expected(everything, filter_)
        assert found(directory, filter_).keys() == wanted, filter_
        limited = found(directory, filter_, size=3).keys()
        assert limited <= wanted, filter_
        assert len(limited) == min(3, len(wanted)), filter_
        some += 0 < len(wanted) < len(everything)
    assert some > 150, "most filters find all or nothing"


def test_who_has_entries_below_is_asked_in_a_further_tree_too(directory: Directory) -> None:
    assert set(found(directory, "(hasSubordinates=TRUE)")) == {TREE.encode()}
    assert set(found(directory, "(&(o=groupes)(numSubordinates>=60))")) == {TREE.encode()}
