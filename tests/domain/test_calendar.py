"""From when each place is open, and how places are read."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shipped_rules import CALENDAR

from annuaire.domain import calendar
from annuaire.errors import Misconfigured

FRANCE = date(2019, 1, 1)
NOWHERE = "x@medical.apicrypt.org"


@pytest.mark.parametrize(
    ("code", "region", "opens"),
    [
        ("59000", "Hauts-de-France", date(2018, 10, 1)),
        ("02100", "Hauts-de-France", date(2018, 10, 1)),
        ("2100", "Hauts-de-France", date(2018, 10, 1)),  # a table of figures lost the zero
        ("60000", "Hauts-de-France", date(2018, 10, 1)),
        ("62000", "Hauts-de-France", date(2018, 10, 1)),
        ("80000", "Hauts-de-France", date(2018, 10, 1)),
        ("29200", "Bretagne", date(2018, 11, 1)),
        ("35000", "Bretagne", date(2018, 11, 1)),
        ("67000", "Grand Est", date(2018, 12, 1)),
        ("08000", "Grand Est", date(2018, 12, 1)),
        ("8000", "Grand Est", date(2018, 12, 1)),
        ("75002", "Île-de-France", FRANCE),
        ("13001", "Provence-Alpes-Côte d'Azur", FRANCE),
        ("20000", "Corse", FRANCE),
        ("20190", "Corse", FRANCE),
        ("20200", "Corse", FRANCE),
        ("20620", "Corse", FRANCE),
        ("20999", "Corse", FRANCE),
        ("2A004", "Corse", FRANCE),
        ("2b033", "Corse", FRANCE),
        ("97110", "Guadeloupe", FRANCE),
        ("97200", "Martinique", FRANCE),
        ("97300", "Guyane", FRANCE),
        ("97400", "La Réunion", FRANCE),
        ("97600", "Mayotte", FRANCE),
        ("97500", "Collectivités d'outre-mer", FRANCE),
        ("98600", "Collectivités d'outre-mer", FRANCE),
        ("98714", "Collectivités d'outre-mer", FRANCE),
        ("98800", "Collectivités d'outre-mer", FRANCE),
        ("F-59000", "Hauts-de-France", date(2018, 10, 1)),
        ("59 000", "Hauts-de-France", date(2018, 10, 1)),
        (" 59000 ", "Hauts-de-France", date(2018, 10, 1)),
    ],
)
def test_the_region_is_that_of_the_postal_code(code: str, region: str, opens: date) -> None:
    found = CALENDAR.region(code, NOWHERE)
    assert found is not None
    assert found.name == region
    assert CALENDAR.opening(code, NOWHERE) == opens


@pytest.mark.parametrize("code", ["", "98000", "00000", "99999", "590000", "590", "Lille", "5900O", "٥٩٠٠٠"])
def test_what_is_no_place_of_france_opens_with_france(code: str) -> None:
    assert CALENDAR.region(code, NOWHERE) is None
    assert CALENDAR.opening(code, NOWHERE) == FRANCE


@pytest.mark.parametrize(
    ("address", "region"),
    [
        ("jeanne.DUPONT@medical59.apicrypt.org", "Hauts-de-France"),
        ("jeanne.DUPONT@MEDICAL59.Apicrypt.Org", "Hauts-de-France"),
        ("a@medical02.apicrypt.org", "Hauts-de-France"),
        ("a@medical2.apicrypt.org", "Hauts-de-France"),
        ("a@medical35.apicrypt.org", "Bretagne"),
        ("a@medical20.apicrypt.org", "Corse"),
        ("a@medical2a.apicrypt.org", "Corse"),
        ("a@medical2B.apicrypt.org", "Corse"),
        ("a@medical974.apicrypt.org", "La Réunion"),
        ('"a@medical59"@medical35.apicrypt.org', "Bretagne"),
    ],
)
def test_without_a_postal_code_the_native_domain_says_the_departement(address: str, region: str) -> None:
    for code in ("", "98000", "inconnu"):
        found = CALENDAR.region(code, address)
        assert found is not None
        assert found.name == region


@pytest.mark.parametrize(
    "address", ["", "medical", "a@", "a@apicrypt.org", "a@59.apicrypt.org", "a@medical5959.apicrypt.org"]
)
def test_a_domain_without_a_departement_opens_with_france(address: str) -> None:
    assert CALENDAR.opening("", address) == FRANCE


def test_the_postal_code_counts_before_the_domain() -> None:
    assert CALENDAR.opening("75002", "a@medical59.apicrypt.org") == FRANCE
    assert CALENDAR.opening("59000", "a@medical75.apicrypt.org") == date(2018, 10, 1)


def test_every_departement_lies_in_one_region() -> None:
    mainland = {f"{n:02}" for n in range(1, 96) if n != 20} | {"2A", "2B"}
    overseas = {"971", "972", "973", "974", "975", "976", "977", "978", "986", "987", "988"}
    assert sorted(code for region in CALENDAR.regions for code in region.departements) == sorted(
        mainland | overseas
    )


@given(st.text(max_size=12), st.text(max_size=40))
def test_anything_may_stand_where_a_place_is_expected(code: str, address: str) -> None:
    assert CALENDAR.opening(code, address) <= FRANCE


def test_days_are_those_of_utc() -> None:
    at = datetime(2018, 10, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert calendar.day(at) == date(2018, 9, 30)
    assert calendar.day(at.astimezone(UTC).replace(tzinfo=None)) == date(2018, 9, 30)
    assert calendar.day(at + timedelta(minutes=30)) == date(2018, 10, 1)


@pytest.mark.parametrize(
    ("on", "written"),
    [
        (date(2018, 10, 1), "1er octobre 2018"),
        (date(2018, 12, 31), "31 décembre 2018"),
        (date(2019, 2, 11), "11 février 2019"),
    ],
)
def test_a_day_is_written_as_people_write_it(on: date, written: str) -> None:
    assert calendar.in_french(on) == written


TWICE = """
france = 2019-01-01
[[region]]
name = 'X'
departements = ['01']
[[region]]
name = 'Y'
departements = ['02', '01']
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "france is the day"),
        ("france = 2019-01-01T00:00:00", "france is the day"),
        ("france = '2019-01-01'", "france is the day"),
        ("france = ", "calendar.toml: "),
        ("france = 2019-01-01\n[[region]]\nname = 'X'", "'name': 'X'"),
        (
            "france = 2019-01-01\n[[region]]\nname = 'X'\ndepartements = ['01']\nopens = 'demain'",
            "'name': 'X'",
        ),
        (TWICE, "01 of Y is in a region before it"),
        ("france = 2019-01-01\n[[region]]\nname = 'X'\ndepartements = [1]", "'name': 'X'"),
        ("france = 2019-01-01\nregion = 3", "region"),
        ("france = 2019-01-01\nregion = ['X']", "region"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(Misconfigured, match=complaint):
        calendar.load(text)
