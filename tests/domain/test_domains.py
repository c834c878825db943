"""Which domains are ours."""

import pytest

from annuaire.domain.domains import Domains

OURS = Domains(
    ["medical*.apicrypt.org"], ["interop-mssante.apicrypt.org", "mssante.apicrypt.org"], ["dgs.mssante.fr"]
)


@pytest.mark.parametrize(
    ("domain", "native", "interop", "dgs"),
    [
        ("medical59.apicrypt.org", True, False, False),
        ("MEDICAL2A.Apicrypt.ORG", True, False, False),
        ("medical.apicrypt.org", True, False, False),
        ("medical59.apicrypt.org.", True, False, False),
        ("medical.59.apicrypt.org", False, False, False),
        ("x.medical59.apicrypt.org", False, False, False),
        ("medical59.apicrypt.org.evil.example", False, False, False),
        ("medical59.apicryptxorg", False, False, False),
        ("notmedical59.apicrypt.org", False, False, False),
        ("interop-mssante.apicrypt.org", False, True, False),
        ("MSSANTE.apicrypt.org", False, True, False),
        ("x.mssante.apicrypt.org", False, False, False),
        ("apicrypt.org", False, False, False),
        ("dgs.mssante.fr", False, False, True),
        ("DGS.mssante.fr", False, False, True),
        ("dgs-capadd.mssante.fr", False, False, False),
        ("x.dgs.mssante.fr", False, False, False),
        ("dgs.mssante.fr.evil.example", False, False, False),
        ("", False, False, False),
        ("no domain", False, False, False),
    ],
)
def test_a_domain_is_found_exactly(domain, native, interop, dgs):
    assert OURS.is_native(domain) is native
    assert OURS.is_interop(domain) is interop
    assert OURS.is_dgs(domain) is dgs
    assert OURS.is_ours(domain) is (native or interop)


def test_a_domain_beyond_ascii_is_its_ascii_form():
    domains = Domains(["santé*.example.org", "hôpital.example.org"])
    assert domains.is_native("hôpital.example.org")
    assert domains.is_native("xn--hpital-ixa.example.org")
    assert not domains.is_native("hopital.example.org")


def test_nothing_configured_is_nothing_ours():
    domains = Domains([], [], "")
    for domain in ("medical59.apicrypt.org", "", "dgs.mssante.fr"):
        assert not domains.is_ours(domain)
        assert not domains.is_dgs(domain)


def test_the_letters_of_a_pattern_are_themselves():
    domains = Domains(["a.c*.example.org"])
    assert domains.is_native("a.cd.example.org")
    assert not domains.is_native("abcd.example.org")
