"""The index against a slow, obvious search, over generated requests: whatever its parts, its chunks or its slices."""

import random
from collections.abc import Iterator

import generated_requests
import invented_directory as invented
import obvious_answers as obvious
import pytest
import small_chunks
from generated_requests import Request
from invented_directory import Client, Thing, decoded

from annuaire.index import gather, layout, pages
from annuaire.index.folder import IndexFolder
from annuaire.index.reader import Reader
from annuaire.ldap import filters
from annuaire.ldap.results import ResultCode

SEED = 20261123
ODD_PEOPLE = 130
REQUESTS = 800

Question = tuple[Request, list[Thing] | str]


@pytest.fixture(scope="module")
def things() -> list[Thing]:
    return invented.whole_directory(SEED, ODD_PEOPLE)


@pytest.fixture(scope="module")
def questions(things: list[Thing]) -> list[Question]:
    generator = generated_requests.Generator(things, SEED)
    requests = [generator.request() for _ in range(REQUESTS)]
    return [(r, obvious.search(things, r.filter, r.audience, r.base, r.scope)) for r in requests]


def written_in_parts(folder: IndexFolder, things: list[Thing]) -> None:
    """The same entries, of which some were others first, some were elsewhere and some were not there."""
    chance = random.Random(SEED)
    root = things[0]
    kinds = {thing.key: chance.random() for thing in things[1:]}
    others = invented.odd_people(chance, 40, [f"ou=ailleurs,{invented.SUFFIX}"])
    formerly = [
        Thing(thing.dn, invented.odd_attributes(chance, i), invented.odd_audiences(chance))
        for i, thing in enumerate(things[1:])
        if kinds[thing.key] < 0.3
    ]
    early = [thing for thing in things[1:] if kinds[thing.key] > 0.5]
    invented.make_base(folder, [root, *early, *formerly, *others[:20]])
    late = [thing for thing in things[1:] if kinds[thing.key] <= 0.5]
    chance.shuffle(late)
    # The root too: what everything lies under has then its new form in the recent part.
    again = [thing for thing in formerly[:20] if thing.key not in {other.key for other in late[:30]}]
    invented.write(folder, [], [*others[10:], *again, *late[:30]], 2)
    invented.write(folder, [other.key for other in others], late[30:], 3)
    invented.write(folder, [late[0].key, b"absent"], [root, late[0]], 4)


PLACING = {"objectclass", "cn"}


def otherwise(thing: Thing, things: list[Thing], chance: random.Random) -> Thing:
    """The same entry with other values, more attributes or fewer: it can keep its place in the index."""
    attributes = {}
    for description, values in thing.attributes.items():
        attributes[description] = values
        placing = description.partition(";")[0].lower() in PLACING
        if not placing and chance.random() < 0.7:
            donors = [other.attributes[description] for other in things if description in other.attributes]
            attributes[description] = list(
                dict.fromkeys([*chance.choice(donors), *values[: chance.randrange(2)]])
            )
            if chance.random() < 0.3:
                del attributes[description]
    if chance.random() < 0.5:
        for description, values in chance.choice(things).attributes.items():
            if description.partition(";")[0].lower() not in PLACING and chance.random() < 0.4:
                attributes.setdefault(description, values)
    names = attributes.get("cn")
    if names and chance.random() < 0.5:
        # Beside the least, by which it stands where it stands.
        attributes["cn"] = [*names, *[min(names) + more for more in chance.sample(MORE_NAMES, 2)]]
    stamp = chance.choice([thing.stamp, "20260202020202Z"])
    return Thing(thing.dn, attributes, thing.audiences, chance.choice([thing.passwords, None, b""]), stamp)


MORE_NAMES = [b" Zo\xc3\xa9", b" de la Banque", b"-Martin", b" \xf0\x9f\x90\xa6oiseau", b" banquette"]


def amended_in_place(folder: IndexFolder, things: list[Thing]) -> None:
    """The same entries, of which most had other values first, in the base and in the recent part, several times."""
    chance = random.Random(SEED + 1)
    root, *others = things
    chance.shuffle(others)
    early, late = others[: len(others) // 2], others[len(others) // 2 :]
    invented.make_base(folder, [root, *[otherwise(thing, things, chance) for thing in early]])
    invented.write(folder, [], [otherwise(thing, things, chance) for thing in late], 2)
    for change in range(3, 7):
        some = chance.sample(others, len(others) // 2)
        invented.write(folder, [], [otherwise(thing, things, chance) for thing in some], change)
    chance.shuffle(others)
    for at in range(0, len(others), 50):
        invented.write(folder, [], others[at : at + 50], 7 + at)
    reader = Reader(folder, invented.NUMBERING)
    snapshot = reader.snapshot()
    assert snapshot.recent is not None
    assert len(snapshot.base.part.amended) > len(early) / 2
    assert snapshot.recent.part.count == len(late)  # nobody was written anew
    assert not snapshot.base.gone
    assert not snapshot.recent.gone
    reader.close()


@pytest.fixture(
    scope="module",
    params=[
        "one base",
        "a base and a recent part",
        "many chunks",
        "amended in place",
        "amended in many chunks",
    ],
)
def client(
    request: pytest.FixtureRequest, things: list[Thing], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    with pytest.MonkeyPatch.context() as patch:
        if "many chunks" in request.param:
            small_chunks.set_in(patch)
            patch.setattr(layout, "LISTED_MAX", 5)
            patch.setattr(pages, "HEAVY_MIN", 6)
        folder = IndexFolder(tmp_path_factory.mktemp("index") / "index")
        if request.param == "one base":
            invented.make_base(folder, things)
        elif "amended" in request.param:
            amended_in_place(folder, things)
        else:
            written_in_parts(folder, things)
        client = Client(folder)
        yield client
        client.close()


@pytest.fixture(scope="module")
def first_answers() -> dict[int, bytes]:
    """What the index that was asked first answered to each request, and to each with a size limit."""
    return {}


def ask(client: Client, request: Request, size: int = 0) -> list[bytes]:
    return client.chunks(
        request.filter,
        request.audience,
        base=request.base,
        scope=request.scope,
        size=size,
        attributes=request.attributes,
        types_only=request.types_only,
    )


def told(request: Request) -> str:
    return f"{request.audience!r} {request.base} {request.scope} {filters.format(request.filter)}"[:2000]


def test_every_answer_is_the_obvious_one(
    client: Client, things: list[Thing], questions: list[Question], first_answers: dict[int, bytes]
) -> None:
    found = 0
    for number, (request, expected) in enumerate(questions):
        octets = b"".join(ask(client, request))
        found += bool(expected)
        if number in first_answers:  # the same octets, whatever the parts of the index
            assert octets == first_answers[number], told(request)
            continue
        answer = decoded(octets)
        first_answers[number] = octets
        if isinstance(expected, str):
            assert answer.code == ResultCode.noSuchObject, told(request)
            assert answer.result.matched.decode() == expected, told(request)
            continue
        assert answer.code == ResultCode.success, told(request)
        assert answer.names == [thing.dn for thing in expected], told(request)
        # Some entries of each: all of them would be most of the time.
        for thing, (_, attributes) in list(zip(expected, answer.entries, strict=True))[number % 3 :: 9][:2]:
            wanted = obvious.answer(thing, request.attributes, request.types_only, request.audience, things)
            assert attributes == wanted, f"{thing.dn} {request.attributes} {told(request)}"
    assert found > REQUESTS / 4, "most requests found nothing: the proof says little"


def test_a_size_limit_lets_the_best_through_and_says_when_there_is_more(
    client: Client, questions: list[Question], first_answers: dict[int, bytes]
) -> None:
    for number, (request, expected) in enumerate(questions):
        if isinstance(expected, str):
            continue
        size = 1 + number % 5 if number % 2 else max(1, len(expected) - number % 3)
        octets = b"".join(ask(client, request, size))
        if -1 - number in first_answers:
            assert octets == first_answers[-1 - number], told(request)
            continue
        answer = decoded(octets)
        first_answers[-1 - number] = octets
        best = obvious.best(expected, request.filter)[:size]
        assert answer.names == [thing.dn for thing in best], told(request)
        more = len(expected) > size
        assert answer.code == (ResultCode.sizeLimitExceeded if more else ResultCode.success), told(request)


def test_an_answer_in_slices_has_the_same_octets(
    client: Client, questions: list[Question], monkeypatch: pytest.MonkeyPatch
) -> None:
    sliced = 0
    for number, (request, _) in enumerate(questions[::5]):
        size = number % 4
        whole = ask(client, request, size)
        with monkeypatch.context() as patch:
            patch.setattr(gather, "SLICE_SECONDS", -1.0)
            patch.setattr(gather, "VERIFIED_AT_ONCE", 1)
            chunks = ask(client, request, size)
        assert b"".join(chunks) == b"".join(whole), told(request)
        sliced += len(chunks) > 1
    assert sliced > len(questions) / 5 / 4
