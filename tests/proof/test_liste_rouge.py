"""Liste rouge is non-interference: with or without whoever is hidden, strangers are answered the same octets.

Two directories that differ by hidden people alone are asked thousands of generated operations each. A longer run, over
other people and other ways of hiding each time:

    ANNUAIRE_PROOF_SECONDS=1800 scripts/test tests/proof
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import asking
import hidden_people
import pytest
import two_directories
from hidden_people import People
from interviews import Hashing, Interview, shown
from operations import Generator, Known
from two_directories import SCHEMA, WAYS, Client, Pair

from annuaire.domain.audience import Audience
from annuaire.index import layout, pages, sight

SEED = 20261123
OPERATIONS = 600
# For the audiences that see some of the hidden: they show that the operations can tell two directories apart.
OPERATIONS_OF_THE_OTHERS = 150
SECONDS = float(os.environ.get("ANNUAIRE_PROOF_SECONDS", "0"))
STRANGERS = (Audience.PUBLIC, Audience.MSSANTE)
OTHERS = (Audience.DGS, Audience.APICRYPT)


def small_index(patch: pytest.MonkeyPatch) -> None:
    """What an index of half a million entries does: several chunks, values and pieces of words that many have."""
    patch.setattr(layout, "CHUNK_BITS", 5)
    patch.setattr(layout, "CHUNK_SIZE", 1 << 5)
    patch.setattr(layout, "CHUNK_MASK", (1 << 5) - 1)
    patch.setattr(layout, "LISTED_MAX", 5)
    patch.setattr(pages, "HEAVY_MIN", 6)
    patch.setattr(sight, "INSIDE_MAX", 3)


def generator(pair: Pair, seed: int) -> Generator:
    """What an administrator knows of everybody, less what strangers see, is what may be guessed."""
    whole, seen = asked(pair, 0, Audience.ADMIN), asked(pair, 1, Audience.PUBLIC)
    public = {entry.dn for entry in seen}
    return Generator(SCHEMA, Known.of([e for e in whole if e.dn not in public]), Known.of(seen), seed)


def asked(pair: Pair, place: int, audience: Audience) -> list[asking.responses.Entry]:
    """Everything that an audience finds, page by page."""
    client, found, cookie = Client(pair[place].service(audience)), [], b""
    for base in ("personnes", "structures", "apicrypt", "comptes"):
        answer = client.say(
            asking.search(
                1,
                f"(&(objectClass=*)(!(ou={base})))",
                f"ou={base},{hidden_people.SUFFIX}",
                attributes=["*", "+"],
            )
        )
        found += asking.entries(answer)
    assert not cookie
    return found


def interview(pair: Pair, audience: Audience, seed: int, count: int) -> tuple[Interview, int]:
    """Ask so many operations; the interview, and how many were answered otherwise."""
    different = 0
    with pytest.MonkeyPatch.context() as patch:
        met = Interview(pair, audience, Hashing(patch))
        try:
            made = generator(pair, seed)
            for _ in range(count):
                operation = made.operation()
                difference = met.ask(operation)
                if difference is not None:
                    if audience in STRANGERS:
                        pytest.fail(f"{audience.name} {operation.told}\n{shown(difference)}")
                    different += 1
        finally:
            met.close()
    return met, different


@pytest.fixture(scope="module")
def people() -> People:
    return hidden_people.invent(SEED)


@pytest.fixture(scope="module", params=[*WAYS, "hidden by a change, small chunks"])
def pair(
    request: pytest.FixtureRequest, people: People, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    way, _, small = request.param.partition(", ")
    with ExitStack() as stack:
        if small:
            small_index(stack.enter_context(pytest.MonkeyPatch.context()))
        folder = tmp_path_factory.mktemp("pair")
        yield stack.enter_context(two_directories.pair(folder, people, WAYS[way]))


@pytest.mark.parametrize("audience", STRANGERS)
def test_strangers_are_answered_the_same_with_and_without_the_hidden(pair: Pair, audience: Audience) -> None:
    met, _ = interview(pair, audience, SEED + audience, OPERATIONS)
    assert met.entries > OPERATIONS
    assert {0, 4, 5, 6, 16, 32, 34} <= met.codes
    assert met.pages
