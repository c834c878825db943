import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import approximate


@pytest.mark.parametrize(
    ("asserted", "value", "near"),
    [
        ("dupont", "jean dupont", True),
        ("dup", "jean dupont", True),
        ("dup jea", "jean dupont", True),
        ("upont", "jean dupont", True),  # one letter left out
        ("pont", "jean dupont", False),
        ("dupond", "jean dupont", True),
        ("duppont", "jean dupont", True),
        ("dumond", "jean dupont", False),
        ("dpuont", "jean dupont", False),  # two letters exchanged are two edits
        ("jaen", "jean dupont", False),  # too short to be mistyped
        ("dupont paul", "jean dupont", False),
        ("pierre", "jean-pierre d'arc", True),
        ("arc", "jean-pierre d'arc", True),
    ],
)
def test_words_unfinished_or_one_letter_wrong_are_near(asserted: str, value: str, near: bool) -> None:
    assert (
        approximate.matches(approximate.words(asserted.encode()), approximate.words(value.encode())) is near
    )


def distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_one_edit_is_one_edit(left: str, right: str) -> None:
    assert approximate.is_one_edit(left, right) == (distance(left, right) == 1)
