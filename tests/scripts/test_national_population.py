"""The invented national list: the figures of the real one, its next edition, whom it shares with the subscribers."""

import io
import subprocess
import sys
from collections import Counter
from pathlib import Path

import make_population
import population_national
import pytest

from annuaire.domain import identifiers, mailbox, reliability
from annuaire.domain.domains import Domains
from annuaire.domain.mailbox import Mailbox
from annuaire.importing import extraction, liste_blanche_xml
from annuaire.importing.block import Block

SIZE = 12_000
SCRIPT = Path(make_population.__file__)


def written(size: int = SIZE, seed: int = 1, changed: float = 0.0) -> bytes:
    output = io.BytesIO()
    population_national.write_extraction(population_national.extraction(size, seed, changed), output)
    return output.getvalue()


def read(data: bytes) -> list[Block]:
    return list(extraction.read(io.BytesIO(data)))


def kept(data: bytes) -> dict[tuple[str, str], str]:
    return {(holder, key): text for block in read(data) for _, holder, key, _, text in block.rows}


def listed(seed: int = 1) -> list[str]:
    output = io.BytesIO()
    population_national.write_liste_blanche(seed, output)
    return [row.domain for row in liste_blanche_xml.read_unsigned(output.getvalue()).rows]


DATA = written()
ROWS: list[Mailbox] = [mailbox.parse(line) for line in DATA.decode().splitlines()[1:]]
LISTED = listed()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert written(3000) == written(3000)
    assert written(3000) != written(3000, seed=2)
    assert written(3000, changed=1) == written(3000, changed=1)


def test_a_longer_list_begins_with_the_shorter_one() -> None:
    assert DATA.startswith(written(3000))


def test_every_line_is_readable_and_nobody_exists() -> None:
    assert len(ROWS) == SIZE
    assert not [line for block in read(DATA) for line in block.unreadable]
    for row in ROWS:
        if row.national_pp:
            assert row.national_pp.startswith("8999")
            assert identifiers.has_right_check_digit("8", row.national_pp)
        assert not row.structure or row.structure.startswith("99")
        assert reliability.warnings(row) == ()


def test_every_row_is_reliable_under_its_liste_blanche() -> None:
    ours = Domains(["medical*.apicrypt.org"], ["interop-mssante.apicrypt.org", "mssante.apicrypt.org"])
    rules = reliability.Rules(frozenset(LISTED), ours.is_ours)
    assert {reliability.judge(row, rules, False) for row in ROWS} == {None}
    claims: dict[str, set[str]] = {}
    for row in ROWS:
        claims.setdefault(row.address.lower(), set()).add(mailbox.holder(row))
    assert all(len(holders) == 1 for holders in claims.values())


def test_the_figures_are_those_of_the_real_list() -> None:
    kinds = Counter(row.type_bal for row in ROWS)
    assert 0.84 < kinds["PER"] / SIZE < 0.86
    domains = Counter(row.address.partition("@")[2] for row in ROWS)
    assert 0.08 < domains["medecin.mssante.fr"] / SIZE < 0.15
    assert 0.38 < sum(count for _, count in domains.most_common(10)) / SIZE < 0.5
    assert len(set(LISTED)) == population_national.DOMAINS + len(population_national.OURS)
    assert {name.lower() for name in domains} <= set(LISTED)
    people = Counter(row.national_pp for row in ROWS if row.national_pp)
    assert 0.03 < sum(count > 1 for count in people.values()) / len(people) < 0.12
    addresses = Counter(row.address.lower() for row in ROWS)
    assert 0 < sum(count > 1 for count in addresses.values()) < SIZE / 500


def test_domains_are_listed_for_one_to_five_operators() -> None:
    times = Counter(Counter(LISTED).values())
    assert set(times) == {1, 2, 3, 4, 5}
    assert times[1] > 0.7 * len(set(LISTED))


def test_the_next_edition_differs_by_what_was_asked() -> None:
    before, after = kept(DATA), kept(written(changed=5))
    gone, new = len(before.keys() - after.keys()), len(after.keys() - before.keys())
    changed = sum(before[key] != after[key] for key in before.keys() & after.keys())
    assert 0.03 * SIZE < (gone + new) / 2 + changed < 0.07 * SIZE
    assert min(gone, new, changed) > 0.005 * SIZE
    assert not [line for block in read(written(changed=5)) for line in block.unreadable]


def test_shared_people_have_the_number_and_the_names_of_the_list() -> None:
    subscribers = list(make_population.people(4000, 1))
    together = list(population_national.shared(iter(subscribers), 0.3, 1))
    assert len(together) == len(subscribers)
    national = {row.identifiant_pp: row for row in ROWS if row.identifiant_pp}
    both = [person for person in together if person.rpps in national]
    assert 0.27 < len(both) / len(together) < 0.33
    assert all(
        (national[one.rpps].nom, national[one.rpps].prenom) == (one.surname, one.given) for one in both
    )
    assert not [person for person in subscribers if person.rpps in national]
    assert len({person.rpps for person in together}) == len(together)
    assert len({person.mail.partition("@")[0].lower() for person in together}) == len(together)


def test_the_command_writes_each_format() -> None:
    def run(*options: str) -> bytes:
        command = [sys.executable, str(SCRIPT), "--size", "500", *options]
        return subprocess.run(command, check=True, capture_output=True).stdout

    assert run("--format", "extraction") == written(500)
    assert run("--format", "extraction", "--changed", "5") == written(500, changed=5)
    assert run("--format", "liste-blanche").startswith(b"<?xml")
    assert run() != run("--shared", "0.3")


@pytest.mark.parametrize(
    "options", [["--shared", "2"], ["--changed", "-1"], ["--format", "extraction", "--size", "5000000"]]
)
def test_what_cannot_be_made_is_refused(options: list[str]) -> None:
    command = [sys.executable, str(SCRIPT), "--size", "500", *options]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 2
