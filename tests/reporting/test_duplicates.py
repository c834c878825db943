"""Probable doubles are told with their reasons; homonyms, and whom an identification ties already, are not."""

import filled
import pytest
from filled import account, put, row

from annuaire.reporting import duplicates
from annuaire.reporting.duplicates import PROFESSION, SLIP, STRUCTURE, TOWN

NATIVE = "jeanne.DUPONT@medical59.apicrypt.org"
NATIONAL = "jeanne@medecin.mssante.fr"


@pytest.fixture
def store(tmp_path):
    with filled.store(tmp_path / "var") as opened:
        yield opened


def told(store) -> list[tuple[str, str, tuple[str, ...]]]:
    with store.reading() as reader:
        return [(pair.one.address, pair.other.address, pair.why) for pair in duplicates.report(reader)]


def beside(store, national: dict[str, str], ours: dict[str, str]) -> tuple[str, ...]:
    """Why the account and the national person are told as one; () when they are not."""
    with store.writing() as writer:
        put(writer, [row(NATIONAL, **national)])
        account(writer, NATIVE, **ours)
    found = told(store)
    assert len(found) <= 1
    assert all(pair[:2] == (NATIVE, NATIONAL) for pair in found)
    return found[0][2] if found else ()


RPPS = {"TypeIdentifiantPP": "8", "IdentifiantPP": "99900000011"}
OTHER_RPPS = {"TypeIdentifiantPP": "8", "IdentifiantPP": "99900012347"}
ELSEWHERE = {"l": "BREST", "postalCode": "29200"}


@pytest.mark.parametrize(
    ("national", "ours", "why"),
    [
        # Without an identification of ours: profession or place.
        ({}, {}, (PROFESSION, TOWN)),
        ({}, ELSEWHERE, (PROFESSION,)),
        ({}, {"profession": ""}, (TOWN,)),
        ({}, {"profession": "", **ELSEWHERE}, ()),
        ({"raison_sociale": "CH Exemple"}, {"o": "C.H. EXEMPLE", **ELSEWHERE}, (PROFESSION,)),
        ({"raison_sociale": "CH Exemple"}, {"o": "CH  EXEMPLE", **ELSEWHERE}, (STRUCTURE, PROFESSION)),
        # Two professions are two people.
        ({}, {"profession": "60"}, ()),
        ({"raison_sociale": "CH Exemple"}, {"profession": "60", "o": "CH EXEMPLE"}, ()),
        # One identification is one person, already tied.
        ({}, RPPS, ()),
        # Two identifications: profession and place, or a slip of the hand.
        ({}, OTHER_RPPS, (PROFESSION, TOWN)),
        ({}, {**OTHER_RPPS, **ELSEWHERE}, ()),
        ({}, {**OTHER_RPPS, "profession": ""}, ()),
        ({}, {"TypeIdentifiantPP": "8", "IdentifiantPP": "99900000012", **ELSEWHERE}, (SLIP, PROFESSION)),
        ({}, {"TypeIdentifiantPP": "8", "IdentifiantPP": "99900000101", "profession": "", **ELSEWHERE}, (SLIP,)),
        # Names as they are written, and other names.
        ({"nom": "LE GOFF", "prenom": "Zoé"}, {"sn": "Le Goff", "givenName": "ZOE"}, (PROFESSION, TOWN)),
        (
            {"nom": "L'HÉRITIER", "prenom": "Anne-Marie, Rose"},
            {"sn": "l’heritier", "givenName": "Anne Marie"},
            (PROFESSION, TOWN),
        ),
        ({"prenom": "Jean"}, {}, ()),
        ({"nom": "DUPOND"}, {}, ()),
        ({"prenom": ""}, {"givenName": ""}, ()),
        # Towns as addresses write them.
        ({"l6": "59000 LILLE CEDEX 9", "code_postal": ""}, {"postalCode": "", "l": "Lille", "profession": ""}, (TOWN,)),
    ],
)  # fmt: skip
def test_a_name_and_something_else_make_a_probable_double(store, national, ours, why):
    assert beside(store, national, ours) == why


def test_two_national_people_with_two_numbers_are_two_people(store):
    with store.writing() as writer:
        put(writer, [row("a@medecin.mssante.fr"), row("b@medecin.mssante.fr", national_pp="899900012347")])
    assert told(store) == []


def test_an_account_that_the_national_list_confirms_is_nobody_else(store):
    """Its number is known there under its name: the homonym next door, whatever they share, is another person."""
    with store.writing() as writer:
        put(writer, [row("a@medecin.mssante.fr"), row("b@medecin.mssante.fr", national_pp="899900000029")])
        account(writer, NATIVE, **RPPS)
    assert told(store) == []


def test_a_national_row_without_identification_is_sought_too(store):
    with store.writing() as writer:
        put(writer, [row(NATIONAL), row("jd@ch-exemple.mssante.fr", national_pp="", identifiant_pp="")])
    assert told(store) == [("jd@ch-exemple.mssante.fr", NATIONAL, (PROFESSION, TOWN))]


def test_two_accounts_of_ours_may_be_one_person(store):
    with store.writing() as writer:
        account(writer, NATIVE)
        account(writer, "jdupont@medical62.apicrypt.org", l="ARRAS", postalCode="62000")
        account(writer, "other@medical59.apicrypt.org", sn="MARTIN")
    (pair,) = told(store)
    assert set(pair[:2]) == {NATIVE, "jdupont@medical62.apicrypt.org"}
    assert pair[2] == (PROFESSION,)


def test_places_of_all_mailboxes_of_a_person_count(store):
    with store.writing() as writer:
        put(writer, [row(NATIONAL, l6="29200 BREST", code_postal="29200"), row("z@ch-exemple.mssante.fr")])
        account(writer, NATIVE, profession="")
    assert [pair[2] for pair in told(store)] == [(TOWN,)]


def test_those_with_most_reasons_come_first(store):
    with store.writing() as writer:
        put(writer, [row(NATIONAL, raison_sociale="CH EXEMPLE")])
        account(writer, "un@medical59.apicrypt.org", **ELSEWHERE)
        account(writer, "deux@medical59.apicrypt.org", o="CH EXEMPLE")
    with_national = [pair for pair in told(store) if pair[1] == NATIONAL]
    assert [pair[0] for pair in with_national] == ["deux@medical59.apicrypt.org", "un@medical59.apicrypt.org"]


@pytest.mark.parametrize(
    ("one", "other", "slip"),
    [
        ("899900000011", "899900000012", True),
        ("899900000011", "899900000101", True),
        ("899900000011", "899900000011", False),
        ("899900000011", "89990000001", False),
        ("899900000011", "899900000022", False),
        ("899900000011", "999900000010", False),
        ("8999000000AB", "8999000000BA", True),
    ],
)
def test_a_slip_is_one_wrong_character_or_two_neighbours_exchanged(one, other, slip):
    assert duplicates.differ_by_a_slip(one, other) is slip
