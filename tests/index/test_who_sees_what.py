"""What an audience does not see does not exist for it: not by any answer, count, code, order or cookie's length."""

import random
from collections.abc import Iterator
from pathlib import Path

import generated_requests
import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing, decoded

from annuaire.domain.audience import Audience
from annuaire.index import query
from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, controls, filters, messages
from annuaire.ldap.controls import SortKey
from annuaire.ldap.results import ResultCode

SEED = 77
REQUESTS = 900
EVERYTHING = "(objectClass=*)"
HIDDEN = f"ou=Caché,{APICRYPT}"
INSIDE = f"ou=Dedans,{HIDDEN}"


@pytest.fixture(scope="module")
def things() -> list[Thing]:
    return invented.whole_directory(SEED, 100)


@pytest.fixture(scope="module")
def client(things: list[Thing], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """With everybody, some in the recent part and some who were once somebody else."""
    folder = IndexFolder(tmp_path_factory.mktemp("whole") / "index")
    chance = random.Random(SEED)
    recent = chance.sample(things, len(things) // 3)
    formerly = [
        Thing(one.dn, invented.odd_attributes(chance, i), 0b111111) for i, one in enumerate(recent[::2])
    ]
    invented.make_base(folder, [*(thing for thing in things if thing not in recent), *formerly])
    invented.write(folder, [], recent)
    client = Client(folder)
    yield client
    client.close()


@pytest.fixture(scope="module", params=[Audience.PUBLIC, Audience.APICRYPT])
def audience(request: pytest.FixtureRequest) -> Audience:
    return Audience(request.param)


@pytest.fixture(scope="module")
def without(
    things: list[Thing], audience: Audience, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """With only those whom the audience sees."""
    folder = IndexFolder(tmp_path_factory.mktemp("without") / "index")
    invented.make_base(folder, [thing for thing in things if thing.audiences & audience])
    client = Client(folder)
    yield client
    client.close()


def test_nothing_tells_that_there_are_others(
    client: Client, without: Client, things: list[Thing], audience: Audience
) -> None:
    generator = generated_requests.Generator(things, SEED)
    for number in range(REQUESTS):
        request = generator.request()
        asked = {
            "base": request.base,
            "scope": request.scope,
            "size": number % 5 * (number % 3),
            "attributes": request.attributes,
            "types_only": request.types_only,
        }
        if number % 10 == 0:
            key = SortKey(("sn", "l", "mail")[number % 3], reverse=number % 4 == 0)
            asked["controls"] = (controls.sort_request([key]),)
        answers = [b"".join(one.chunks(request.filter, audience, **asked)) for one in (client, without)]
        assert answers[0] == answers[1], f"{asked} {filters.format(request.filter)[:1000]}"


def test_pages_are_the_same_and_cookies_as_long(client: Client, without: Client, audience: Audience) -> None:
    for text in (EVERYTHING, "(|(cn=*du*)(mail=*du*)(givenName=*du*)(sn=*du*))", "(description>=m)"):
        for more in ((), (controls.sort_request([SortKey("l")]),)):
            cookies = [b"", b""]
            while True:
                answers = [
                    one.ask(text, audience, controls=(controls.paged_results(6, cookie), *more))
                    for one, cookie in zip((client, without), cookies, strict=True)
                ]
                assert answers[0].entries == answers[1].entries
                assert answers[0].code == answers[1].code
                cookies = [
                    controls.decode_paged_results(answer.controls[controls.PAGED_RESULTS]).cookie
                    for answer in answers
                ]
                assert len(cookies[0]) == len(cookies[1])
                if not cookies[0]:
                    break


def test_the_other_questions_tell_nothing_either(
    client: Client, without: Client, things: list[Thing], audience: Audience
) -> None:
    absent = [Thing(f"uid=absent,{thing.dn}", {}) for thing in things[::7]]
    for thing in [*things, *absent]:
        directories = client.directory, without.directory
        found = [one.entry(thing.key, audience) for one in directories]
        assert found[0] == found[1]
        assert (found[0] is not None) == bool(thing.audiences & audience and thing not in absent)
        matched = [one.matched(thing.key, audience) for one in directories]
        assert matched[0] == matched[1]


# ------------------------------------------------------------------ a hidden base


def octets(client: Client, base: str, **more: object) -> bytes:
    return b"".join(client.chunks(EVERYTHING, Audience.PUBLIC, base=base, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", [messages.BASE, messages.ONE_LEVEL, messages.SUBTREE])
def test_a_hidden_base_is_answered_as_an_absent_one(client: Client, scope: int) -> None:
    hidden = octets(client, HIDDEN, scope=scope)
    absent = octets(client, HIDDEN.replace("Caché", "Jamais"), scope=scope)
    assert hidden == absent
    answer = decoded(hidden)
    assert (answer.code, answer.result.matched.decode()) == (ResultCode.noSuchObject, APICRYPT)


def test_the_nearest_base_above_is_one_that_the_audience_sees(client: Client) -> None:
    below = f"uid=x,ou=Rien,{HIDDEN}"
    assert decoded(octets(client, below)).result.matched.decode() == APICRYPT
    inside = f"uid=x,ou=Rien,{INSIDE}"
    assert decoded(octets(client, inside)).result.matched.decode() == INSIDE
    assert decoded(octets(client, "o=elsewhere")).result.matched == b""


def test_what_is_visible_under_a_hidden_parent_is_found(client: Client, things: list[Thing]) -> None:
    visible = [t.dn for t in things if t.dn.endswith(f",{INSIDE}") and t.audiences & Audience.PUBLIC]
    assert visible
    answer = client.ask(EVERYTHING, Audience.PUBLIC, base=INSIDE, scope=messages.ONE_LEVEL)
    assert sorted(answer.names) == sorted(visible)
    assert set(visible) <= set(client.ask(EVERYTHING, Audience.PUBLIC).names)


# ------------------------------------------------------------------ what comes back


def one(
    client: Client, base: str, audience: Audience, *attributes: str, **more: bool
) -> dict[str, list[bytes]]:
    answer = client.ask("(&)", audience, base=base, scope=messages.BASE, attributes=attributes, **more)
    assert answer.names == [base]
    return answer.entries[0][1]


def test_children_are_counted_as_the_audience_sees_them(client: Client, things: list[Thing]) -> None:
    asked = ("hasSubordinates", "numSubordinates")
    for some in (Audience.ADMIN, Audience.PUBLIC, Audience.MSSANTE):
        for base in (SUFFIX, APICRYPT, INSIDE):
            if not any(t.dn == base and t.audiences & some for t in things):
                continue
            key = Thing(base, {}).key
            count = sum(1 for t in things if t.key.rpartition(b"\0")[0] == key and t.audiences & some)
            assert one(client, base, some, *asked) == {
                "hasSubordinates": [b"TRUE" if count else b"FALSE"],
                "numSubordinates": [b"%d" % count],
            }


def test_an_entry_whose_children_are_all_hidden_has_none(tmp_path: Path) -> None:
    things = [*invented.fixture_people()[:1], Thing(f"ou=x,{SUFFIX}", {"ou": [b"x"]})]
    below = Thing(f"uid=y,ou=x,{SUFFIX}", {"uid": [b"y"]}, int(Audience.ADMIN))
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [*things, below])
    client = Client(folder)
    base = f"ou=x,{SUFFIX}"
    assert one(client, base, Audience.PUBLIC, "hasSubordinates") == {"hasSubordinates": [b"FALSE"]}
    assert one(client, base, Audience.ADMIN, "hasSubordinates") == {"hasSubordinates": [b"TRUE"]}
    client.close()


def test_selections_give_types_nothing_or_operational_attributes(client: Client, things: list[Thing]) -> None:
    thing = next(t for t in things if t.dn.startswith("uid=jean.dupont,"))
    assert one(client, thing.dn, Audience.PUBLIC, "1.1") == {}
    assert one(client, thing.dn, Audience.PUBLIC) == thing.attributes
    types = one(client, thing.dn, Audience.PUBLIC, types_only=True)
    assert types == {name: [] for name in thing.attributes}
    both = one(client, thing.dn, Audience.PUBLIC, "*", "+")
    assert both == {**thing.attributes, **thing.operational, "hasSubordinates": [b"FALSE"]}
    assert one(client, thing.dn, Audience.PUBLIC, "SN", "sn", "surname") == {"sn": thing.attributes["sn"]}


def test_no_selection_answers_with_the_attributes_of_another(
    client: Client, things: list[Thing], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is remembered between requests is cleared when there is much of it.
    monkeypatch.setattr(query, "KNOWN_MAX", 5)
    thing = next(t for t in things if t.dn.startswith("uid=jean.dupont,"))
    for turn in range(4):
        for name in thing.attributes:
            for other in ("cn", "sn", "mail"):
                client.ask(f"(uid={turn})", Audience.PUBLIC, attributes=(other, name))
                assert set(one(client, thing.dn, Audience.PUBLIC, name)) == {name}


def test_a_large_entry_and_a_long_name_come_back_whole(tmp_path: Path) -> None:
    name = "uid=" + "long" * 60
    photo = bytes(range(256)) * 40
    certificate = b"\x30\x82" + bytes(7990)
    things = [
        Thing(f"{name},{SUFFIX}", {"cn": [b"x"], "jpegPhoto": [photo], "sn": [b"y"]}),
        Thing(
            f"uid=c,{SUFFIX}", {"cn": [b"x"], "userCertificate": [certificate[:size] for size in (100, 7990)]}
        ),
        *[
            Thing(f"uid=s{n},{SUFFIX}", {"cn": [b"s"], "description": [b"d" * n]})
            for n in range(8000, 8200, 3)
        ],
    ]
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [invented.fixture_people()[0], *things])
    client = Client(folder)
    for thing in things:
        for _ in range(2):
            assert one(client, thing.dn, Audience.ADMIN) == thing.attributes
            assert one(client, thing.dn, Audience.ADMIN, "sn") == {
                key: values for key, values in thing.attributes.items() if key == "sn"
            }
            for asked in ("description", "jpegPhoto"):
                if asked in thing.attributes:
                    assert one(client, thing.dn, Audience.ADMIN, asked) == {asked: thing.attributes[asked]}
    renamed = one(client, things[1].dn, Audience.ADMIN, "userCertificate;binary")
    assert renamed == {"userCertificate;binary": things[1].attributes["userCertificate"]}
    client.close()


def test_no_password_is_in_any_answer(client: Client, things: list[Thing]) -> None:
    assert any(thing.passwords for thing in things)
    whole = b"".join(client.chunks(EVERYTHING, attributes=("*", "+", "userPassword")))
    assert b"userPassword" not in whole
    assert client.ask("(userPassword=*)").names == []
    assert client.ask("(userPassword={CLEARTEXT}x)").names == []


def test_a_bind_name_finds_the_account_behind_it(client: Client, things: list[Thing]) -> None:
    thing = next(
        t
        for t in things
        if t.passwords and "mail" in t.attributes and "apicrypt.org" in str(t.attributes["mail"])
    )
    assert thing.passwords is not None
    hashes = tuple(ber.decode_attributes(thing.passwords)["userPassword"])
    for name in (thing.dn, thing.dn.upper(), "uid=jean.dupont , " + thing.dn.partition(",")[2]):
        account = client.directory.account(name)
        if name.lower().startswith(thing.dn.partition(",")[0]):
            assert account is not None
            assert (account.dn, account.hashes) == (thing.dn, hashes)
    for name in ("", "x", "uid=absent," + APICRYPT, "nobody@nowhere", "=", "uid=\\zz", "é" * 300):
        assert client.directory.account(name) is None
    jean = next(t for t in things if t.dn.startswith("uid=jean.dupont,"))
    found = client.directory.account("  JEAN.dupont@medical59.apicrypt.ORG ")
    assert found is not None
    assert found.dn == jean.dn
