"""Which national rows are reliable, and the one reason that is told when a row is not."""

import itertools

import pytest

from annuaire.domain import mailbox, reliability
from annuaire.domain.domains import Domains
from annuaire.domain.reliability import Rules

OURS = Domains(["medical*.apicrypt.org"], ["interop-mssante.apicrypt.org"], ["dgs.mssante.fr"])
LISTED = frozenset(
    ["ch-exemple.mssante.fr", "interop-mssante.apicrypt.org", "patient.mssante.fr", "uc-cmp.mssante.fr"]
)
RULES = Rules(LISTED, OURS.is_ours)

PERSON = mailbox.parse(
    "PER|paul.martin@ch-exemple.mssante.fr|8|99900000029|899900000029|1|990000010|CARDIOLOGIE|DR|MARTIN|Paul|C|Civil"
    "|10|Médecin|SM04|Cardiologie et maladies vasculaires|N|CH EXEMPLE||||1||R|DE LA PAIX||59000 LILLE|59000|59|FRANCE"
)
SERVICE = PERSON._replace(
    type_bal="ORG",
    address="secretariat.cardio@ch-exemple.mssante.fr",
    type_pp="",
    national_pp="",
    nom="",
    prenom="",
)

# For each reason a change that makes a row of a person unreliable for it, in the order in which they are looked for.
CHANGES = {
    reliability.MALFORMED_ADDRESS: {"address": "paul martin"},
    reliability.OURS: {"address": "paul.martin@medical59.apicrypt.org"},
    reliability.PATIENT: {"address": "199000000000000@patient.mssante.fr"},
    reliability.UNLISTED: {"address": "paul.martin@hors-liste.example.org"},
    reliability.UNKNOWN_TYPE: {"type_bal": "XYZ"},
    reliability.NO_IDENTIFIER: {"national_pp": ""},
    reliability.MALFORMED_IDENTIFIER: {"national_pp": "8999000000"},
    reliability.NO_NAME: {"nom": ""},
    reliability.CONTESTED: {},
}


def test_a_good_row_is_reliable():
    assert reliability.judge(PERSON, RULES, False) is None
    assert reliability.judge(SERVICE, RULES, False) is None
    for kind in mailbox.STRUCTURAL:
        assert reliability.judge(SERVICE._replace(type_bal=kind), RULES, False) is None


@pytest.mark.parametrize("reason", CHANGES)
def test_each_reason_alone_is_told(reason):
    row = PERSON._replace(**CHANGES[reason])
    assert reliability.judge(row, RULES, reason == reliability.CONTESTED) == reason


def test_of_two_reasons_the_first_of_the_table_is_told():
    assert list(CHANGES) == list(reliability.REASONS)
    for first, second in itertools.combinations(CHANGES, 2):
        row = PERSON._replace(**(CHANGES[second] | CHANGES[first]))
        if first == reliability.UNKNOWN_TYPE and second != reliability.CONTESTED:
            continue  # what is no person's row has no reasons of a person
        assert reliability.judge(row, RULES, second == reliability.CONTESTED) == first


@pytest.mark.parametrize("field", ["nom", "prenom"])
def test_a_person_has_both_names(field):
    assert reliability.judge(PERSON._replace(**{field: ""}), RULES, False) == reliability.NO_NAME


def test_a_structure_needs_neither_names_nor_identifier():
    assert reliability.judge(SERVICE._replace(service="", raison_sociale=""), RULES, False) is None


def test_without_a_liste_blanche_any_domain_will_do_but_ours_and_the_patients():
    rules = Rules(None, OURS.is_ours)
    assert reliability.judge(PERSON._replace(address="x@hors-liste.example.org"), rules, False) is None
    assert (
        reliability.judge(PERSON._replace(address="x@medical.apicrypt.org"), rules, False) == reliability.OURS
    )
    assert (
        reliability.judge(PERSON._replace(address="x@patient.mssante.fr"), rules, False)
        == reliability.PATIENT
    )


def test_our_own_domain_is_never_reliable_though_the_liste_blanche_has_it():
    row = PERSON._replace(address="jeanne.dupont@interop-mssante.apicrypt.org")
    assert reliability.judge(row, RULES, False) == reliability.OURS


def test_the_list_covers_no_domain_below_and_knows_no_case():
    assert reliability.judge(PERSON._replace(address="x@UC-CMP.mssante.fr"), RULES, False) is None
    assert (
        reliability.judge(PERSON._replace(address="x@a.uc-cmp.mssante.fr"), RULES, False)
        == reliability.UNLISTED
    )


def test_the_domains_below_that_of_patients_are_the_patients_too():
    row = PERSON._replace(address="x@formation.patient.mssante.fr")
    assert reliability.judge(row, RULES, False) == reliability.PATIENT
    row = PERSON._replace(address="x@notpatient.mssante.fr")
    assert reliability.judge(row, RULES, False) == reliability.UNLISTED


def test_a_wrong_check_digit_is_a_warning_and_no_reason():
    assert reliability.warnings(PERSON) == ()
    row = PERSON._replace(national_pp="899900000028")
    assert reliability.judge(row, RULES, False) is None
    assert reliability.warnings(row) == (reliability.RPPS_DIGIT,)
    assert reliability.warnings(row._replace(structure="990000011")) == (
        reliability.RPPS_DIGIT,
        reliability.FINESS_DIGIT,
    )


@pytest.mark.parametrize(
    ("kind", "number", "warning"),
    [
        ("1", "990000010", ""),
        ("FINESS", "1990000010", ""),
        ("FINESS", "1990000011", reliability.FINESS_DIGIT),
        ("1", "2A0000011", ""),
        ("3", "99000001000019", ""),
        ("3", "99000001000010", reliability.SIRET_DIGIT),
        ("SIRET", "35600000000049", ""),
        ("41", "990000011", ""),
        ("", "", ""),
    ],
)
def test_structures_have_check_digits_too(kind, number, warning):
    assert reliability.wrong_structure_digit(kind, number) == warning


def test_every_reason_and_warning_has_its_sentence():
    assert all(sentence and not sentence.endswith(".") for sentence in reliability.REASONS.values())
    kinds = {value for name, value in vars(reliability).items() if name.endswith("_DIGIT")}
    assert kinds == set(reliability.WARNINGS)
