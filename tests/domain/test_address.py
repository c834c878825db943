"""What is a mail address, and what is its domain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annuaire.domain import address


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("jean.dupont@medecin.mssante.fr", ("jean.dupont", "medecin.mssante.fr")),
        ("Jean.DUPONT@UC-CMP.MSSante.fr", ("Jean.DUPONT", "uc-cmp.mssante.fr")),
        ("a.o'mercier+garde@medical62.apicrypt.org", ("a.o'mercier+garde", "medical62.apicrypt.org")),
        ("labo@a.b.c.d.aura.mssante.fr", ("labo", "a.b.c.d.aura.mssante.fr")),
        ("x@hôpital.example.org", ("x", "xn--hpital-ixa.example.org")),
        ("x@HÔPITAL.example.org", ("x", "xn--hpital-ixa.example.org")),
        ("l" * 64 + "@example.org", ("l" * 64, "example.org")),
    ],
)
def test_an_address_is_a_local_part_as_written_and_a_domain_in_its_normal_form(text, parts):
    assert address.parse(text) == parts
    assert address.domain_of(text) == parts[1]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jean.dupont",
        "@medecin.mssante.fr",
        "jean@",
        "jean@fr",
        "jean@@medecin.mssante.fr",
        "jean dupont@medecin.mssante.fr",
        " jean@medecin.mssante.fr",
        "jean@medecin.mssante.fr ",
        "jean@medecin.mssante.fr.",
        "jean@ medecin.mssante.fr",
        "jean@medecin..mssante.fr",
        "jean@-medecin.mssante.fr",
        ".jean@medecin.mssante.fr",
        "jean.@medecin.mssante.fr",
        "je..an@medecin.mssante.fr",
        "hélène@medecin.mssante.fr",
        '"jean dupont"@medecin.mssante.fr',
        "jean@[192.0.2.1]",
        "jean@medecin.mssante.fr,marie@medecin.mssante.fr",
        "jean@medecin.mssante.fr\n",
        "jean@medecin.mssante.fr\x00",
        "l" * 65 + "@example.org",
        "x@" + "a." * 130 + "org",
    ],
)
def test_anything_else_is_malformed(text):
    assert address.parse(text) is None
    assert address.domain_of(text) == ""


@given(st.text())
def test_no_text_is_too_strange_to_be_judged(text):
    parts = address.parse(text)
    assert parts is None or (text.startswith(parts[0] + "@") and parts[1].isascii())
