"""Liste rouge is non-interference: with or without whoever is hidden, strangers are answered the same octets.

Two directories that differ by hidden people alone are asked thousands of generated operations each. A longer run, over
other people and other ways of hiding each time, of so many seconds:

    ANNUAIRE_PROOF_SECONDS=1800 scripts/test tests/proof/test_liste_rouge.py -k for_as_long
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asking
import hidden_people
import pytest
import small_chunks
import two_directories
from hidden_people import People
from interviews import Hashing, Interview, shown
from operations import Generator, Known
from two_directories import SCHEMA, STRANGERS, WAYS, Client, Pair, Place

from annuaire.domain.audience import Audience
from annuaire.index import layout, pages, sight
from annuaire.ldap.responses import Entry

SEED = 20261123
OPERATIONS = 750
# Of the audiences that see some of the hidden: they show that operations can tell two directories apart.
OPERATIONS_OF_THE_OTHERS = 500
SECONDS = float(os.environ.get("ANNUAIRE_PROOF_SECONDS", "0"))


def small_index(patch: pytest.MonkeyPatch) -> None:
    """What an index of half a million entries does: several chunks, values and pieces of words that many have."""
    small_chunks.set_in(patch)
    patch.setattr(layout, "LISTED_MAX", 5)
    patch.setattr(pages, "HEAVY_MIN", 6)
    patch.setattr(sight, "INSIDE_MAX", 3)


def generator(pair: Pair, seed: int) -> Generator:
    """What administrators know of everybody, less what strangers see, is what may be guessed."""
    whole = [*everything(pair.whole, Audience.ADMIN), *everything(pair.whole, Audience.ROUTAGE)]
    seen = everything(pair.without, Audience.PUBLIC)
    public = {entry.dn for entry in seen}
    return Generator(SCHEMA, Known.of([one for one in whole if one.dn not in public]), Known.of(seen), seed)


def everything(place: Place, audience: Audience) -> list[Entry]:
    """All that an audience finds."""
    client = Client(place.service(audience, size=0))
    return asking.entries(client.say(asking.search(1, "(objectClass=*)", attributes=["*", "+"])))


def interview(pair: Pair, audience: Audience, seed: int, count: int) -> tuple[Interview, int]:
    """Ask so many operations; the interview, and how many were answered otherwise."""
    different = 0
    with pytest.MonkeyPatch.context() as patch:
        met = Interview(pair, audience, Hashing(patch))
        try:
            made = generator(pair, seed)
            for number in range(count):
                operation = made.operation()
                difference = met.ask(operation)
                if difference is not None and audience in STRANGERS:
                    told = f"{audience.name} {seed} {number}: {operation.told}"
                    pytest.fail(f"{told}\n{shown(difference)}")
                different += difference is not None
        finally:
            met.close()
    return met, different


@pytest.fixture(scope="module")
def people() -> People:
    return hidden_people.invent(SEED)


SMALL_CHUNKS = ", small chunks"


@pytest.fixture(scope="module", params=[*WAYS, f"hidden by a change{SMALL_CHUNKS}"])
def pair(
    request: pytest.FixtureRequest, people: People, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    with made(tmp_path_factory.mktemp("pair"), people, request.param) as pair:
        yield pair


@contextmanager
def made(folder: Path, people: People, way: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        if way.endswith(SMALL_CHUNKS):
            small_index(stack.enter_context(pytest.MonkeyPatch.context()))
        making = WAYS[way.removesuffix(SMALL_CHUNKS)]
        yield stack.enter_context(two_directories.pair(folder, people, making))


@pytest.mark.parametrize("audience", STRANGERS)
def test_strangers_are_answered_the_same_with_and_without_the_hidden(pair: Pair, audience: Audience) -> None:
    met, _ = interview(pair, audience, SEED + audience, OPERATIONS)
    # They were answered about people, in every manner; agreement about nothing would prove nothing.
    assert met.entries > OPERATIONS
    assert {0, 4, 5, 32, 49, 50, 122} <= met.codes
    assert met.pages > 3
    assert min(side.windows for side in met.sides) > 3


# The DGS sees those on liste rouge alone, the sphere everybody who is active.
@pytest.mark.parametrize(("audience", "least"), [(Audience.DGS, 5), (Audience.APICRYPT, 20)])
@pytest.mark.parametrize("way", ["in the base", "hidden by a change"])
def test_whoever_sees_some_of_them_is_answered_otherwise(
    tmp_path: Path, people: People, audience: Audience, least: int, way: str
) -> None:
    with made(tmp_path, people, way) as pair:
        _, different = interview(pair, audience, SEED, OPERATIONS_OF_THE_OTHERS)
    assert different >= least


@pytest.mark.parametrize("audience", STRANGERS)
def test_who_is_hidden_no_more_is_found_again(tmp_path: Path, people: People, audience: Audience) -> None:
    with made(tmp_path, people, "in the base") as pair:
        before = everything(pair.whole, audience)
        assert before == everything(pair.without, audience)
        two_directories.show_again(pair.whole, people)
        after = everything(pair.whole, audience)
        addresses = {value for entry in after for value in entry.attributes.get("mail", ())}
        assert {one.interop.encode() for one in people.hidden if one.interop} <= addresses
        assert interview_differs(pair, audience)


def interview_differs(pair: Pair, audience: Audience) -> bool:
    with pytest.raises(pytest.fail.Exception):
        interview(pair, audience, SEED, OPERATIONS_OF_THE_OTHERS)
    return True


@pytest.mark.skipif(not SECONDS, reason="ANNUAIRE_PROOF_SECONDS says for how long")
def test_strangers_are_answered_the_same_for_as_long_as_is_asked(tmp_path: Path) -> None:
    until = time.monotonic() + SECONDS
    asked, turn = 0, 0
    while time.monotonic() < until:
        seed = SEED + 1000 + turn
        chance = random.Random(seed)
        people = hidden_people.invent(seed, chance.choice((30, 90, 200)), chance.choice((6, 48, 120)))
        way = chance.choice(list(WAYS)) + chance.choice(("", SMALL_CHUNKS))
        with made(tmp_path / str(turn), people, way) as pair:
            for audience in STRANGERS:
                print(f"{seed} {way} {audience.name}", flush=True)
                interview(pair, audience, seed, 3000)
                asked += 3000
        turn += 1
    print(f"{asked} operations, {turn} pairs of directories")
