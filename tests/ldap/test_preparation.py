import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import preparation

WAYS = [preparation.case_ignore, preparation.case_exact, preparation.numeric, preparation.telephone]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jean", "jean"),
        ("  Jean   PIERRE ", "jean pierre"),
        ("HÉLÈNE", "hélène"),
        ("He\u0301le\u0300ne", "hélène"),  # with combining accents
        ("Straße", "strasse"),
        ("ŒUVRE", "œuvre"),
        ("\ufb01n", "fin"),  # the ligature fi
        ("Ⅳ", "iv"),
        ("a\u00adb\u200bc", "abc"),  # soft hyphen, zero width space
        ("a\tb\u00a0c\u2003d", "a b c d"),
        ("a\0b\x7f", "ab"),
        ("", ""),
        ("   ", ""),
        ("İ", "i̇"),
    ],
)
def test_case_and_insignificant_characters_go(text: str, expected: str) -> None:
    assert preparation.case_ignore(text) == expected


def test_case_stays_where_it_counts() -> None:
    assert preparation.case_exact("  Jean   É ") == "Jean É"
    assert preparation.case_exact("E\u0301") == "É"


@pytest.mark.parametrize("text", ["\ue000", chr(0xD800), "\ufffd", "\uffff", "\U0010ffff", "a\u0378"])
def test_a_prohibited_character_leaves_nothing_to_compare(text: str) -> None:
    assert preparation.case_ignore(text) is None
    assert preparation.case_exact(text) is None


def test_numbers_lose_blanks_and_telephone_numbers_hyphens_too() -> None:
    assert preparation.numeric(" 1 23 ") == "123"
    assert preparation.telephone("+33 1-2345 67") == "+331234567"
    assert preparation.telephone("+33 1\u2010") is None


@given(st.text(max_size=30))
def test_preparing_twice_is_preparing_once(text: str) -> None:
    for way in WAYS:
        once = way(text)
        if once is not None:
            assert way(once) == once


@given(st.text(alphabet=st.characters(max_codepoint=0x2100), max_size=30))
def test_the_short_ways_give_what_the_long_one_gives(text: str) -> None:
    assert preparation.case_ignore(text) == preparation.in_full(text)


def test_the_short_ways_are_right_for_every_character_alone_and_accented() -> None:
    for code in range(0x2100):
        character = chr(code)
        for text in (character, character + "a", "a" + character):
            assert preparation.case_ignore(text) == preparation.in_full(text), hex(code)


def test_every_character_is_prepared_for_good() -> None:
    for code in range(0, sys.maxunicode, 5):
        if unicodedata.category(chr(code)) != "Lo":  # ideographs and syllables have no case: nothing to learn
            once = preparation.case_ignore(chr(code))
            assert once is None or preparation.case_ignore(once) == once, hex(code)


@pytest.mark.parametrize(
    ("value", "initial", "between", "final", "matches"),
    [
        ("foo bar", "foo ", [], "", True),
        ("foobar", "foo ", [], "", False),
        ("foo bar", "", [" "], "", True),
        ("foo bar", "foo ", [], " bar", True),
        ("foo  bar", "", ["o b"], "", True),
        ("foo bar", "", ["foo ", " bar"], "", True),
        ("foobar", "", ["o b"], "", False),
        ("bar foo", "", [], "r foo ", True),
        ("foo", "", [], "foo ", True),
    ],
)
def test_blanks_in_parts_are_word_ends(
    value: str, initial: str, between: list[str], final: str, matches: bool
) -> None:
    form = preparation.spaced_value(" ".join(value.split()))
    position = 0
    found = True
    if initial:
        part = preparation.spaced_part(initial, initial.strip(), initial=True, final=False)
        found, position = form.startswith(part), len(part)
    for text in between:
        part = preparation.spaced_part(text, text.strip(), initial=False, final=False)
        position = form.find(part, position)
        found, position = found and position >= 0, position + len(part)
    if final:
        part = preparation.spaced_part(final, final.strip(), initial=False, final=True)
        found = found and form.endswith(part) and len(form) - len(part) >= position
    assert found is matches
