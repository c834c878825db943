"""The words and the numbers of the audiences."""

import pytest

from annuaire.domain import audience
from annuaire.domain.audience import Audience


def test_the_numbers_are_those_that_indexes_on_disk_hold():
    assert [int(bit) for bit in audience.NAMES.values()] == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize("name", audience.NAMES)
def test_each_name_is_read_and_written_back(name: str):
    assert audience.format(audience.parse(name)) == name


def test_case_and_spaces_around_a_name_do_not_matter():
    assert audience.parse(" Mssante ") is Audience.MSSANTE


@pytest.mark.parametrize("text", ["", "tous", "public,admin", "1"])
def test_another_word_is_no_audience(text: str):
    assert audience.parse(text) is None


def test_everybody_is_all_six_and_nobody_none():
    assert audience.format(audience.EVERYBODY) == "public,mssante,apicrypt,dgs,routage,admin"
    assert audience.format(audience.NOBODY) == ""
