"""The indicator of the forfait structure, from dated versions."""

import pytest

from annuaire.domain import forfait
from annuaire.domain.forfait import CLOSED

V1_2010 = ("20100301090000Z", 1)
V2_OCTOBER_2018 = ("20181002090000Z", 2)
V2_JANUARY_2020 = ("20200115090000Z", 2)


@pytest.mark.parametrize(
    ("versions", "years"),
    [
        ([V1_2010], [2010, 2017, 2018]),
        ([V1_2010, V2_OCTOBER_2018], [2010, 2017, 2018, 2019, 2020]),
        ([V1_2010, V2_JANUARY_2020], [2010, 2017, 2018, 2020]),
        ([V2_JANUARY_2020], [2020]),
        ([V1_2010, V2_OCTOBER_2018, ("20190601000000Z", CLOSED)], [2010, 2017, 2018]),
        ([V1_2010, V2_OCTOBER_2018, ("20190601000000Z", CLOSED), V2_JANUARY_2020], [2010, 2017, 2018, 2020]),
        # Back to version 1 in 2019: possible, and no longer enough.
        ([V2_OCTOBER_2018, ("20190601000000Z", 1)], [2018]),
        ([], []),
        ([("", 2), ("hier", 2)], []),
    ],
)
def test_the_indicator_of_each_year(versions: list[tuple[str, int]], years: list[int]) -> None:
    tried = [2009, 2010, 2017, 2018, 2019, 2020]
    assert [year for year in tried if forfait.holds(versions, year)] == years
    assert [year for year in tried if forfait.holds(versions[::-1], year)] == years


@pytest.mark.parametrize(
    ("since", "holds"),
    [
        ("20191231225959Z", True),  # the last second of the year in France
        ("20191231230000Z", False),
        ("20191231235959+0100", True),
        ("20200101000000+0100", False),
        ("20191231193000-0300", True),  # half past seven in Cayenne
        ("2019123122Z", True),
        ("2019123123Z", False),
        ("2019123122.9Z", True),
    ],
)
def test_a_year_ends_at_midnight_in_france(since: str, holds: bool) -> None:
    assert forfait.holds([(since, 2)], 2019) is holds


def test_of_two_versions_at_one_moment_the_later_row_counts() -> None:
    at = "20190301090000Z"
    assert forfait.holds([(at, 1), (at, 2)], 2019)
    assert not forfait.holds([(at, 2), (at, 1)], 2019)
