"""From names to local parts: what any name gives, and what is cut from a long one."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.domain import names

# Two dot-atoms at most (RFC 5321 §4.1.2), beginning and ending with a letter or a digit.
FORM = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)?")
# Names as people have them, and everything that Unicode has.
ANY = st.text(max_size=90) | st.text(alphabet="aéÉœŒßẞØłİıʻ’'-. ,()d1Жم王\u0301\u00ad\u200d", max_size=90)


@given(ANY, ANY)
@settings(max_examples=300)
def test_any_name_gives_a_local_part_or_nothing(given_name: str, surname: str) -> None:
    made = names.local_part(given_name, surname)
    assert len(made) <= names.LOCAL_MAX
    assert made == "" or FORM.fullmatch(made)
    assert made == names.local_part(given_name, surname)


@given(ANY)
def test_a_word_is_left_as_it_is_the_second_time(text: str) -> None:
    made = names.word(text)
    assert names.word(made) == made


@given(ANY, ANY)
def test_case_does_not_matter(given_name: str, surname: str) -> None:
    made = names.local_part(given_name, surname)
    # Some letters have no capital that leads back to them; those of a made address all do.
    assert names.local_part(made.partition(".")[0].upper(), "x") == names.local_part(
        made.partition(".")[0], "x"
    )
    assert names.local_part(given_name.casefold(), surname.casefold()) == made


@pytest.mark.parametrize(
    ("given_name", "surname"),
    [("", ""), (" ", "-"), ("Ελένη", "ПЕТРОВА"), ("()", "''"), ("\u0301", "\u200d")],
)
def test_a_name_without_a_latin_letter_or_a_digit_gives_nothing(given_name: str, surname: str) -> None:
    assert names.local_part(given_name, surname) == ""


def test_an_accent_is_the_same_written_as_one_sign_or_two() -> None:
    assert names.local_part("He\u0301le\u0300ne", "Franc\u0327ois") == names.local_part("Hélène", "François")


def test_what_cannot_be_seen_divides_no_word() -> None:
    assert names.local_part("Je\u00adan", "Du\u200dpont") == "jean.dupont"


@pytest.mark.parametrize(
    ("text", "length", "cut"),
    [
        ("jean-pierre", 11, "jean-pierre"),
        ("jean-pierre", 10, "jean"),
        ("jean-pierre", 5, "jean"),
        ("jean-pierre", 4, "jean"),
        ("jean-pierre", 3, "jea"),
        ("maison.des.tilleuls", 12, "maison.des"),
    ],
)
def test_a_long_name_is_cut_between_words_where_it_can_be(text: str, length: int, cut: str) -> None:
    assert names.shortened(text, length) == cut


def test_both_names_stay_when_both_are_too_long() -> None:
    made = names.local_part("a" * 200, "b" * 200)
    assert made == "a" * 20 + "." + "b" * 43


def test_a_short_name_leaves_its_room_to_the_other() -> None:
    assert names.local_part("Luc", "b" * 200) == "luc." + "b" * 60
    assert names.local_part("a" * 200, "Pons") == "a" * 59 + ".pons"


def test_a_name_of_a_megabyte_is_read_in_no_time() -> None:
    assert names.local_part("(" * 1_000_000, "é" * 1_000_000) == "e" * 64
