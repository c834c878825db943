"""A row of the national list of mailboxes, as its source says it, before any judgement.

The 31 columns of `Extraction_Correspondance_MSSante` (domain reference §1), in their order. The store keeps a row as
one line of text, its fields joined by `|`, which no field holds.
"""

from __future__ import annotations

from typing import NamedTuple

from annuaire.domain import identifiers

SEPARATOR = "|"
PERSONAL = "PER"
STRUCTURAL = ("ORG", "APP", "CAB")
TYPES = (PERSONAL, *STRUCTURAL)  # TRE_R257


class Mailbox(NamedTuple):
    """One attachment of one mailbox: an address may have several rows."""

    type_bal: str
    address: str  # as written; compared in lower case
    type_pp: str  # TRE_G08
    identifiant_pp: str
    national_pp: str
    type_structure: str  # TRE_G07, a code or a word
    structure: str
    service: str
    civilite: str
    nom: str
    prenom: str
    categorie: str
    categorie_libelle: str
    profession: str  # TRE_G15 and others
    profession_libelle: str
    savoir_faire: str
    savoir_faire_libelle: str
    dematerialisation: str  # O, N, true, false, 1, 0 or nothing
    raison_sociale: str
    enseigne: str
    l2: str
    l3: str
    voie_numero: str
    voie_complement: str
    voie_type: str
    voie_libelle: str
    l5: str
    l6: str  # "75002 PARIS": the town
    code_postal: str
    departement: str
    pays: str


COLUMNS = len(Mailbox._fields)


class Activity(NamedTuple):
    """What PS_LibreAcces_Personne_activite adds about one place where a known person works."""

    type_pp: str
    national_pp: str
    profession: str
    profession_libelle: str
    savoir_faire: str
    savoir_faire_libelle: str
    raison_sociale: str
    enseigne: str
    voie_numero: str
    voie_complement: str
    voie_type: str
    voie_libelle: str
    code_postal: str
    commune: str
    telephone: str
    finess: str
    siret: str


def parse(line: str) -> Mailbox:
    """The row that the store keeps as this line."""
    return Mailbox._make(line.split(SEPARATOR))


# Note [What is kept for an account is for those who see it]: activities are kept of people whom we know. Of somebody
# whom an account of ours alone makes known, the line begins so, which no type of identification does. Else a mailbox
# that is published later would be shown with a town and a speciality, at once, because somebody hidden had an account.
OF_ACCOUNT = "*"


def parse_activity(line: str) -> Activity:
    return Activity._make(line.removeprefix(OF_ACCOUNT).split(SEPARATOR))


def format(row: Mailbox | Activity) -> str:  # noqa: A001 the counterpart of parse
    return SEPARATOR.join(row)


def holder(row: Mailbox) -> str:
    """Whom a row describes: a person by national identification, anything else by its address in lower case.

    What cannot be an identification ties nothing to anybody: a text with an @ there would join a person's rows to
    those of the structure that has this address.
    """
    if row.type_bal == PERSONAL and identifiers.can_identify(row.national_pp):
        return identifiers.one_spelling(row.national_pp)
    return row.address.lower()
