"""Which rows of the national list reach the views: the "reliable" part (fiable) of reliable and consolidated.

A row that is not reliable is kept with its reason and counted, and shown to nobody. The first reason that holds, in
the order below, is the one that is told: first what is wrong with the address, then with the kind of mailbox, then
with the person, and last what depends on other rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from annuaire.domain import address as addresses
from annuaire.domain import identifiers
from annuaire.domain.mailbox import PERSONAL, TYPES, Mailbox

MALFORMED_ADDRESS = "adresse-malformee"
OURS = "domaine-apicrypt"
PATIENT = "patient"
UNLISTED = "domaine-hors-liste"
UNKNOWN_TYPE = "type-inconnu"
NO_IDENTIFIER = "identifiant-absent"
MALFORMED_IDENTIFIER = "identifiant-malforme"
NO_NAME = "nom-absent"
CONTESTED = "contestee"

# Every reason, in the order in which they are looked for, and its sentence.
REASONS: dict[str, str] = {
    MALFORMED_ADDRESS: "l'adresse n'a pas la forme d'une adresse",
    OURS: "l'adresse est d'un domaine d'APICRYPT, dont seul l'annuaire d'APICRYPT décide",
    PATIENT: "l'adresse est celle d'un patient",
    UNLISTED: "le domaine n'est pas dans la liste blanche",
    UNKNOWN_TYPE: "le type de boîte n'est ni PER, ni ORG, ni APP, ni CAB",
    NO_IDENTIFIER: "la personne n'a pas d'identifiant national",
    MALFORMED_IDENTIFIER: "l'identifiant national n'a pas la forme de son type",
    NO_NAME: "il manque le nom ou le prénom de la personne",
    CONTESTED: "plusieurs personnes ont la même adresse",
}

# What is worth a look and keeps no row out of the views.
RPPS_DIGIT = "cle-rpps"
FINESS_DIGIT = "cle-finess"
SIRET_DIGIT = "cle-siret"

WARNINGS: dict[str, str] = {
    RPPS_DIGIT: "la clé du numéro RPPS est fausse",
    FINESS_DIGIT: "la clé du numéro FINESS est fausse",
    SIRET_DIGIT: "la clé du numéro SIRET est fausse",
}

# The citizens' mailboxes (Mon espace santé): their local part is a number of social security.
_PATIENTS = "patient.mssante.fr"
# The establishments of La Poste have numbers of another rule.
_LA_POSTE = "356000000"


class Rules(NamedTuple):
    """What the judgement of a row depends on beside the row."""

    listed: frozenset[str] | None  # domains of the liste blanche; None when none was loaded
    is_ours: Callable[[str], bool]  # Domains.is_ours


def judge(row: Mailbox, rules: Rules, contested: bool) -> str | None:
    """Why a row is not reliable, None when it is; `contested`: rows of other people have its address too.

    Our own domains come before the rest: for our addresses our accounts are the only authority, so that whoever
    chooses liste rouge is hidden at once, even while the national list still has the address.
    """
    domain = addresses.domain_of(row.address)
    if not domain:
        return MALFORMED_ADDRESS
    if rules.is_ours(domain):
        return OURS
    if domain == _PATIENTS or domain.endswith("." + _PATIENTS):
        return PATIENT
    if rules.listed is not None and domain not in rules.listed:
        return UNLISTED
    if row.type_bal not in TYPES:
        return UNKNOWN_TYPE
    if row.type_bal == PERSONAL:
        if not row.national_pp:
            return NO_IDENTIFIER
        if not identifiers.is_well_formed(row.type_pp, row.national_pp):
            return MALFORMED_IDENTIFIER
        if not row.nom or not row.prenom:
            return NO_NAME
    return CONTESTED if contested else None


def warnings(row: Mailbox) -> tuple[str, ...]:
    """What is doubtful about a row, reliable or not; published numbers with a wrong check digit are common."""
    return tuple(
        kind
        for kind in (
            wrong_person_digit(row.type_pp, row.national_pp),
            wrong_structure_digit(row.type_structure, row.structure),
        )
        if kind
    )


def wrong_person_digit(kind: str, national_id: str) -> str:
    """RPPS_DIGIT when the number is an RPPS with a wrong check digit, else ""."""
    if kind != identifiers.RPPS or not identifiers.is_well_formed(kind, national_id):
        return ""
    return "" if identifiers.has_right_check_digit(kind, national_id) else RPPS_DIGIT


def wrong_structure_digit(kind: str, identifier: str) -> str:
    """FINESS_DIGIT or SIRET_DIGIT when the number is one with a wrong check digit, else ""."""
    if not identifier:
        return ""
    word, number = identifiers.structure(kind, identifier)
    if not (number.isascii() and number.isdigit()):
        return ""  # a FINESS of Corsica has a letter, and no check digit that we know
    if word == identifiers.FINESS and len(number) == 9:
        return "" if identifiers.luhn(number) else FINESS_DIGIT
    if word == identifiers.SIRET and len(number) == 14 and not number.startswith(_LA_POSTE):
        return "" if identifiers.luhn(number) else SIRET_DIGIT
    return ""
