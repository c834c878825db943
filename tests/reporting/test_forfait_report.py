"""For each physician, whether the indicator held at the end of a year, from the store."""

import filled
import pytest
from filled import account

from annuaire.domain import forfait as rule
from annuaire.reporting import forfait

NATIVE = "jeanne.DUPONT@medical59.apicrypt.org"


@pytest.fixture
def store(tmp_path):
    with filled.store(tmp_path / "var") as opened:
        yield opened


def lines(store, year):
    with store.reading() as reader:
        return list(forfait.report(reader, year))


def test_only_physicians_are_told(store):
    with store.writing() as writer:
        account(writer, NATIVE, apicryptVersionDepuis="20180101000000Z")
        account(writer, "i@medical59.apicrypt.org", profession="60")
        account(writer, "s@medical59.apicrypt.org", profession="")
    (line,) = lines(store, 2019)
    assert line == (NATIVE, "DUPONT Jeanne", "", 2, "20180101000000Z", True)


def test_dated_rows_decide_when_there_are_some(store):
    with store.writing() as writer:
        account(
            writer,
            NATIVE,
            apicryptVersionDepuis="20100101000000Z",
            TypeIdentifiantPP="8",
            IdentifiantPP="99900000011",
        )
        writer.keep_version(NATIVE.lower(), "20120101000000Z", 1)
        writer.keep_version(NATIVE.lower(), "20200601000000Z", 2)
        writer.keep_version("gone@medical59.apicrypt.org", "20120101000000Z", 2)
    told = {year: lines(store, year)[0][2:] for year in (2011, 2018, 2019, 2020)}
    assert told == {
        2011: ("99900000011", None, "", False),
        2018: ("99900000011", 1, "20120101000000Z", True),
        2019: ("99900000011", 1, "20120101000000Z", False),
        2020: ("99900000011", 2, "20200601000000Z", True),
    }


@pytest.mark.parametrize(
    ("attributes", "year", "version", "holds"),
    [
        ({"apicryptVersionDepuis": "20181002090000Z"}, 2017, None, False),
        ({"apicryptVersionDepuis": "20181002090000Z"}, 2018, 2, True),
        ({"apicryptVersion": "1", "apicryptVersionDepuis": "20100101000000Z"}, 2018, 1, True),
        ({"apicryptVersion": "1", "apicryptVersionDepuis": "20100101000000Z"}, 2019, 1, False),
        # Nothing is known before the entry was made, when it does not say since when.
        ({}, 2025, None, False),
        ({}, 2026, 2, True),
        ({"apicryptEtat": "suspendu"}, 2026, 2, True),
        ({"apicryptEtat": "resilie"}, 2026, rule.CLOSED, False),
        ({"apicryptEtat": "resilie", "apicryptVersionDepuis": "20200101000000Z"}, 2025, 2, True),
    ],
)
def test_the_entry_tells_what_no_row_does(store, attributes, year, version, holds):
    with store.writing(at=filled.AT) as writer:
        account(writer, NATIVE, **attributes)
    (line,) = lines(store, year)
    assert (line.version, line.holds) == (version, holds)
