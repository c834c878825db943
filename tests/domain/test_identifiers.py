"""Identifiers of people and structures: forms, prefixes, check digits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import identifiers, mailbox


def slow_luhn(digits: str) -> bool:
    """As the standard tells it, digit by digit."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value // 10 + value % 10
    return total % 10 == 0


@given(st.text("0123456789", min_size=1, max_size=40))
def test_luhn_by_groups_of_four_is_luhn(digits):
    assert identifiers.luhn(digits) == slow_luhn(digits)


def test_one_wrong_digit_is_always_seen():
    right = "99900010028"
    assert identifiers.luhn(right)
    for place in range(len(right)):
        for digit in set("0123456789") - {right[place]}:
            assert not identifiers.luhn(right[:place] + digit + right[place + 1 :])


@pytest.mark.parametrize("text", ["", "9990001002x", " 99900010028", "٩٩٩", "-18"])
def test_only_digits_have_a_check_digit(text):
    assert not identifiers.luhn(text)


@pytest.mark.parametrize(
    ("kind", "identifier", "given", "national"),
    [
        ("8", "99900010028", "899900010028", "899900010028"),
        ("8", "99900010028", "", "899900010028"),
        ("8", "899900010028", "", "899900010028"),  # prefixed already
        ("0", "999399991", "", "0999399991"),
        ("3", "990000010/77", "", "3990000010/77"),
        ("", "99900010028", "", ""),
        ("8", "", "", ""),
        ("8", "99900010028", "as given", "as given"),
    ],
)
def test_the_national_identification_is_given_or_made_of_type_and_number(kind, identifier, given, national):
    assert identifiers.national(kind, identifier, given) == national


@pytest.mark.parametrize(
    ("kind", "national", "well_formed"),
    [
        ("8", "899900010028", True),
        ("8", "899900010027", True),  # a wrong check digit is another matter
        ("8", "89990001002", False),
        ("8", "099900010028", False),
        ("8", "8999000100AB", False),
        ("0", "0999399991", True),
        ("0", "09993999A1", True),
        ("0", "099939999", False),
        ("3", "3990000010/77", True),
        ("", "899900010028", True),
        ("3", "", False),
        ("3", "a-0123456789abcdef", False),
        ("10", "10jeanne@example.org", False),
        ("3", "3 77", False),
        ("3", "3" * 65, False),
    ],
)
def test_lengths_are_looked_at_for_the_two_types_that_have_one(kind, national, well_formed):
    assert identifiers.is_well_formed(kind, national) is well_formed


@pytest.mark.parametrize(
    ("kind", "national", "right"),
    [
        ("8", "899900010028", True),
        ("8", "899900010027", False),
        ("0", "0999399991", True),
        ("3", "3990", True),
    ],
)
def test_the_prefix_plays_no_part_in_the_check_digit(kind, national, right):
    assert identifiers.has_right_check_digit(kind, national) is right


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (("1", "990000010"), ("FINESS", "990000010")),
        (("FINESS", "1990000010"), ("FINESS", "990000010")),
        (("", "1990000010"), ("FINESS", "990000010")),
        (("finess", "99000001"), ("FINESS", "99000001")),
        (("3", "399000001000018"), ("SIRET", "99000001000018")),
        (("", "499900010028001"), ("", "499900010028001")),  # a practice, by the RPPS of its holder
        (("2", "990000010"), ("SIREN", "990000010")),
        (("41", "x"), ("41", "x")),
    ],
)
def test_a_structure_is_known_without_the_prefix_of_its_type(given, read):
    assert identifiers.structure(*given) == read


def row(**fields: str) -> mailbox.Mailbox:
    return mailbox.Mailbox(*[""] * mailbox.COLUMNS)._replace(**fields)


def test_only_an_identification_ties_the_rows_of_a_person():
    address = "Jeanne.Dupont@ch-exemple.mssante.fr"
    person = row(type_bal="PER", address=address, national_pp="899900010051")
    assert mailbox.holder(person) == "899900010051"
    assert mailbox.holder(person._replace(type_bal="ORG")) == address.lower()
    for unfit in ("", "secretariat@ch-exemple.mssante.fr", "a-0123456789abcdef0123456789abcdef", " 8"):
        assert mailbox.holder(person._replace(national_pp=unfit)) == address.lower()


@given(st.lists(st.text(st.characters(exclude_characters="|\n")), min_size=31, max_size=31))
def test_a_row_comes_back_from_its_line(fields):
    read = mailbox.Mailbox._make(fields)
    assert mailbox.parse(mailbox.format(read)) == read
