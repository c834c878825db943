"""Whom a client certificate stands for, by the lines of `[audience] certificates`."""

import pytest

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import schema as schemas
from annuaire.ldap.certificates import Certificates, Target

ACCOUNT = "uid=sogo,ou=comptes,o=apicrypt,c=FR"
LINES = (
    "CN=relais.exemple mssante",
    "CN=dgs.exemple,O=Ministère dgs",
    f"CN=sogo.exemple,O=Hôpital -> {ACCOUNT}",
    "OU=Opérateurs,O=Hôpital apicrypt",
)


@pytest.fixture(scope="module")
def known() -> Certificates:
    return Certificates(LINES, schemas.standard())


@pytest.mark.parametrize(
    ("subject", "target"),
    [
        ("CN=relais.exemple,O=Exemple,C=FR", Target(Audience.MSSANTE)),
        ("cn=RELAIS.exemple", Target(Audience.MSSANTE)),
        ("2.5.4.3=relais.exemple", Target(Audience.MSSANTE)),
        ("C=FR+CN=relais.exemple", Target(Audience.MSSANTE)),
        ("CN=relais.exemple.fr", None),
        ("O=relais.exemple", None),
        ("CN=dgs.exemple", None),  # the line asks for more than the subject has
        ("CN=dgs.exemple,O=Autre", None),
        ("CN=dgs.exemple,O=MINISTÈRE", Target(Audience.DGS)),
        (
            "CN=sogo.exemple,OU=Opérateurs,O=Hôpital",
            Target(account=ACCOUNT),
        ),  # the first of two that say as much
        ("CN=autre,OU=Opérateurs,O=Hôpital", Target(Audience.APICRYPT)),
        (ACCOUNT, None),  # a subject that looks like an account is nobody's
        ("CN=a\\,b", None),
        ("not a name", None),
        ("", None),
    ],
)
def test_every_attribute_of_a_line_must_be_in_the_subject(known, subject, target):
    assert known.find(subject) == target


def test_the_line_that_names_most_decides_and_a_star_is_the_last():
    known = Certificates(["* mssante", "CN=a public", "CN=a,O=b dgs"], schemas.standard())
    assert known.find("CN=a,O=b,C=FR") == Target(Audience.DGS)
    assert known.find("CN=a,O=c") == Target(Audience.PUBLIC)
    assert known.find("CN=anybody") == Target(Audience.MSSANTE)
    assert known.find("") is None  # no certificate was shown


@pytest.mark.parametrize(
    "line",
    ["", "mssante", "CN=a", "CN=a voisins", "CN=a -> ", "CN=a -> nobody", "a b mssante", "-> uid=x,o=y"],
)
def test_a_line_that_says_nothing_clear_is_refused(line):
    with pytest.raises(Malformed):
        Certificates([line], schemas.standard())
