"""The invented people: the same for the same seed, no two alike where it matters, fit for the directory."""

import hashlib
import io
from collections import Counter

import make_population

from annuaire.importing import ldif
from annuaire.importing.records import Content
from annuaire.ldap import dn
from annuaire.ldap.schema import Schema

SIZE = 3000
PEOPLE = list(make_population.people(SIZE, 1))


def written(size: int, seed: int) -> bytes:
    output = io.BytesIO()
    make_population.write_ldif(make_population.people(size, seed), output)
    return output.getvalue()


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    assert written(500, 1) == written(500, 1)
    assert written(500, 1) != written(500, 2)


def test_the_people_of_a_size_and_seed_are_the_same_for_ever() -> None:
    # Figures of a bench can be compared with those of another day.
    digest = hashlib.sha256(written(300, 1)).hexdigest()
    assert digest == "e9aaae9fdbbabe796f7dec2bc6dbdc51736edae47a28c7f9f970a3e3e99a311c"


def test_addresses_local_parts_and_numbers_are_given_once() -> None:
    assert len({person.mail for person in PEOPLE}) == SIZE
    assert len({person.mail.split("@")[0].lower() for person in PEOPLE}) == SIZE
    assert len({person.rpps for person in PEOPLE}) == SIZE


def test_numbers_are_eleven_digits_that_nobody_has_and_that_luhn_accepts() -> None:
    for person in PEOPLE:
        assert person.rpps.startswith("999")
        assert len(person.rpps) == 11
        assert make_population.luhn(person.rpps[:-1]) == person.rpps[-1]


def test_there_are_homonyms_accents_particles_hyphens_and_compound_names() -> None:
    names = Counter((person.given, person.surname) for person in PEOPLE)
    assert 1.001 < SIZE / len(names) < 1.2
    assert any(not person.surname.isascii() for person in PEOPLE)
    assert any(person.surname.startswith(("de ", "de la ", "du ", "d'")) for person in PEOPLE)
    assert any("-" in person.surname for person in PEOPLE)
    assert any("-" in person.given for person in PEOPLE)
    assert Counter(person.surname for person in PEOPLE).most_common(1)[0][1] < SIZE / 50


def test_liste_rouge_is_only_chosen_by_those_whose_flows_are_open() -> None:
    assert all(person.interop and person.version == 2 for person in PEOPLE if person.liste_rouge)
    assert any(person.liste_rouge for person in PEOPLE)


def test_every_record_is_readable_and_has_its_parent_before_it() -> None:
    seen: set[dn.Dn] = set()
    for place, record in enumerate(ldif.read(io.BytesIO(written(SIZE, 1)))):
        assert isinstance(record, Content)
        name = dn.parse(record.dn)
        assert place == 0 or name.parent in seen
        seen.add(name)
    assert len(seen) == SIZE + 6


def test_every_entry_passes_the_schema(schema: Schema) -> None:
    doubled = 0  # people whose given name is their surname: one cn less
    for record in ldif.read(io.BytesIO(written(SIZE * 2, 1))):
        assert isinstance(record, Content)
        doubled += sum(1 for description, _ in record.attributes if description == "cn") == 2
        attributes: dict[str, list[bytes]] = {}
        for description, value in record.attributes:
            attributes.setdefault(schema.canonical(description), []).append(value)
        assert schema.check(dn.parse(record.dn), attributes) == []
    assert doubled > 0
