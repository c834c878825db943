"""The people of fixtures/apicrypt.ldif: invented, accepted by the schema, each with its reason."""

from collections import Counter
from pathlib import Path

import pytest

from annuaire.importing import ldif, records
from annuaire.ldap import dn, schema
from annuaire.passwords import hashes

FILE = Path(__file__).parents[2] / "fixtures" / "apicrypt.ldif"
TEXT = FILE.read_text(encoding="utf-8")
# The one RPPS number whose check digit is wrong on purpose.
WRONG_DIGIT = "uid=gilles.roux,ou=apicrypt,o=apicrypt,c=FR"


def entries() -> dict[str, dict[str, list[bytes]]]:
    """Read the file by our own reader, values by canonical description."""
    known = schema.standard()
    read: dict[str, dict[str, list[bytes]]] = {}
    with FILE.open("rb") as stream:
        for record in ldif.read(stream):
            assert isinstance(record, records.Content)
            attributes = read.setdefault(record.dn, {})
            for description, value in record.attributes:
                attributes.setdefault(known.canonical(description), []).append(value)
    return read


ENTRIES = entries()
PEOPLE = {name: found for name, found in ENTRIES.items() if "apicryptVersion" in found}


def luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


@pytest.mark.parametrize("name", ENTRIES)
def test_the_schema_accepts_everybody(name):
    assert schema.standard().check(dn.parse(name), ENTRIES[name]) == []


def test_each_entry_has_its_reason_above_it():
    lines = TEXT.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("dn:"):
            assert lines[number - 1].startswith("# "), line


def test_there_are_about_sixty_people_and_every_parent():
    assert 55 <= len(PEOPLE) <= 80
    keys = {dn.key(dn.parse(name), schema.standard()) for name in ENTRIES}
    assert len(keys) == len(ENTRIES)
    for key in keys - {dn.key(dn.parse("o=apicrypt,c=FR"), schema.standard())}:
        assert key.rpartition(b"\0")[0] in keys


def test_nobody_exists():
    for name, found in PEOPLE.items():
        if found.get("TypeIdentifiantPP") == [b"8"]:
            (rpps,) = found["IdentifiantPP"]
            assert rpps.startswith(b"999")
            assert len(rpps) == 11
            assert luhn(rpps.decode()) == (name != WRONG_DIGIT)
        if found.get("TypeIdentifiantPM") == [b"FINESS"]:
            assert found["IdentifiantPM"][0].startswith(b"99")
            assert luhn(found["IdentifiantPM"][0].decode())


def test_native_addresses_are_unique_even_without_their_domain():
    mails = [mail.decode().lower() for found in PEOPLE.values() for mail in found["mail"]]
    assert all(mail.partition("@")[2].endswith(".apicrypt.org") for mail in mails)
    assert max(Counter(mail.partition("@")[0] for mail in mails).values()) == 1


def test_identifiers_are_unique_but_for_one_person_with_two_accounts():
    numbers = Counter(found["IdentifiantPP"][0] for found in PEOPLE.values() if "IdentifiantPP" in found)
    assert sorted(numbers.values())[-2:] == [1, 2]


def test_passwords_are_hashed_and_written_in_the_comments():
    hashed = [value for found in PEOPLE.values() for value in found.get("userPassword", [])]
    assert len(hashed) == TEXT.count(" Password: ") == 4
    assert all(value.startswith(b"{SSHA}") for value in hashed)


def test_the_comments_tell_the_right_passwords():
    for name, word in {
        "uid=jean.dupont": b"dupont-secret",
        "uid=marie.martin": b"martin-secret",
        "uid=claire.simon": b"simon-secret",
        "uid=alice.fontaine": b"fontaine-secret",
    }.items():
        assert hashes.verify(PEOPLE[f"{name},ou=apicrypt,o=apicrypt,c=FR"]["userPassword"], word)


def test_some_choices_are_such_that_the_rules_must_refuse_them():
    first_version = [found for found in PEOPLE.values() if found["apicryptVersion"] == [b"1"]]
    assert any(found.get("apicryptInterop") == [b"TRUE"] for found in first_version)
