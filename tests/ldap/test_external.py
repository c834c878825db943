"""Whom a client certificate or a process of this machine stands for, by the lines of `[audience] certificates`."""

import pytest

from annuaire.domain.audience import Audience
from annuaire.errors import Malformed
from annuaire.ldap import schema as schemas
from annuaire.ldap.channel import Channel, Target
from annuaire.ldap.external import External, process_name

ACCOUNT = "uid=sogo,ou=comptes,o=apicrypt,c=FR"
LINES = (
    "CN=relais.exemple mssante",
    "CN=dgs.exemple,O=Ministère dgs",
    f"CN=sogo.exemple,O=Hôpital -> {ACCOUNT}",
    "OU=Opérateurs,O=Hôpital apicrypt",
)


@pytest.fixture(scope="module")
def known() -> External:
    return External(LINES, schemas.standard())


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
    assert known.certificate(subject) == target


def test_the_line_that_names_most_decides_and_a_star_is_the_last():
    known = External(["* mssante", "CN=a public", "CN=a,O=b dgs"], schemas.standard())
    assert known.certificate("CN=a,O=b,C=FR") == Target(Audience.DGS)
    assert known.certificate("CN=a,O=c") == Target(Audience.PUBLIC)
    assert known.certificate("CN=anybody") == Target(Audience.MSSANTE)
    assert known.certificate("") is None  # no certificate was shown


@pytest.mark.parametrize(
    "line",
    ["", "mssante", "CN=a", "CN=a voisins", "CN=a -> ", "CN=a -> nobody", "a b mssante", "-> uid=x,o=y"],
)
def test_a_line_that_says_nothing_clear_is_refused(line):
    with pytest.raises(Malformed):
        External([line], schemas.standard())


ADMIN = "cn=admin,o=apicrypt,c=FR"
PROCESSES = "cn=peercred,cn=external,cn=auth"
OF_BOTH = (
    f"uidNumber=0,{PROCESSES} -> {ADMIN}",
    f"{PROCESSES} public",
    f"gidNumber=33,{PROCESSES} apicrypt",
    f"GIDNUMBER = 33 + UIDNUMBER = 1000 , CN = PeerCred,cn=External,cn=Auth -> {ACCOUNT}",
    "* mssante",
    "CN=auth dgs",
    "CN=external,CN=auth dgs",
)


@pytest.fixture(scope="module")
def both() -> External:
    return External(OF_BOTH, schemas.standard())


@pytest.mark.parametrize(
    ("user", "group", "target"),
    [
        (0, 0, Target(account=ADMIN)),
        (0, 5, Target(account=ADMIN)),
        (1000, 33, Target(account=ACCOUNT)),
        (1001, 33, Target(Audience.APICRYPT)),
        (1000, 34, Target(Audience.PUBLIC)),
        (10, 0, Target(Audience.PUBLIC)),
        (4294967294, 4294967294, Target(Audience.PUBLIC)),
    ],
)
def test_a_process_answers_to_its_user_and_its_group(both, user, group, target):
    assert both.process(process_name(user, group)) == target


def test_a_process_is_named_as_openldap_names_it():
    assert process_name(1, 2) == "gidNumber=2+uidNumber=1,cn=peercred,cn=external,cn=auth"


def test_no_certificate_answers_for_a_process_and_no_process_for_a_certificate(both):
    for user in (0, 1000):
        assert both.certificate(process_name(user, 33)) == Target(Audience.DGS)
        assert both.certificate(f"{process_name(user, 33)},O=Exemple") == Target(Audience.DGS)
    only_certificates = External(["* mssante", "CN=auth dgs"], schemas.standard())
    assert only_certificates.process(process_name(0, 0)) is None
    only_processes = External([f"{PROCESSES} apicrypt"], schemas.standard())
    assert only_processes.certificate(process_name(0, 0)) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "uidNumber=root",
        "uidNumber=00",
        "uidNumber=-1",
        "uidNumber=",
        "uid=0",
        "cn=root",
        "uidNumber=0,o=exemple",
        "uidNumber=0,uidNumber=1",
    ],
)
def test_a_line_that_no_process_can_answer_to_is_refused(pattern):
    with pytest.raises(Malformed):
        External([f"{pattern},{PROCESSES} -> {ADMIN}"], schemas.standard())


def test_a_certificate_goes_above_the_process_unless_it_stands_for_nobody(both):
    lines = [f"uidNumber=7,{PROCESSES} apicrypt", "CN=relais mssante"]
    known = External(lines, schemas.standard())
    process = process_name(7, 7)
    for subject, external, unbound in (
        ("CN=relais", "CN=relais", Audience.MSSANTE),
        ("CN=autre", process, Audience.APICRYPT),
        ("", process, Audience.APICRYPT),
    ):
        found = known.placed(Channel(Audience.PUBLIC, certificate=subject, process=process))
        assert (found.external, found.unbound) == (external, unbound)
    nobody = known.placed(Channel(Audience.PUBLIC, certificate="CN=autre", process=process_name(8, 7)))
    assert (nobody.external, nobody.target, nobody.unbound) == ("", None, Audience.PUBLIC)
