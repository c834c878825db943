"""Domains are listed exactly; names of certificates are one name in all their spellings, and never two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annuaire.domain import liste_blanche
from annuaire.domain.liste_blanche import ListeBlanche, Row
from annuaire.ldap import dn

HOSPITAL = "CN=mss1.ch-exemple.example,OU=1990000010,O=CH EXEMPLE,ST=Nord (59),C=FR"
OTHER = "CN=mss2.ch-exemple.example,OU=1990000010,O=CH EXEMPLE,ST=Nord (59),C=FR"
OPERATOR = "CN=mx.operateur-a.example,OU=1990000028,O=OPERATEUR A,ST=Paris (75),C=FR"


def row(domain: str, certificate: str) -> Row:
    return Row(domain, certificate, "", "", "", "")


LIST = ListeBlanche(
    [
        row("ch-exemple.mssante.fr", HOSPITAL),
        row("ch-exemple.mssante.fr", OTHER),
        row("medecin.mssante.fr", OPERATOR),
        row("dgs.mssante.fr", OPERATOR),
    ]
)


def test_a_domain_is_listed_whatever_its_case_and_last_dot():
    assert LIST.listed("CH-Exemple.MSSante.fr.")
    assert LIST.domains == {"ch-exemple.mssante.fr", "medecin.mssante.fr", "dgs.mssante.fr"}


@pytest.mark.parametrize(
    "domain",
    [
        "mssante.fr",
        "site.ch-exemple.mssante.fr",
        "dgs.mssante.fr.evil.example",
        "xdgs.mssante.fr",
        "dgs-capadd.mssante.fr",
        "*.mssante.fr",
        "",
        ".",
        "dgs..mssante.fr",
    ],
)
def test_neither_a_parent_nor_a_child_nor_a_likeness_is_listed(domain):
    assert not LIST.listed(domain)


def test_a_domain_has_one_row_for_each_certificate():
    assert [one.certificate for one in LIST.rows("CH-EXEMPLE.mssante.fr")] == [HOSPITAL, OTHER]
    assert LIST.rows("absent.mssante.fr") == ()


def test_an_operator_shows_its_own_certificates_for_its_own_domains():
    assert LIST.admits("ch-exemple.mssante.fr", HOSPITAL)
    assert LIST.admits("ch-exemple.mssante.fr", OTHER)
    assert not LIST.admits("medecin.mssante.fr", HOSPITAL)
    assert not LIST.admits("absent.mssante.fr", HOSPITAL)


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("UC-CMP.mssante.fr", "uc-cmp.mssante.fr"),
        (" medecin.mssante.fr\n", "medecin.mssante.fr"),
        ("santé-océan.mssante.fr", "xn--sant-ocan-e4ad.mssante.fr"),
        ("XN--SANT-OCAN-E4AD.mssante.fr", "xn--sant-ocan-e4ad.mssante.fr"),
        ("_dmarc.mssante.fr", "_dmarc.mssante.fr"),
        ("fr", ""),
        ("a@b.fr", ""),
        ("-a.fr", ""),
        ("a b.fr", ""),
        ("a." * 200 + "fr", ""),
        ("é" * 64 + ".fr", ""),
        ("a" * 64 + ".fr", ""),
    ],
)
def test_domains_are_compared_in_ascii_and_lower_case(text, domain):
    assert liste_blanche.domain_name(text) == domain


@pytest.mark.parametrize(
    "spelled",
    [
        "CN=mss1.ch-exemple.example, OU=1990000010, O=CH EXEMPLE, ST=Nord (59), C=FR",
        "cn=MSS1.CH-EXEMPLE.EXAMPLE,ou=1990000010,o=ch  exemple,st=NORD (59),c=fr",
        "CN=mss1.ch-exemple.example,OU=1990000010,O=CH EXEMPLE,L=Nord (59),C=FR",
        "C=FR,ST=Nord (59),O=CH EXEMPLE,OU=1990000010,CN=mss1.ch-exemple.example",
        "/C=FR/ST=Nord (59)/O=CH EXEMPLE/OU=1990000010/CN=mss1.ch-exemple.example",
        'CN=mss1.ch-exemple.example;OU=1990000010;O="CH EXEMPLE";S=Nord (59);C=FR',
        "2.5.4.3=mss1.ch-exemple.example,OID.2.5.4.11=1990000010,2.5.4.10=CH EXEMPLE,2.5.4.8=Nord (59),2.5.4.6=FR",
        "CN=mss1.ch-exemple.example,OU=1990000010,O=CH\\20EXEMPLE,ST=Nord \\(59\\),C=FR",
    ],
)
def test_one_name_in_many_spellings_is_one_name(spelled):
    assert liste_blanche.certificate_name(spelled) == liste_blanche.certificate_name(HOSPITAL)
    assert liste_blanche.is_listed(spelled, [OTHER, HOSPITAL])


@pytest.mark.parametrize(
    "other",
    [
        "CN=mss1.ch-exemple.example.evil.example,OU=1990000010,O=CH EXEMPLE,ST=Nord (59),C=FR",
        "CN=mss1.ch-exemple.example,OU=1990000011,O=CH EXEMPLE,ST=Nord (59),C=FR",
        "CN=mss1.ch-exemple.example,O=CH EXEMPLE,OU=1990000010,ST=Nord (59),C=FR",
        "CN=mss1.ch-exemple.example,OU=1990000010,O=CH EXEMPLE,C=FR",
        "CN=mss1.ch-exemple.example\\,OU=1990000010\\,O=CH EXEMPLE\\,ST=Nord (59),C=FR",
        "CN=mss1.ch-exemple.example+OU=1990000010,O=CH EXEMPLE,ST=Nord (59),C=FR",
        "CN=mss1.ch-exemple.example+C=FR",
        "OU=mss1.ch-exemple.example",
        "",
        "=",
        ",",
        "CN=",
        'CN="mss1.ch-exemple.example',
        "x" * 2000,
        "CN=" + "x" * 2000,
    ],
)
def test_another_name_is_not_taken_for_it(other):
    assert not liste_blanche.is_listed(other, [HOSPITAL])


def test_a_common_name_alone_is_enough_because_postfix_gives_no_more():
    for shown in ("mss1.ch-exemple.example", "MSS1.CH-Exemple.example", "CN=mss1.ch-exemple.example"):
        assert liste_blanche.is_listed(shown, [OTHER, HOSPITAL])
    assert not liste_blanche.is_listed("ch-exemple.example", [HOSPITAL])
    assert not liste_blanche.is_listed("1990000010", [HOSPITAL])


def test_letters_beyond_ascii_compare_in_every_composition():
    listed = "CN=a.example,O=OPÉRATEUR B,ST=Puy-de-Dôme (63),C=FR"
    shown = "CN=a.example,O=OPE\u0301RATEUR B,ST=Puy-de-D\\C3\\B4me (63),C=FR"
    assert liste_blanche.is_listed(shown, [listed])


def test_a_comma_that_the_list_forgot_to_escape_belongs_to_the_name():
    listed = "CN=a.example,O=SANTE, OCEAN ET COMPAGNIE,ST=La Réunion (974),C=FR"
    shown = "CN=a.example,O=SANTE\\, OCEAN ET COMPAGNIE,ST=La Réunion (974),C=FR"
    assert liste_blanche.is_listed(shown, [listed])


def test_an_unreadable_name_of_the_list_is_nobodys():
    assert not liste_blanche.is_listed("", [""])
    assert not liste_blanche.is_listed("mx.example", ["mx.example"])


VALUES = st.text(st.sampled_from('ab É,+;"\\=#/<>\N{NO-BREAK SPACE}'), min_size=1, max_size=8).filter(
    lambda value: value.split() and not value.startswith("#")
)
NAMES = st.lists(st.tuples(st.sampled_from(["CN", "OU", "O", "ST"]), VALUES), min_size=1, max_size=4)


@settings(max_examples=150)
@given(NAMES, NAMES)
def test_what_the_ldap_names_tell_apart_is_told_apart_here(one, other):
    """Written by RFC 4514, read by the lenient reader of the list: the same values, neither more nor fewer."""
    texts = [dn.format(dn.Dn(tuple(dn.Rdn((pair,)) for pair in pairs))) for pairs in (one, other)]
    read = [liste_blanche.certificate_name(text) for text in texts]
    assert all(read)
    plain = [[(kind, " ".join(value.casefold().split())) for kind, value in pairs] for pairs in (one, other)]
    assert (read[0] == read[1]) == (plain[0] == plain[1])


@settings(max_examples=150)
@given(st.text(max_size=60))
def test_no_text_breaks_the_comparison(text):
    liste_blanche.domain_name(text)
    liste_blanche.is_listed(text, [text, HOSPITAL])
