"""Writing LDIF: the base64 rules, folding, exact round trips, and refusals as `ldapadd -S` writes them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.importing import ldif as reading
from annuaire.importing import records
from annuaire.publishing import ldif

DESCRIPTIONS = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}(;[a-z-]{1,8})?", fullmatch=True).filter(
    lambda name: name.lower() not in ("dn", "changetype", "control")
)
VALUES = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode))


@given(st.text(max_size=120), st.lists(st.tuples(DESCRIPTIONS, VALUES), min_size=1, max_size=8))
def test_what_is_written_is_read_back_exactly(dn, attributes):
    text = ldif.HEADER + ldif.format_entry(dn, attributes)
    assert list(reading.read(io.BytesIO(text))) == [records.Content(3, dn, attributes)]
    assert max(len(line) for line in text.split(b"\n")) <= ldif.WIDTH


@pytest.mark.parametrize("value", ["Jean", "a:b", "a<b", "a  b", "x", "\x01", "a\tb", "!"])
def test_a_plain_value_stays_readable(value):
    assert ldif.format_line("cn", value.encode()) == f"cn: {value}\n".encode()


@pytest.mark.parametrize("value", [" a", ":a", "<a", "a ", " ", "a\nb", "a\rb", "a\0b", "é", "a\n"])
def test_a_value_that_could_be_misread_is_base64(value):
    assert ldif.format_line("cn", value.encode()).startswith(b"cn:: ")


def test_an_empty_value_has_nothing_behind_its_colon():
    assert ldif.format_line("cn", b"") == b"cn:\n"


def test_a_dn_with_accents_is_base64():
    assert ldif.format_entry("cn=Hélène", [("cn", b"x")]) == b"dn:: Y249SMOpbMOobmU=\ncn: x\n\n"


def test_lines_are_folded_at_76_columns():
    assert ldif.format_line("cn", b"x" * 72) == b"cn: " + b"x" * 72 + b"\n"
    assert ldif.format_line("cn", b"x" * 73) == b"cn: " + b"x" * 72 + b"\n x\n"
    first, second, third, end = ldif.format_line("cn", b"x" * 150).split(b"\n")
    assert (len(first), len(second), third, end) == (76, 76, b" xxx", b"")


def test_a_refusal_reads_as_ldapadd_writes_it():
    text = ldif.format_refusal(b"dn: cn=x\r\ncn: x\r\n", 65, "sn is\nmissing", 12)
    assert text == (
        b"# Error: Object class violation (65), additional info: line 12: sn is missing\ndn: cn=x\ncn: x\n\n"
    )


def test_a_corrected_file_of_refusals_can_be_imported():
    texts = [b"dn: cn=x\ncn: x\n", b"dn: cn=y\ncn: y\n"]
    rejects = b"".join(ldif.format_refusal(text, 32, "no such parent", 1) for text in texts)
    assert [record.dn for record in reading.read(io.BytesIO(rejects))] == ["cn=x", "cn=y"]


def test_a_refusal_without_text_is_a_comment_alone():
    assert list(reading.read(io.BytesIO(ldif.format_refusal(b"", 2, "too long", 1)))) == []
