"""An answer sent in slices, while the index moves on between them."""

import time
from collections.abc import Iterator
from pathlib import Path

import invented_directory as invented
import pytest
from invented_directory import APICRYPT, SUFFIX, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import gather
from annuaire.index.folder import IndexFolder
from annuaire.ldap import ber, filters, messages
from annuaire.ldap.messages import Message, SearchRequest

COUNT = 60


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IndexFolder:
    """A third of the people is in the recent part; every step is a slice."""
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    folder = IndexFolder(tmp_path / "index")
    people = [person(number) for number in range(COUNT)]
    root = Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]})
    invented.make_base(folder, [root, *people[::3], *people[1::3]])
    invented.write(folder, [], people[2::3])
    return folder


def person(number: int, audiences: int = int(invented.EVERYBODY), sn: bytes = b"x") -> Thing:
    cn = b"n%03d" % number
    return Thing(
        f"uid={cn.decode()},{APICRYPT}", {"objectClass": [b"person"], "cn": [cn], "sn": [sn]}, audiences
    )


def stream(client: Client, text: str = "(sn>=x)") -> Iterator[bytes]:
    request = SearchRequest(SUFFIX.encode(), messages.SUBTREE, 0, 0, 0, False, filters.parse(text), (b"cn",))
    answer = client.directory.search(Message(7, request, ()), Audience.PUBLIC, time.monotonic())
    assert not isinstance(answer, bytes)
    return answer


def sent(octets: bytes) -> list[int]:
    """The numbers of the people in some whole messages."""
    found, at = [], 0
    while at < len(octets):
        _, _, end = ber.read(octets, at, len(octets))
        name = octets[at:end].partition(b"uid=n")[2]
        found += [int(name[:3])] if name else []
        at = end
    return found


def until(answer: Iterator[bytes], number: int) -> list[int]:
    """Read until that many people have come."""
    found: list[int] = []
    while len(found) < number:
        found += sent(next(answer))
    return found


def rest(answer: Iterator[bytes]) -> list[int]:
    return [number for chunk in answer for number in sent(chunk)]


def test_an_answer_in_many_slices_is_whole_and_in_order(folder: IndexFolder) -> None:
    client = Client(folder)
    chunks = list(stream(client))
    assert len(chunks) > 10
    assert sent(b"".join(chunks)) == list(range(COUNT))
    client.close()


def test_who_is_hidden_or_deleted_meanwhile_is_not_sent(folder: IndexFolder) -> None:
    client = Client(folder)
    answer = stream(client)
    first = until(answer, 20)
    hidden = [person(number, int(Audience.ADMIN)) for number in (1, 40, 41)]
    invented.write(folder, [person(50).key, person(53).key], hidden, 3)
    later = until(answer, 5)
    invented.write(folder, [], [person(55, int(Audience.ADMIN))], 4)
    found = first + later + rest(answer)
    assert found == [number for number in range(COUNT) if number not in (40, 41, 50, 53, 55)]
    client.close()


def test_who_is_changed_or_added_meanwhile_is_sent_at_most_once(folder: IndexFolder) -> None:
    client = Client(folder)
    answer = stream(client)
    first = until(answer, 20)
    invented.write(folder, [], [person(5, sn=b"xx"), person(40, sn=b"xx"), person(700)], 3)
    assert first + rest(answer) == list(range(COUNT))
    client.close()


@pytest.mark.parametrize("text", ["(sn>=x)", "(&(sn>=x)(!(sn=*w*)))"])
def test_who_is_no_longer_what_is_searched_for_is_not_sent(folder: IndexFolder, text: str) -> None:
    client = Client(folder)
    answer = stream(client, text)
    first = until(answer, 20)
    # Of the base and of the recent part, of which one has become another one since.
    invented.write(folder, [], [person(number, sn=b"w") for number in (5, 40, 41, 50)], 3)
    invented.write(folder, [], [person(50), person(51, sn=b"xx")], 4)
    found = first + rest(answer)
    assert found == [number for number in range(COUNT) if number not in (40, 41)]
    client.close()


@pytest.mark.parametrize("wanted", [(), ("cn", "telephoneNumber"), ("*", "+")], ids=["ready", "cut", "all"])
def test_what_an_entry_no_longer_has_is_not_sent_although_it_was_read_before(
    folder: IndexFolder, wanted: tuple[str, ...]
) -> None:
    def called(number: int, telephone: bytes) -> Thing:
        thing = person(number)
        return Thing(thing.dn, {**thing.attributes, "telephoneNumber": [telephone]})

    invented.make_base(
        folder, [Thing(SUFFIX, person(0).attributes), *[called(n, b"111") for n in range(0, COUNT, 2)]]
    )
    invented.write(folder, [], [called(n, b"111") for n in range(1, COUNT, 2)])
    client = Client(folder)

    def ask() -> Iterator[bytes]:
        names = tuple(name.encode() for name in wanted)
        request = SearchRequest(
            SUFFIX.encode(), messages.SUBTREE, 0, 0, 0, False, filters.parse("(sn>=x)"), names
        )
        answer = client.directory.search(Message(7, request, ()), Audience.PUBLIC, time.monotonic())
        assert not isinstance(answer, bytes)
        return answer

    # Everything is at hand for whoever asks the same at this moment.
    assert b"".join(ask()).count(b"111") == b"".join(ask()).count(b"111") == COUNT
    answer = ask()
    first = b""
    while len(sent(first)) < 20:
        first += next(answer)
    assert first.count(b"111") == len(sent(first))
    invented.write(folder, [], [called(40, b"222"), called(41, b"222")], 3)
    snapshot = client.reader.snapshot()
    assert not snapshot.base.gone
    assert snapshot.recent is not None
    assert not snapshot.recent.gone, "they kept their places"
    snapshot.end()
    rest = b"".join(answer)
    assert rest.count(b"222") == 2
    assert (first + rest).count(b"111") == COUNT - 2
    client.close()


def test_an_answer_goes_on_when_a_new_base_took_the_place_of_its_own(folder: IndexFolder) -> None:
    client = Client(folder)
    answer = stream(client)
    first = until(answer, 20)
    old = folder.current()
    assert old is not None
    people = [person(number) for number in range(COUNT) if number not in (1, 40)]
    root = Thing(SUFFIX, {"objectClass": [b"organization"], "o": [b"apicrypt"]})
    invented.make_base(folder, [root, *people])
    folder.remove_others(set())
    assert not folder.build(old).exists()
    middle = until(answer, 10)
    invented.write(folder, [person(55).key], [person(56, int(Audience.ADMIN))])
    found = first + middle + rest(answer)
    assert found == [number for number in range(COUNT) if number not in (40, 55, 56)]
    assert len(client.ask("(sn=x)", Audience.PUBLIC).names) == COUNT - 4
    client.close()


def test_other_searches_run_between_the_slices(folder: IndexFolder) -> None:
    client = Client(folder)
    answer, found = stream(client), []
    for number, chunk in enumerate(answer):
        found += sent(chunk)
        if number % 7 == 0:
            assert client.ask(f"(cn=n{number % COUNT:03d})", Audience.PUBLIC).names
            invented.write(folder, [], [person(800 + number, int(Audience.ADMIN))], 3 + number)
    assert found == list(range(COUNT))
    client.close()


def test_no_read_transaction_outlives_a_slice(folder: IndexFolder) -> None:
    client = Client(folder)
    answer = stream(client)
    until(answer, 5)
    part = client.reader.snapshot().recent
    client.reader.snapshot().end()
    assert part is not None
    assert part.part._transaction is None
    answer.close()  # type: ignore[attr-defined] # abandoned
    assert part.part._transaction is None
    client.close()
