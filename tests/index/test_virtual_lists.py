"""Virtual list views: each window is the one that a list sorted the obvious way has there, whoever asks."""

import random
from collections.abc import Iterator

import invented_directory as invented
import obvious_answers as obvious
import pytest
import small_chunks
from invented_directory import SUFFIX, Answered, Client, Thing

from annuaire.domain.audience import Audience
from annuaire.index import gather, listings
from annuaire.index.folder import IndexFolder
from annuaire.index.query import SizeLimits
from annuaire.ldap import ber, controls, filters, messages, virtual_list
from annuaire.ldap.controls import SortKey
from annuaire.ldap.results import ResultCode
from annuaire.ldap.virtual_list import View

EVERYBODY = "(cn=*)"
BROWSED = "(&(mail=*)(cn=*))"  # what Outlook browses
SLOW = "(description>=a)"  # which no posting decides
KEYS = [
    (SortKey("cn"),),
    (SortKey("cn", "2.5.13.3"),),
    (SortKey("cn", reverse=True),),
    (SortKey("sn"), SortKey("givenName")),
    (SortKey("l", reverse=True), SortKey("cn")),
    (SortKey("mail"),),
]


@pytest.fixture(scope="module")
def things() -> list[Thing]:
    return invented.whole_directory(11, 150)


@pytest.fixture(scope="module", params=["small lists", "lists out of a ranking", "many chunks"])
def client(
    request: pytest.FixtureRequest, things: list[Thing], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "small lists":
            patch.setattr(listings, "SORTED_MAX", 3)
        if request.param == "many chunks":
            small_chunks.set_in(patch)
        folder = IndexFolder(tmp_path_factory.mktemp("index") / "index")
        recent = things[3::4]
        invented.make_base(folder, [thing for thing in things if thing not in recent])
        invented.write(folder, [], recent)
        client = Client(folder)
        yield client
        client.close()


def form(thing: Thing, name: str) -> str | None:
    """The least of the values of one attribute, as they are sorted."""
    known = obvious.SCHEMA.attribute(name)
    assert known is not None
    ordered = obvious.order_form(known)
    assert ordered is not None
    some = [ordered(v) for one, v in obvious.values(thing, known.key, frozenset()) if one.key == known.key]
    return min([text for text in some if text is not None], default=None)


def in_order(things: list[Thing], keys: tuple[SortKey, ...]) -> list[Thing]:
    """Sorted the obvious way, last key first."""
    found = sorted(things, key=obvious.order)
    for key in reversed(keys):
        placed = [(form(thing, key.attribute), thing) for thing in found]
        placed.sort(key=lambda pair: (pair[0] is None, pair[0] or ""), reverse=key.reverse)
        found = [thing for _, thing in placed]
    return found


def the_list(things: list[Thing], text: str, audience: Audience, keys: tuple[SortKey, ...]) -> list[str]:
    some = obvious.search(things, filters.parse(text), audience, SUFFIX, messages.SUBTREE)
    assert not isinstance(some, str)
    return [thing.dn for thing in in_order(some, keys)]


def look(
    client: Client,
    view: View,
    keys: tuple[SortKey, ...] = KEYS[0],
    text: str = EVERYBODY,
    audience: Audience = Audience.ADMIN,
    size: int = 0,
) -> Answered:
    sent = (controls.sort_request(keys, True), virtual_list.request(view, True))
    return client.ask(text, audience, controls=sent, size=size)


def told(answer: Answered) -> tuple[int, int, int, bytes]:
    """targetPosition, contentCount, result and context of the response."""
    value = answer.controls[controls.VLV_RESPONSE]
    assert value is not None
    start, end = ber.expect(value, 0, len(value), ber.SEQUENCE)
    position, at = ber.read_number(value, start, end, 0, ber.INTEGER_MAX, "position")
    count, at = ber.read_number(value, at, end, 0, ber.INTEGER_MAX, "count")
    code, at = ber.read_number(value, at, end, 0, 1000, "result", ber.ENUMERATED)
    context, _ = ber.read_optional(value, at, end, ber.OCTET_STRING)
    return position, count, code, context or b""


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("text", [EVERYBODY, BROWSED, SLOW])
def test_a_window_by_offset_is_what_stands_there(
    client: Client, things: list[Thing], keys: tuple[SortKey, ...], text: str
) -> None:
    chance = random.Random(4)
    for audience in (Audience.ADMIN, Audience.PUBLIC, Audience.APICRYPT):
        whole = the_list(things, text, audience, keys)
        assert len(whole) > 10
        for offset in (1, 2, len(whole) - 1, len(whole), chance.randrange(1, len(whole))):
            before, after = chance.choice(((0, 0), (0, 9), (3, 3), (400, 400), (5, 0)))
            answer = look(client, View(before, after, offset), keys, text, audience)
            assert answer.code == ResultCode.success
            assert answer.names == whole[max(0, offset - 1 - before) : offset + after]
            assert told(answer)[:3] == (offset, len(whole), 0)


@pytest.mark.parametrize("keys", KEYS)
def test_typing_finds_the_first_that_is_at_or_after_it(
    client: Client, things: list[Thing], keys: tuple[SortKey, ...]
) -> None:
    first = keys[0]
    known = obvious.SCHEMA.attribute(first.attribute)
    assert known is not None
    folded = obvious.order_form(known)
    assert folded is not None
    some = obvious.search(things, filters.parse(EVERYBODY), Audience.ADMIN, SUFFIX, messages.SUBTREE)
    assert not isinstance(some, str)
    ordered = in_order(some, keys)
    for typed in ("", "a", "DU", "dup", "é", "jean p", "martin", "zzzz", "\U0001f600"):
        wanted = folded(typed.encode())
        assert wanted is not None

        def reached(thing: Thing, wanted: str = wanted) -> bool:
            own = form(thing, first.attribute)
            if first.reverse:
                return own is not None and own <= wanted
            return own is None or own >= wanted

        place = next((i for i, thing in enumerate(ordered) if reached(thing)), len(ordered))
        answer = look(client, View(2, 4, value=typed.encode()), keys)
        assert answer.names == [thing.dn for thing in ordered[max(0, place - 2) : place + 5]], typed
        # Where there is none, the place is the one behind the last.
        assert told(answer)[:3] == (place + 1, len(ordered), 0)


@pytest.mark.parametrize(
    ("offset", "content", "length", "place"),
    [
        (1, 0, 50, 1),
        (1, 1, 50, 1),
        (1, 100, 50, 1),
        (50, 50, 50, 50),
        (100, 100, 50, 50),  # the last of the client's is the last of ours
        (50, 100, 50, 25),
        (99, 100, 50, 49),
        (2, 1000, 50, 1),
        (7, 0, 50, 7),
        (50, 0, 50, 50),
        (51, 0, 50, None),
        (101, 100, 50, None),
        (0, 0, 50, None),
        (0, 100, 50, None),
        (1, 0, 0, 0),
        (2, 0, 0, None),
    ],
)
def test_an_offset_is_scaled_to_the_list_as_it_is(
    offset: int, content: int, length: int, place: int | None
) -> None:
    assert virtual_list.place(offset, content, length) == place


def test_what_lies_outside_of_the_list_is_told_in_both_places(client: Client) -> None:
    answer = look(client, View(0, 9, 100_000))
    assert (answer.code, answer.names) == (ResultCode.offsetRangeError, [])
    assert told(answer)[2] == ResultCode.offsetRangeError
    empty = look(client, View(3, 9, 1), text="(sn=nobody)")
    assert (empty.code, empty.names, told(empty)[:3]) == (ResultCode.success, [], (0, 0, 0))


def test_a_virtual_list_needs_a_sort_that_is_possible_and_no_pages(client: Client) -> None:
    view = virtual_list.request(View(0, 9, 1), False)
    sort, page = controls.sort_request([SortKey("cn")]), controls.paged_results(5, b"")
    impossible = controls.sort_request([SortKey("jpegPhoto")])
    for sent, code in [
        ((view,), ResultCode.sortControlMissing),
        ((view, sort, page), ResultCode.unwillingToPerform),
        ((view, impossible), ResultCode.virtualListViewError),
    ]:
        answer = client.ask(EVERYBODY, controls=sent)
        assert (answer.code, answer.names, told(answer)[2]) == (code, [], code)


def test_a_context_is_of_its_own_list(client: Client) -> None:
    context = told(look(client, View(0, 3, 1)))[3]
    assert context
    assert told(look(client, View(1, 4, 9, context=context)))[2] == ResultCode.success
    for answer in (
        look(client, View(0, 3, 1, context=context), text=BROWSED),
        look(client, View(0, 3, 1, context=context), keys=KEYS[2]),
        look(client, View(0, 3, 1, context=context), audience=Audience.PUBLIC),
        look(client, View(0, 3, 1, context=context[:-1])),
        look(client, View(0, 3, 1, context=b"forged")),
    ):
        assert (answer.code, answer.names) == (ResultCode.unwillingToPerform, [])
    lengths = {
        len(told(look(client, View(0, 3, 1), keys, audience=audience))[3])
        for audience in Audience
        for keys in KEYS
    }
    assert len(lengths) == 1


def test_the_size_limit_cuts_a_window_not_the_list(client: Client, things: list[Thing]) -> None:
    whole = the_list(things, EVERYBODY, Audience.ADMIN, KEYS[0])
    answer = look(client, View(2, 20, 10), size=5)
    assert (answer.code, answer.names) == (ResultCode.sizeLimitExceeded, whole[7:12])
    assert told(answer)[:2] == (10, len(whole))
    assert look(client, View(2, 2, 100), size=5).code == ResultCode.success


def test_the_servers_limit_cuts_each_window_by_itself(things: list[Thing], tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = IndexFolder(tmp_path / "index")
    invented.make_base(folder, things)
    client = Client(folder, SizeLimits({Audience.PUBLIC: 7}, {}))
    whole = the_list(things, EVERYBODY, Audience.PUBLIC, KEYS[0])
    assert len(look(client, View(0, 99, 1), audience=Audience.PUBLIC).names) == 7
    last = look(client, View(0, 6, len(whole) - 5), audience=Audience.PUBLIC)
    assert (last.code, last.names) == (ResultCode.success, whole[-6:])
    client.close()


@pytest.mark.parametrize("keys", KEYS)
def test_a_window_in_slices_is_the_same_and_ends_at_the_time_limit(
    client: Client, things: list[Thing], keys: tuple[SortKey, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "SLICE_SECONDS", -1.0)
    monkeypatch.setattr(gather, "VERIFIED_AT_ONCE", 1)
    again = Client(client.reader._folder)
    whole = the_list(things, SLOW, Audience.ADMIN, keys)
    sent = (controls.sort_request(keys, True), virtual_list.request(View(0, 4, 3), True))
    assert len(again.chunks(SLOW, controls=sent)) > 10
    assert look(again, View(0, 4, 3), keys, SLOW).names == whole[2:7]
    other = Client(client.reader._folder)
    late = other.ask(SLOW, controls=sent, seconds=1, now=0.0)
    assert late.code == ResultCode.timeLimitExceeded
    again.close()
    other.close()


def test_a_malformed_request_is_a_protocol_error(client: Client) -> None:
    sort = controls.sort_request([SortKey("cn")])
    for value in (None, b"", b"\x30\x00", b"junk", bytes.fromhex("300c 020100 020109 a006 0201ff 020100")):
        view = messages.Control(controls.VLV_REQUEST, True, value)
        answer = client.ask(EVERYBODY, controls=(sort, view))
        assert (answer.code, answer.names) == (ResultCode.protocolError, [])
