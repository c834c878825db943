"""Size and time limits, pages (RFC 2696) and sort (RFC 2891), apart and together, for several audiences."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import invented_directory as invented
import obvious_answers as obvious
import pytest
from invented_directory import APICRYPT, SUFFIX, Answered, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import gather
from annuaire.index.folder import IndexFolder
from annuaire.index.query import SizeLimits
from annuaire.ldap import controls, filters, messages
from annuaire.ldap.controls import SortKey
from annuaire.ldap.messages import Control, Message, SearchRequest
from annuaire.ldap.results import ResultCode

EVERYTHING = "(objectClass=*)"
TYPED = "(|(cn=*du*)(mail=*du*)(givenName=*du*)(sn=*du*))"


@pytest.fixture(scope="module")
def things() -> list[Thing]:
    return invented.whole_directory(3, 120)


@pytest.fixture(scope="module")
def folder(things: list[Thing], tmp_path_factory: pytest.TempPathFactory) -> IndexFolder:
    """Two thirds in the base, the rest in the recent part."""
    folder = IndexFolder(tmp_path_factory.mktemp("index") / "index")
    recent = things[5::3]
    invented.make_base(folder, [thing for thing in things if thing not in recent])
    invented.write(folder, [], recent)
    return folder


@pytest.fixture(scope="module")
def client(folder: IndexFolder) -> Iterator[Client]:
    client = Client(folder)
    yield client
    client.close()


def found(things: list[Thing], text: str, audience: Audience = Audience.ADMIN) -> list[Thing]:
    some = obvious.search(things, filters.parse(text), audience, SUFFIX, messages.SUBTREE)
    assert not isinstance(some, str)
    return some


def names(things: list[Thing]) -> list[str]:
    return [thing.dn for thing in things]


def pages(
    client: Client, text: str, size: int, *more: Control, audience: Audience = Audience.ADMIN, limit: int = 0
):  # type: ignore[no-untyped-def]
    """Every page of a search until the cookie is empty."""
    cookie = b""
    while True:
        asked = (controls.paged_results(size, cookie, critical=True), *more)
        answer = client.ask(text, audience, controls=asked, size=limit)
        yield answer
        cookie = next_cookie(answer)
        if not cookie:
            return


def next_cookie(answer: Answered) -> bytes:
    page = controls.decode_paged_results(answer.controls[controls.PAGED_RESULTS])
    assert page.size == 0, "the total is not told: it would count what takes long to find"
    return page.cookie


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize("text", [EVERYTHING, TYPED, "(cn>=m)", "(!(sn=dupont))", "(sn=dupont)"])
def test_the_size_limit_is_exceeded_exactly_when_there_is_more(
    client: Client, things: list[Thing], text: str
) -> None:
    count = len(found(things, text))
    for size in (1, count - 1, count, count + 1):
        if size:
            answer = client.ask(text, size=size)
            assert len(answer.entries) == min(size, count)
            assert (answer.code == ResultCode.sizeLimitExceeded) == (count > size)


def test_the_servers_limit_holds_for_an_audience_and_a_client_may_ask_for_less(folder: IndexFolder) -> None:
    limits = SizeLimits({Audience.PUBLIC: 7, Audience.APICRYPT: 0}, {Audience.APICRYPT: 5})
    client = Client(folder, limits)
    for audience, text, asked, expected in [
        (Audience.PUBLIC, EVERYTHING, 0, 7),
        (Audience.PUBLIC, EVERYTHING, 3, 3),
        (Audience.PUBLIC, EVERYTHING, 100, 7),
        (Audience.APICRYPT, TYPED, 0, 5),
        (Audience.APICRYPT, TYPED, 100, 5),
        (Audience.APICRYPT, EVERYTHING, 9, 9),
    ]:
        answer = client.ask(text, audience, size=asked)
        assert (len(answer.entries), answer.code) == (expected, ResultCode.sizeLimitExceeded)
    assert client.ask(EVERYTHING, Audience.APICRYPT).code == ResultCode.success
    client.close()


def test_the_servers_limit_never_cuts_equality_of_an_address_or_a_number(
    folder: IndexFolder, things: list[Thing]
) -> None:
    client = Client(folder, SizeLimits(dict.fromkeys(Audience, 1), {}))
    several = [f"(mail=contact-{i}@{domain})" for i in range(5) for domain in invented.DOMAINS]
    text = max(several, key=lambda one: len(found(things, one)))
    assert len(found(things, text)) > 1
    assert client.ask(text).names == names(found(things, text))
    assert client.ask(f"(&(objectClass=*){text})").code == ResultCode.success
    assert client.ask(text, size=1).code == ResultCode.sizeLimitExceeded
    client.close()


def test_the_time_limit_ends_a_search_between_two_slices(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    slow = "(description>=a)"
    long_ago = time.monotonic() - 5
    assert client.ask(slow, seconds=4, now=long_ago).code == ResultCode.timeLimitExceeded
    assert client.ask(slow, seconds=60, now=long_ago).code == ResultCode.success
    assert client.ask(slow, now=long_ago).code == ResultCode.success
    assert client.ask(slow, seconds=4, size=3, now=long_ago).code == ResultCode.timeLimitExceeded
    sort = controls.sort_request([SortKey("sn")])
    assert client.ask(slow, seconds=4, now=long_ago, controls=(sort,)).code == ResultCode.timeLimitExceeded
    page = controls.paged_results(10, b"")
    late = client.ask(slow, seconds=4, now=long_ago, controls=(page,))
    assert late.code == ResultCode.timeLimitExceeded


def test_the_servers_time_limit_is_the_least(folder: IndexFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    client = Client(folder, time_limit=3)
    answer = client.ask("(description>=a)", seconds=60, now=time.monotonic() - 5)
    assert answer.code == ResultCode.timeLimitExceeded
    client.close()


def test_a_client_that_reads_slowly_is_not_cut_by_the_time_limit(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    passed = [0.0]
    started = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: started + passed[0])
    filter_ = filters.parse("(description>=a)")
    request = SearchRequest(invented.SUFFIX.encode(), messages.SUBTREE, 0, 0, 4, False, filter_)
    answer = client.directory.search(Message(7, request), Audience.ADMIN, started)
    assert not isinstance(answer, bytes)
    chunks = []
    for chunk in answer:
        chunks.append(chunk)
        passed[0] += 3600.0  # before it reads on
    assert invented.decoded(b"".join(chunks)).code == ResultCode.success


# ------------------------------------------------------------------ pages


@pytest.mark.parametrize("text", [EVERYTHING, TYPED, "(description>=a)", "(sn=dupont)", "(sn=nobody)"])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("audience", [Audience.ADMIN, Audience.PUBLIC])
def test_the_pages_together_are_the_unpaged_answer(
    client: Client, things: list[Thing], text: str, size: int, audience: Audience
) -> None:
    expected = found(things, text, audience)
    answers = list(pages(client, text, size, audience=audience))
    assert [name for answer in answers for name in answer.names] == names(expected)
    assert {answer.code for answer in answers} == {ResultCode.success}
    assert len(answers) == max(1, -(-len(expected) // size))
    assert {len(next_cookie(answer)) for answer in answers[:-1]} <= {len(next_cookie(answers[0]))}


def test_all_cookies_have_one_length_whatever_they_point_at(client: Client) -> None:
    sort = controls.sort_request([SortKey("sn")])
    lengths = {
        len(cookie)
        for audience in Audience
        for text in (EVERYTHING, TYPED)
        for more in ((), (sort,))
        for answer in pages(client, text, 9, *more, audience=audience)
        if (cookie := next_cookie(answer))
    }
    assert len(lengths) == 1


def test_the_size_limit_counts_all_pages_together(client: Client, things: list[Thing]) -> None:
    expected = found(things, EVERYTHING)
    for limit, size in ((20, 7), (21, 7), (5, 7), (7, 7), (len(expected), 50), (len(expected) + 1, 50)):
        answers = list(pages(client, EVERYTHING, size, limit=limit))
        assert [name for answer in answers for name in answer.names] == names(expected)[:limit]
        codes = [answer.code for answer in answers]
        assert codes[:-1] == [ResultCode.success] * (len(codes) - 1)
        exceeded = limit < len(expected)
        assert codes[-1] == (ResultCode.sizeLimitExceeded if exceeded else ResultCode.success)


def test_a_page_of_no_entries_ends_the_search(client: Client) -> None:
    first = client.ask(EVERYTHING, controls=(controls.paged_results(5, b""),))
    answer = client.ask(EVERYTHING, controls=(controls.paged_results(0, next_cookie(first)),))
    assert (answer.names, answer.code, next_cookie(answer)) == ([], ResultCode.success, b"")


def refused(answer: Answered) -> bool:
    return answer.code == ResultCode.unwillingToPerform and not answer.entries


def test_a_cookie_opens_its_own_search_and_no_other(client: Client) -> None:
    cookie = next_cookie(client.ask(EVERYTHING, Audience.PUBLIC, controls=(controls.paged_results(5, b""),)))
    page = (controls.paged_results(5, cookie),)
    assert client.ask(EVERYTHING, Audience.PUBLIC, controls=page).code == ResultCode.success
    assert refused(client.ask(EVERYTHING, Audience.ADMIN, controls=page))
    assert refused(client.ask("(objectClass=person)", Audience.PUBLIC, controls=page))
    assert refused(client.ask(EVERYTHING, Audience.PUBLIC, base=APICRYPT, controls=page))
    assert refused(client.ask(EVERYTHING, Audience.PUBLIC, scope=messages.ONE_LEVEL, controls=page))
    assert refused(client.ask(EVERYTHING, Audience.PUBLIC, size=50, controls=page))
    sort = controls.sort_request([SortKey("sn")])
    assert refused(client.ask(EVERYTHING, Audience.PUBLIC, controls=(*page, sort)))


def test_a_forged_or_damaged_cookie_opens_nothing(client: Client) -> None:
    cookie = next_cookie(client.ask(EVERYTHING, controls=(controls.paged_results(5, b""),)))
    chance = random.Random(1)
    forged = [cookie[:-1], cookie[1:], cookie + b"\0", cookie[::-1], bytes(len(cookie)), b"x", cookie * 40]
    for _ in range(50):
        at = chance.randrange(len(cookie))
        forged.append(cookie[:at] + bytes([cookie[at] ^ 1 << chance.randrange(8)]) + cookie[at + 1 :])
    for one in forged:
        assert refused(client.ask(EVERYTHING, controls=(controls.paged_results(5, one),)))


def test_another_directory_opens_no_cookie_of_ours(
    client: Client, folder: IndexFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = next_cookie(client.ask(EVERYTHING, controls=(controls.paged_results(5, b""),)))
    same = Client(folder)
    page = (controls.paged_results(5, cookie),)
    assert same.ask(EVERYTHING, controls=page).code == ResultCode.success, "another worker"
    monkeypatch.setattr(invented, "COOKIE_KEY", b"k" * 32)
    other = Client(folder)
    assert refused(other.ask(EVERYTHING, controls=page))
    same.close()
    other.close()


def test_pages_go_on_where_they_were_while_entries_are_written_and_deleted(tmp_path: Path) -> None:
    people = [person(f"p{i:03d}") for i in range(100)]
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [*roots(), *people])
    client = Client(folder)
    chance = random.Random(5)
    kept = {thing.dn for thing in people}
    seen: list[str] = []
    for turn, answer in enumerate(pages(client, "(sn=*)", 9)):
        seen += answer.names
        gone = [dn_key(seen[-1])] if turn % 3 == 0 else []  # the place itself
        others = chance.sample(people, 3)
        again = [thing for thing in others if thing.dn in kept and thing.key not in gone]
        kept -= {name for name in seen[-1:] if gone}
        new = [person(f"n{turn}a"), person(f"p{chance.randrange(100):03d}b"), person(f"z{turn}")]
        if turn % 3 == 1:
            again.append(
                next(thing for thing in people if thing.dn == seen[-1]) if seen[-1] in kept else again[0]
            )
        invented.write(folder, gone, [*{thing.key: thing for thing in [*again, *new]}.values()], 2 + turn)
    assert len(seen) == len(set(seen)), "an entry came twice"
    assert kept <= set(seen), "an entry that was there all the time did not come"
    assert seen == sorted(seen)
    client.close()


def dn_key(name: str) -> bytes:
    return Thing(name, {}).key


def roots() -> list[Thing]:
    return [
        Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]}),
        Thing(APICRYPT, {"objectClass": [b"organizationalUnit"], "ou": [b"apicrypt"]}),
    ]


def person(name: str, **more: list[str]) -> Thing:
    attributes = {"objectClass": [b"person"], "cn": [name.encode()], "sn": [b"x"]}
    attributes |= {key: [value.encode() for value in values] for key, values in more.items()}
    return Thing(f"uid={name},{APICRYPT}", attributes)


# ------------------------------------------------------------------ sort


@pytest.fixture(scope="module")
def sorted_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    people = [
        person("a", l=["Lille"], apicryptVersion=["10"], mail=["z@x.fr"]),
        person("b", l=["éclaron", "Zuydcoote"], apicryptVersion=["2"]),
        person("c", mail=["B@x.fr"]),
        person("d", l=["Douai"], apicryptVersion=["2"], mail=["a@x.fr"]),
        person("e", l=["lille"], apicryptVersion=["-1"]),
        Thing(f"uid=f,{APICRYPT}", {"objectClass": [b"person"], "sn": [b"x"], "l": [b"Arras"]}),
    ]
    folder = IndexFolder(tmp_path_factory.mktemp("sorted") / "index")
    invented.make_base(folder, [*roots(), *people[::2]])
    invented.write(folder, [], people[1::2])
    client = Client(folder)
    yield client
    client.close()


def in_order(client: Client, *keys: SortKey, critical: bool = True, size: int = 0) -> tuple[str, Answered]:
    sort = controls.sort_request(keys, critical)
    answer = client.ask("(sn=x)", controls=(sort,), size=size)
    return "".join(name[4] for name in answer.names), answer


def sort_code(answer: Answered) -> tuple[int, str | None]:
    for code in (0, 16, 18):
        for attribute in (None, "inconnu", "l", "objectClass", "cn", "jpegPhoto", "apicryptVersion"):
            if controls.sort_response(code, attribute).value == answer.controls[controls.SORT_RESPONSE]:
                return code, attribute
    raise AssertionError(answer.controls)


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ([SortKey("cn")], "abcdef"),
        ([SortKey("commonName")], "abcdef"),
        ([SortKey("cn", reverse=True)], "fedcba"),
        ([SortKey("cn", "caseIgnoreOrderingMatch")], "abcdef"),
        ([SortKey("cn", "2.5.13.6")], "abcdef"),
        ([SortKey("l")], "fdbaec"),  # the least of several; no accent, no case; ties by name; none comes last
        ([SortKey("l", reverse=True)], "caebdf"),
        ([SortKey("l", "caseExactOrderingMatch")], "fdabec"),
        ([SortKey("mail")], "dcabef"),
        ([SortKey("apicryptVersion")], "ebdacf"),
        ([SortKey("apicryptVersion"), SortKey("mail")], "edbacf"),
        ([SortKey("apicryptVersion", reverse=True), SortKey("cn", reverse=True)], "fcadbe"),
        ([SortKey("sn"), SortKey("l")], "fdbaec"),
        ([SortKey("entryUUID")], None),
        ([SortKey("createTimestamp")], "abcdef"),
    ],
)
def test_entries_are_sorted(sorted_client: Client, keys: list[SortKey], order: str | None) -> None:
    letters, answer = in_order(sorted_client, *keys)
    assert order is None or letters == order
    assert sorted(letters) == list("abcdef")
    assert (answer.code, sort_code(answer)) == (ResultCode.success, (0, None))


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (SortKey("inconnu"), 16),
        (SortKey("objectClass"), 18),
        (SortKey("jpegPhoto"), 18),
        (SortKey("cn", "1.2.3.4"), 18),
        (SortKey("cn", "caseIgnoreSubstringsMatch"), 18),
        (SortKey("apicryptVersion", "generalizedTimeOrderingMatch"), 18),
    ],
)
def test_a_sort_that_is_not_possible_is_refused_when_critical_and_told_otherwise(
    sorted_client: Client, key: SortKey, code: int
) -> None:
    letters, answer = in_order(sorted_client, SortKey("l"), key, critical=True)
    assert (letters, answer.code) == ("", ResultCode.unavailableCriticalExtension)
    assert sort_code(answer) == (code, key.attribute)
    letters, answer = in_order(sorted_client, SortKey("l"), key, critical=False)
    assert (letters, answer.code) == ("abcdef", ResultCode.success)
    assert sort_code(answer) == (code, key.attribute)


@pytest.mark.parametrize("key", [SortKey("cn"), SortKey("l")])
def test_a_sorted_answer_is_cut_after_it_was_sorted(sorted_client: Client, key: SortKey) -> None:
    whole, _ = in_order(sorted_client, key)
    for size in range(1, 8):
        letters, answer = in_order(sorted_client, key, size=size)
        assert letters == whole[:size]
        assert answer.code == (ResultCode.sizeLimitExceeded if size < 6 else ResultCode.success)


@pytest.mark.parametrize("key", [SortKey("cn"), SortKey("l"), SortKey("cn", reverse=True)])
@pytest.mark.parametrize("limit", [0, 4, 6])
def test_sorted_pages_together_are_the_sorted_answer(sorted_client: Client, key: SortKey, limit: int) -> None:
    whole, _ = in_order(sorted_client, key)
    for size in (1, 2, 3, 4, 6, 7):
        answers = list(pages(sorted_client, "(sn=x)", size, controls.sort_request([key]), limit=limit))
        letters = "".join(name[4] for answer in answers for name in answer.names)
        assert letters == whole[: limit or None]
        exceeded = ResultCode.sizeLimitExceeded if limit == 4 else ResultCode.success
        assert answers[-1].code == exceeded
        assert all(sort_code(answer) == (0, None) for answer in answers)


def test_sorting_thousands_agrees_with_the_obvious_order(client: Client, things: list[Thing]) -> None:
    for name in ("sn", "l", "mail", "apicryptFinValidite", "uid"):
        for reverse in (False, True):
            sort = controls.sort_request([SortKey(name, reverse=reverse)], critical=True)
            some = found(things, EVERYTHING)
            known = obvious.SCHEMA.attribute(name)
            assert known is not None
            form = obvious.order_form(known)
            assert form is not None

            def place(thing: Thing, key: str = known.key, form: obvious.Form = form) -> tuple[bool, str]:
                forms = [
                    form(value) or ""
                    for one, value in obvious.values(thing, key, frozenset())
                    if one.key == key
                ]
                return (not forms, min(forms, default=""))

            expected = sorted(some, key=place, reverse=reverse)
            assert client.ask(EVERYTHING, controls=(sort,)).names == names(expected)


def test_a_malformed_control_is_a_protocol_error(client: Client) -> None:
    for oid in (controls.PAGED_RESULTS, controls.SORT_REQUEST):
        for value in (None, b"", b"\x30\x00", b"junk"):
            answer = client.ask(EVERYTHING, controls=(Control(oid, True, value),))
            assert (answer.code, answer.names) == (ResultCode.protocolError, [])
