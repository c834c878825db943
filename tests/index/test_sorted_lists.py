"""Sorted answers kept and cut in pages: the same whatever is kept, and pages that go on while entries are written."""

import random
from collections.abc import Generator, Iterator
from pathlib import Path

import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Answered, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.errors import Unavailable
from annuaire.index import gather, listings, ranking, sorting
from annuaire.index.folder import IndexFolder
from annuaire.ldap import controls
from annuaire.ldap.controls import SortKey
from annuaire.ldap.results import ResultCode


def person(name: str, town: str, audiences: int = int(invented.EVERYBODY)) -> Thing:
    return Thing(
        f"uid={name},{APICRYPT}",
        {"objectClass": [b"inetOrgPerson"], "cn": [name.encode()], "sn": [b"x"], "l": [town.encode()]},
        audiences,
    )


ROOTS = [
    Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]}),
    Thing(APICRYPT, {"objectClass": [b"organizationalUnit"], "ou": [b"apicrypt"]}),
]
BY_TOWN = controls.sort_request([SortKey("l", reverse=True), SortKey("cn")], True)


def towns(count: int, seed: int = 1) -> list[Thing]:
    chance = random.Random(seed)
    return [
        person(f"p{i:03d}", chance.choice(("Lille", "Arras", "Éclaron", "Zuydcoote"))) for i in range(count)
    ]


def cookie_of(answer: Answered) -> bytes:
    return controls.decode_paged_results(answer.controls[controls.PAGED_RESULTS]).cookie


def page(
    client: Client, size: int, cookie: bytes, *more: object, audience: Audience = Audience.ADMIN
) -> Answered:
    sent = (controls.paged_results(size, cookie, critical=True), BY_TOWN)
    return client.ask("(sn=x)", audience, controls=sent)


@pytest.fixture(params=[3, 5_000], ids=["out of a ranking", "sorted by themselves"])
def folder(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[IndexFolder]:
    monkeypatch.setattr(listings, "SORTED_MAX", request.param)
    return IndexFolder(tmp_path / "index")


def test_sorted_pages_go_on_where_they_were_while_entries_come_and_go(folder: IndexFolder) -> None:
    people = towns(90)
    invented.make_base(folder, [*ROOTS, *people])
    client = Client(folder)
    chance = random.Random(7)
    kept = {thing.dn for thing in people}
    seen: list[str] = []
    cookie, turn = b"", 0
    while True:
        # Every other page by another worker.
        client.close()
        client = Client(folder)
        answer = page(client, 7, cookie)
        assert answer.code == ResultCode.success
        seen += answer.names
        cookie = cookie_of(answer)
        if not cookie:
            break
        turn += 1
        gone = [Thing(seen[-1], {}).key] if turn % 2 else [Thing(chance.choice(sorted(kept)), {}).key]
        kept -= {name for name in kept if Thing(name, {}).key in gone}
        new = person(f"n{turn}", chance.choice(("Lille", "Arras")))
        invented.write(folder, gone, [new], 2 + turn)
    assert len(seen) == len(set(seen)), "an entry came twice"
    assert kept <= set(seen), "an entry that was there all the time did not come"
    client.close()


def test_what_is_kept_of_a_list_is_not_kept_beyond_a_write(folder: IndexFolder) -> None:
    invented.make_base(folder, [*ROOTS, *towns(40)])
    client = Client(folder)
    first = client.ask("(sn=x)", controls=(BY_TOWN,))
    assert client.ask("(sn=x)", controls=(BY_TOWN,)).names == first.names
    moved = Thing(first.names[0], {}).key
    name = first.names[0].partition(",")[0].partition("=")[2]
    invented.write(folder, [], [person(name, "Aaa"), person("neuf", "Zzz")])
    after = client.ask("(sn=x)", controls=(BY_TOWN,))
    assert after.names == [f"uid=neuf,{APICRYPT}", *first.names[1:], first.names[0]]
    invented.write(folder, [moved], [], 3)
    assert client.ask("(sn=x)", controls=(BY_TOWN,)).names == after.names[:-1]
    client.close()


def test_an_entry_that_kept_its_place_is_sorted_by_what_it_has_now(folder: IndexFolder) -> None:
    invented.make_base(folder, [*ROOTS, *towns(40)])
    client = Client(folder)
    first = client.ask("(sn=x)", controls=(BY_TOWN,))
    moved = [name.partition(",")[0].partition("=")[2] for name in (first.names[0], first.names[20])]
    invented.write(folder, [], [person(name, town) for name, town in zip(moved, ("Aaa", "Zzz"), strict=True)])
    after = client.ask("(sn=x)", controls=(BY_TOWN,))
    others = [name for name in first.names if name not in (first.names[0], first.names[20])]
    assert after.names == [first.names[20], *others, first.names[0]]
    assert len(client.reader.snapshot().base.part.amended) == 2
    client.close()


def test_each_audience_has_lists_and_rankings_of_its_own(folder: IndexFolder) -> None:
    hidden = [person(f"h{i}", "Lille", int(Audience.ADMIN)) for i in range(20)]
    invented.make_base(folder, [*ROOTS, *towns(40), *hidden])
    client = Client(folder)
    for _ in range(2):
        for audience, count in ((Audience.ADMIN, 60), (Audience.PUBLIC, 40)):
            found = client.ask("(sn=x)", audience, controls=(BY_TOWN,)).names
            assert len(found) == count
            assert found == sorted(found, key=found.index)
    shown = client.ask("(sn=x)", Audience.PUBLIC, controls=(BY_TOWN,)).names
    assert [name for name in client.ask("(sn=x)", controls=(BY_TOWN,)).names if name in shown] == shown
    client.close()


def test_two_clients_make_one_ranking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "SORTED_MAX", 3)
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(gather, "VERIFIED_AT_ONCE", 1)
    made = []
    former = ranking.Ranking.__init__

    def counted(self: ranking.Ranking, *arguments: object) -> None:
        made.append(self)
        former(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ranking.Ranking, "__init__", counted)
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, [*ROOTS, *towns(40)])
    client = Client(folder)
    whole = client.ask("(sn=x)", controls=(BY_TOWN,)).names
    assert len(made) == 1
    client.close()
    other = Client(folder)
    streams = [stream(other, text) for text in ("(sn=x)", "(cn=p*)", "(|(sn=x)(sn=y))")]
    answers: list[list[bytes]] = [[] for _ in streams]
    waiting = list(range(3))
    while waiting:
        for i in list(waiting):
            try:
                answers[i].append(next(streams[i]))
            except StopIteration:
                waiting.remove(i)
    assert len(made) == 2
    for chunks in answers:
        assert invented.decoded(b"".join(chunks)).names == whole
    other.close()


def stream(client: Client, text: str) -> Iterator[bytes]:
    """The same search, taken chunk by chunk between those of others."""
    import time

    from annuaire.ldap import filters, messages
    from annuaire.ldap.messages import Message, SearchRequest

    request = SearchRequest(SUFFIX.encode(), messages.SUBTREE, 0, 0, 0, False, filters.parse(text))
    answer = client.directory.search(Message(7, request, (BY_TOWN,)), Audience.ADMIN, time.monotonic())
    return iter([answer]) if isinstance(answer, bytes) else answer


def test_an_attribute_comes_once_in_a_sort(folder: IndexFolder) -> None:
    invented.make_base(folder, [*ROOTS, *towns(5)])
    client = Client(folder)
    for keys in ([SortKey("l"), SortKey("l", reverse=True)], [SortKey("cn"), SortKey("commonName")]):
        answer = client.ask("(sn=x)", controls=(controls.sort_request(keys, True),))
        assert answer.code == ResultCode.unavailableCriticalExtension
        told = controls.sort_response(ResultCode.unwillingToPerform, keys[1].attribute)
        assert answer.controls[controls.SORT_RESPONSE] == told.value
    client.close()


def test_the_servers_page_is_never_longer_than_the_operator_allows(folder: IndexFolder) -> None:
    from annuaire.index.search import Directory, Settings

    invented.make_base(folder, [*ROOTS, *towns(20)])
    client = Client(folder)
    settings = Settings(SUFFIX, invented.SizeLimits({}, {}), 0, page=4)
    client.directory = Directory(client.reader, invented.NUMBERING, settings, invented.COOKIE_KEY)
    for more in ((), (BY_TOWN,)):
        cookie, lengths = b"", []
        while True:
            answer = client.ask("(sn=x)", controls=(controls.paged_results(100, cookie), *more))
            lengths.append(len(answer.names))
            cookie = cookie_of(answer)
            if not cookie:
                break
        assert lengths == [4] * 5
    client.close()


def test_those_who_sort_in_many_ways_take_turns_and_not_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(gather, "VERIFIED_AT_ONCE", 1)
    folder = IndexFolder(tmp_path / "index")
    people = towns(30)
    invented.make_base(folder, [*ROOTS, *people])
    client = Client(folder)
    base = client.reader.snapshot().base
    rankings = ranking.Rankings()

    def wanted(number: int):  # type: ignore[no-untyped-def]
        keys = tuple(
            SortKey(name, reverse=bool(number & 1 << i)) for i, name in enumerate(("l", "cn", "sn", "uid"))
        )
        order = sorting.understand(keys, invented.NUMBERING).order
        assert order is not None
        return rankings.of(1, base, Audience.ADMIN, order)

    waiting = [wanted(number) for number in range(ranking.WAITING_MAX)]
    for one in waiting:
        next(one)
    with pytest.raises(Unavailable, match="too many sorts"):
        next(wanted(ranking.WAITING_MAX))
    same = wanted(2)
    next(same)
    # The first ones leave; whoever waits behind them does their part, and gets its own.
    for one in waiting[:6]:
        one.close()
    for one in (waiting[7], same):
        assert len(finished(one)) == len(people) + len(ROOTS)
    # Nobody waits for the sixth any more, and it is there.
    assert next(wanted(6), None) is None
    next(wanted(ranking.WAITING_MAX))
    client.close()


def finished(making: Generator[None, None, ranking.Ids]) -> ranking.Ids:
    while True:
        try:
            next(making)
        except StopIteration as end:
            found: ranking.Ids = end.value
            return found
