"""GeneralizedTime, as it may be written and as we write it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("20181001080000Z", datetime(2018, 10, 1, 8, tzinfo=UTC)),
        ("201810010800Z", datetime(2018, 10, 1, 8, tzinfo=UTC)),
        ("2018100108Z", datetime(2018, 10, 1, 8, tzinfo=UTC)),
        ("20181001080000.5Z", datetime(2018, 10, 1, 8, tzinfo=UTC)),
        ("201810010800,5Z", datetime(2018, 10, 1, 8, 0, 30, tzinfo=UTC)),
        ("2018100108.5Z", datetime(2018, 10, 1, 8, 30, tzinfo=UTC)),
        ("20181001080000+02", datetime(2018, 10, 1, 6, tzinfo=UTC)),
        ("20181001080000-0330", datetime(2018, 10, 1, 11, 30, tzinfo=UTC)),
        ("20161231235960Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_each_form_of_the_standard_is_read(text: str, at: datetime) -> None:
    assert moment.parse(text) == at


@pytest.mark.parametrize(
    "text",
    [
        *("", "2018", "20181001", "20181001080000", "20181301080000Z", "20180229080000Z", "20181001250000Z"),
        *("2018-10-01T08:00:00Z", "20181001080000z", "20181001080000+2", "٢٠١٨١٠٠١٠٨Z", "00010101000000+01"),
        *("99991231235960Z", "20181001086000Z"),
    ],
)
def test_what_is_no_moment_is_none(text: str) -> None:
    assert moment.parse(text) is None


@given(st.integers(-30_000_000_000, 250_000_000_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds)))
def test_what_we_write_we_read(at: datetime) -> None:
    assert moment.parse(moment.format(at)) == at


@given(st.text(alphabet="0123456789Z+-.,", max_size=30))
def test_nothing_that_looks_like_a_moment_raises(text: str) -> None:
    moment.parse(text)


def test_a_year_ends_an_hour_before_utc() -> None:
    assert moment.end_of_year(2018) - datetime(2018, 12, 31, 22, 59, 59, tzinfo=UTC) == timedelta(seconds=1)
