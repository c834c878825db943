"""`find` and `export` in the name of strangers: the same octets with and without whoever is hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hidden_people
import pytest
import two_directories
from click.testing import CliRunner, Result
from hidden_people import FAMILY_OF_THE_HIDDEN, People
from two_directories import SECOND_DAY, Pair, Place

from annuaire import cli

STRANGERS = ("public", "mssante")
TEMPORARY = 75


@pytest.fixture(scope="module")
def people() -> People:
    return hidden_people.invent(3, seen=60, hidden=36)


@pytest.fixture(scope="module")
def pair(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("commands")
    with two_directories.pair(folder, people, two_directories.hidden_by_a_change) as made:
        yield made


def run(place: Place, *arguments: str) -> Result:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("ANNUAIRE_")}
    environment = {**variables, "ANNUAIRE_STATE": str(place.state), "COLUMNS": "200"}
    return CliRunner(env=environment).invoke(cli.main, list(arguments))


def said(place: Place, *arguments: str) -> tuple[int, bytes, str]:
    done = run(place, *arguments)
    return done.exit_code, done.stdout_bytes, done.stderr


@pytest.mark.parametrize("audience", STRANGERS)
@pytest.mark.parametrize("form", ["ldif", "csv", "vcard"])
def test_an_export_holds_the_same_octets(pair: Pair, audience: str, form: str) -> None:
    first, second = [said(place, "export", "--as", audience, "--format", form) for place in pair]
    assert first == second
    assert (first[0], first[2]) == (0, "")
    assert len(first[1].splitlines()) > 60


@pytest.mark.parametrize("form", ["ldif", "csv", "vcard"])
@pytest.mark.parametrize("audience", ["dgs", "apicrypt"])
def test_an_export_for_whoever_sees_them_differs(pair: Pair, audience: str, form: str) -> None:
    first, second = [said(place, "export", "--as", audience, "--format", form) for place in pair]
    assert first[0] == second[0] == 0
    assert first[1] != second[1]


def words(people: People) -> Iterator[tuple[str, ...]]:
    """What may be typed to find somebody hidden."""
    yield from [(name,) for name in FAMILY_OF_THE_HIDDEN]
    yield from [(name[:4],) for name in FAMILY_OF_THE_HIDDEN]
    for one in people.hidden[::3]:
        yield (one.person.family, one.person.town)
        yield (one.interop or one.native,)
        yield (one.person.national or one.uid,)
        yield (one.person.given[:2], one.person.family[:3])
    yield ("medical",)
    yield ("interop",)
    yield ("mart",)


@pytest.mark.parametrize("audience", STRANGERS)
def test_find_finds_the_same(pair: Pair, people: People, audience: str) -> None:
    found = 0
    for typed in words(people):
        more = ("--json", "--limit", "3") if found % 3 else ()
        first, second = [said(place, "find", "--as", audience, *more, *typed) for place in pair]
        assert first == second, typed
        found += not first[0]
    assert found > 10


def test_commands_in_the_name_of_strangers_wait_for_the_index_as_they_do(
    tmp_path: Path, people: People
) -> None:
    with two_directories.held_time() as held:
        place = Place(tmp_path / "var", held)
        two_directories.seen_at_first(place, people)
        place.import_ldif(hidden_people.ldif_of(people.hidden), SECOND_DAY)
        for audience in STRANGERS:
            assert said(place, "find", "--as", audience, "martin")[:2] == (TEMPORARY, b"")
            assert said(place, "export", "--as", audience)[:2] == (TEMPORARY, b"")
        assert run(place, "find", "--as", "apicrypt", "martin").exit_code == 0
        place.close()
