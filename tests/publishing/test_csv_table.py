"""The table of entries: a standard reader gets the values back, and a spreadsheet runs none of them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.ldap import schema
from annuaire.publishing import csv_table

DN = "uid=jean.dupont,ou=apicrypt,o=apicrypt,c=FR"


def rows(*entries):
    data = csv_table.format_header() + b"".join(csv_table.format_row(dn, entry) for dn, entry in entries)
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def cell(value: bytes, column: str = "cn") -> str:
    return rows((DN, {column: [value]}))[0][column]


def test_every_column_is_an_attribute_of_the_schema():
    assert csv_table.COLUMNS[0] == "dn"
    for name in csv_table.COLUMNS[1:]:
        known = schema.standard().attribute(name)
        assert known is not None
        assert known.name == name


def test_an_entry_is_a_row_under_the_names_of_its_attributes():
    (row,) = rows((DN, {"cn": [b"Jean DUPONT"], "mail": [b"jean@medical59.apicrypt.org"], "l": [b"LILLE"]}))
    assert (row["dn"], row["cn"], row["l"]) == (DN, "Jean DUPONT", "LILLE")
    assert row["sn"] == ""


def test_several_values_share_a_cell_in_their_order():
    assert rows((DN, {"cn": [b"Jean DUPONT", b"DUPONT Jean"]}))[0]["cn"] == "Jean DUPONT | DUPONT Jean"


def test_values_with_options_join_those_without():
    (row,) = rows((DN, {"cn": ["Hôpital".encode()], "cn;lang-en": [b"Hospital"]}))
    assert row["cn"] == "Hôpital | Hospital"


def test_names_are_read_in_any_case():
    assert (
        rows((DN, {"TELEPHONENUMBER": [b"+33 3 53 01 00 02"]}))[0]["telephoneNumber"] == "+33 3 53 01 00 02"
    )


def test_what_has_no_column_is_left_out():
    (row,) = rows((DN, {"userPassword": [b"{SSHA}secret"], "jpegPhoto": [b"\xff\xd8"]}))
    assert all(value == "" for name, value in row.items() if name != "dn")


def test_every_row_has_every_column_and_ends_as_the_standard_says():
    data = csv_table.format_row(DN, {})
    assert data.endswith(b"\r\n")
    assert len(next(csv.reader([data.decode()]))) == len(csv_table.COLUMNS)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_standard_reader_gets_the_value_back(text):
    read = cell(text.encode())
    assert read.removeprefix("'") == text or read == text


@pytest.mark.parametrize(
    "value", ["=1+1", '=HYPERLINK("http://x")', "@SUM(A1)", "+1|cmd", "-cmd", "\t=1", "\r=1"]
)
def test_what_a_spreadsheet_would_run_becomes_text(value):
    assert cell(value.encode()) == f"'{value}"


@pytest.mark.parametrize(
    "value", ["+33 3 53 01 00 02", "-12", "a=b", "1+1", "jean@medical59.apicrypt.org", "'"]
)
def test_ordinary_values_are_left_as_they_are(value):
    assert cell(value.encode()) == value


def test_octets_that_are_no_text_do_not_stop_the_table():
    assert cell(b"\xff\xfe") == "��"
